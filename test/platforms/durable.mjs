// A Worker with OpenAI's interface, and sessions that stay: each in the storage of a Durable Object
// of its own.

import { DurableObject } from "cloudflare:workers";
import { load, shareModel } from "nibble-lm";
import { createServer, durableStore, sessionOf } from "nibble-lm/server";

const getModel = shareModel(async (env) => load(await env.MODELS.get("model"), { sessions: 2 }));
let server;

export class Talk extends DurableObject {
  async fetch(request) {
    if (request.method === "GET") {
      const [row] = this.ctx.storage.sql.exec("SELECT COUNT(*) AS pieces, "
        + "MAX(LENGTH(bytes)) AS most FROM nibble_sessions").toArray();
      return Response.json(row);
    }
    const model = await getModel(this.env, this.ctx);
    this.server ??= createServer(model, {
      sessions: durableStore(this.ctx.storage), idleSeconds: 1 });
    return this.server.fetch(request);
  }
}

export default {
  async fetch(request, env, ctx) {
    if (request.method === "PUT") {
      await env.MODELS.put("model", await request.arrayBuffer());
      return new Response();
    }
    const id = sessionOf(request);
    if (id !== undefined) return env.TALKS.get(env.TALKS.idFromName(id)).fetch(request);
    server ??= createServer(await getModel(env, ctx));
    return server.fetch(request);
  },
};
