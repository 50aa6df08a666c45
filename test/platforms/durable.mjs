// A Worker with a text that outlives its isolate: each request to the Durable Object writes some
// tokens and leaves the session in its storage. And the server of nibble-lm/server, in its isolate.

import { DurableObject } from "cloudflare:workers";
import { load, shareModel } from "nibble-lm";
import { createServer } from "nibble-lm/server";

/** Below the 2 MB that a value may have. */
const CHUNK_BYTES = 1_000_000;
const getModel = shareModel(async (env) => load(await env.MODELS.get("model"), { sessions: 2 }));
let server;

export class Story extends DurableObject {
  async fetch(request) {
    const { prompt, options, tokens } = await request.json();
    const model = await getModel(this.env, this.ctx);
    const session = model.session();
    try {
      const saved = this.load();
      if (saved) session.restore(saved);
      let written = 0;
      const own = { ...options, onToken: () => void written++ };
      let text = "";
      for await (const piece of saved ? session.resume(own) : session.generate(prompt, own)) {
        text += piece;
        if (written >= tokens) break;
      }
      const bytes = session.save();
      this.save(bytes);
      return Response.json({ text, wasSaved: saved !== undefined, bytes: bytes.length });
    } finally {
      session.close();
    }
  }

  save(bytes) {
    const { sql } = this.ctx.storage;
    this.ctx.storage.transactionSync(() => {
      sql.exec("CREATE TABLE IF NOT EXISTS saved (i INTEGER PRIMARY KEY, bytes BLOB)");
      sql.exec("DELETE FROM saved");
      for (let i = 0; i * CHUNK_BYTES < bytes.length; i++) {
        sql.exec("INSERT INTO saved VALUES (?, ?)", i,
          bytes.slice(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES).buffer);
      }
    });
  }

  load() {
    const { sql } = this.ctx.storage;
    sql.exec("CREATE TABLE IF NOT EXISTS saved (i INTEGER PRIMARY KEY, bytes BLOB)");
    const chunks = sql.exec("SELECT bytes FROM saved ORDER BY i").toArray();
    if (chunks.length === 0) return undefined;
    const all = new Uint8Array(chunks.reduce((sum, { bytes }) => sum + bytes.byteLength, 0));
    let at = 0;
    for (const { bytes } of chunks) {
      all.set(new Uint8Array(bytes), at);
      at += bytes.byteLength;
    }
    return all;
  }
}

export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === "/put") {
      await env.MODELS.put("model", await request.arrayBuffer());
      return new Response();
    }
    if (pathname === "/story") return env.STORIES.get(env.STORIES.idFromName("one")).fetch(request);
    server ??= createServer(await getModel(env, ctx));
    return server.fetch(request);
  },
};
