// A server on Bun that writes: POST a prompt as plain text, read the story as it comes.

import { load } from "nibble-lm";

const model = await load();

const server = Bun.serve({
  port: process.env.PORT ?? 3000,
  hostname: "127.0.0.1",
  async fetch(request) {
    if (request.method !== "POST") return new Response("POST a prompt.\n", { status: 405 });
    const text = model.stream(await request.text(), { maxTokens: 300 });
    return new Response(text, { headers: { "content-type": "text/plain; charset=utf-8" } });
  },
});
console.log(`Listening on ${server.url}`);
