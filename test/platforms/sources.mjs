// A Worker that loads the same model from each kind of source that Workers have, and answers with
// the hash of a prompt's logits, or with the failure's code and sentence.

import { load } from "nibble-lm";

const fromAssets = (env) => ({ fetch: (address, init) => env.ASSETS.fetch(address, init) });

/** What `load` is given, by the path of the request. */
const inputs = {
  "/object": async (env) => [await env.MODELS.get("model")],
  "/range": async (env) => [await env.MODELS.get("model", { range: { offset: 0 } })],
  "/stream": async (env) => [(await env.MODELS.get("model")).body],
  "/bytes": async (env) => [await (await env.MODELS.get("model")).arrayBuffer()],
  "/blob": async (env) => [await (await env.MODELS.get("model")).blob()],
  "/response": async (env) => [new Response((await env.MODELS.get("model")).body)],
  "/fetched": async (env) => [await env.ASSETS.fetch("http://assets/model.gguf")],
  "/shards": async (env) => ["http://assets/model.shards.json", fromAssets(env)],
  "/cut-shards": async (env) => ["http://assets/cut.shards.json", fromAssets(env)],
  "/nothing": async () => [],
  "/path": async () => ["model.gguf"],
  "/used": async (env) => {
    const object = await env.MODELS.get("model");
    await object.arrayBuffer();
    return [object];
  },
  "/absent": async (env) => [await env.MODELS.get("none")],
};

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/put") {
      await env.MODELS.put("model", await request.arrayBuffer());
      return new Response();
    }
    try {
      const model = await load(...await inputs[pathname](env));
      const logits = await model.session().hashLogits(model.tokenize("The same?"));
      model.dispose();
      return Response.json({ logits });
    } catch (error) {
      return Response.json({ code: error.code ?? "no code", message: String(error.message) });
    }
  },
};
