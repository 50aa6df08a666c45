// A server on Deno that writes: POST a prompt as plain text, read the story as it comes.

import { load } from "nibble-lm";

const model = await load();

Deno.serve({ port: Number(Deno.env.get("PORT") ?? 8000), hostname: "127.0.0.1" }, async (request) => {
  if (request.method !== "POST") return new Response("POST a prompt.\n", { status: 405 });
  const text = model.stream(await request.text(), { maxTokens: 300 });
  return new Response(text, { headers: { "content-type": "text/plain; charset=utf-8" } });
});
