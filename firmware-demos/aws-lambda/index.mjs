// A Lambda function that writes, streaming: the event is that of a function URL. The model is
// loaded once for each instance and stays in memory between invocations.

import { pipeline } from "node:stream/promises";
import { load } from "nibble-lm";

let model;

function promptOf(event) {
  const body = event.isBase64Encoded ? Buffer.from(event.body, "base64").toString() : event.body;
  const { prompt, ...options } = JSON.parse(body ?? "null") ?? {};
  if (typeof prompt !== "string") throw new SyntaxError('Send {"prompt": "Once upon a time"}.');
  return { prompt, options: { maxTokens: 300, ...options } };
}

export const handler = awslambda.streamifyResponse(async (event, stream) => {
  const respond = (statusCode, type) => awslambda.HttpResponseStream.from(stream, {
    statusCode, headers: { "content-type": `${type}; charset=utf-8` },
  });
  try {
    const { prompt, options } = promptOf(event);
    model ??= await load();
    const text = model.stream(prompt, options);
    await pipeline(text, respond(200, "text/plain"));
  } catch (error) {
    const failed = respond(400, "application/json");
    failed.end(JSON.stringify({ error: error.message }));
  }
});
