// The program without JavaScript, under the WASI of Node and of Deno. It has no sessions to save.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { here, root, type Host } from "../stage";

const program = join(root, "dist/nibble-wasi.wasm");
const start = join(here, "wasi/node.mjs");
const run = promisify(execFile);

function wasi(name: string, command: [string, ...string[]]): Host {
  return {
    name, entry: "nibble-wasi.wasm", build: undefined, hasSessions: false,
    missing: () => [command[0], program].find((path) => !existsSync(path)),
    async start({ folder }) {
      const [binary, ...args] = command;
      const ask = async (...own: string[]): Promise<string> => (await run(binary,
        [...args, start, program, ...own], { cwd: folder, maxBuffer: 1 << 28 })).stdout;
      return {
        async run(path, { prompt, options }) {
          const model = basename(path);
          const { sha256 } = JSON.parse(await ask("logits", model, prompt, "--json")) as
            { sha256: string };
          const text = await ask("run", model, prompt, "--seed", String(options.seed),
            "--temp", String(options.temperature), "-n", String(options.maxTokens));
          // The prompt comes first, and a newline last where the text has none.
          return { logits: sha256, first: "", rest: text.slice(prompt.length), saved: "" };
        },
        async stop() {},
      };
    },
  };
}

export const nodeWasi = wasi("node:wasi", [process.execPath, "--no-warnings"]);
export const denoWasi = wasi("WASI of Deno",
  [join(here, "node_modules/.bin/deno"), "run", "-A", "--no-lock"]);
