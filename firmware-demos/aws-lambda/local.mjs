// Runs the function with the event of a function URL and a stand-in for Lambda's streaming runtime.

import { PassThrough } from "node:stream";

globalThis.awslambda = {
  streamifyResponse: (handler) => handler,
  HttpResponseStream: {
    from(stream, { statusCode }) {
      if (statusCode !== 200) process.exitCode = 1;
      return stream;
    },
  },
};
const { handler } = await import("./index.mjs");
const [prompt = "Once upon a time", seed] = process.argv.slice(2);
const stream = new PassThrough();
stream.pipe(process.stdout);
await handler({
  version: "2.0", rawPath: "/", isBase64Encoded: false,
  requestContext: { http: { method: "POST", path: "/" } },
  body: JSON.stringify({ prompt, ...(seed ? { seed: Number(seed) } : {}) }),
}, stream);
