// OpenAI's interface on Deno or Bun: the same function behind the server that each brings.

import { load } from "nibble-lm";
import { createServer } from "nibble-lm/server";

const [path, port] = process.argv.slice(2);
const { fetch } = createServer(await load(path), { apiKey: "k" });
const where = { port: Number(port), hostname: "127.0.0.1" };
if ("Deno" in globalThis) Deno.serve(where, (request) => fetch(request));
else Bun.serve({ ...where, fetch });
