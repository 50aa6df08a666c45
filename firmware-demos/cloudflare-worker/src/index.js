// A Worker that writes: POST /generate with {"prompt": "..."} streams text. One model for each
// isolate, loaded by its first request; texts wait in a short queue, and stop when their reader
// has gone.

import { load, shareModel } from "nibble-lm";

const getModel = shareModel(async (env) => (
  load(await env.ASSETS.fetch("https://assets/bytepool-10m.gguf"), { queue: 8 })
  // From R2: load(await env.MODELS.get("model.gguf"), { queue: 8, context: 1024 })
));

function refuse(status, message) {
  return Response.json({ error: message }, { status });
}

export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname !== "/generate") return refuse(404, "There is only POST /generate.");
    if (request.method !== "POST") return refuse(405, "POST a JSON object with a prompt.");
    const { prompt, maxTokens = 300, temperature, seed } = await request.json().catch(() => ({}));
    if (typeof prompt !== "string") return refuse(400, 'Send {"prompt": "Once upon a time"}.');
    try {
      const text = (await getModel(env, ctx)).stream(prompt, { maxTokens, temperature, seed });
      return new Response(text, { headers: { "content-type": "text/plain; charset=utf-8" } });
    } catch (error) {
      return refuse(error.code === "QUEUE_FULL" ? 503 : 400, error.message);
    }
  },
};
