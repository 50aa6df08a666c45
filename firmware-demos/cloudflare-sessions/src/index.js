// A Worker with OpenAI's interface whose sessions stay: each below /v1/sessions/ID/ lives in a
// Durable Object, and goes on there after its isolate has gone. Without that path nothing is kept.

import { DurableObject } from "cloudflare:workers";
import { load, shareModel } from "nibble-lm";
import { createServer, durableStore, sessionOf } from "nibble-lm/server";

const DAY = 86_400_000;

const getModel = shareModel(async (env) => (
  load(await env.ASSETS.fetch("https://assets/bytepool-10m.gguf"), { sessions: 2, queue: 8 })
));
let server;

export class Talk extends DurableObject {
  async fetch(request) {
    await this.ctx.storage.setAlarm(Date.now() + 30 * DAY);
    const model = await getModel(this.env, this.ctx);
    this.server ??= createServer(model, {
      apiKey: this.env.API_KEY, sessions: durableStore(this.ctx.storage) });
    return this.server.fetch(request);
  }

  /** Nobody has come for a month. */
  async alarm() {
    await this.ctx.storage.deleteAll();
    this.server = undefined;
  }
}

export default {
  async fetch(request, env, ctx) {
    const id = sessionOf(request);
    if (id !== undefined) return env.TALKS.get(env.TALKS.idFromName(id)).fetch(request);
    const model = await getModel(env, ctx);
    server ??= createServer(model, { apiKey: env.API_KEY });
    return server.fetch(request);
  },
};
