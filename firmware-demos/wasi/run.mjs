// Runs nibble-wasi.wasm under Node's own WASI, with the present folder as the only one it sees.

import { readFile } from "node:fs/promises";
import { WASI } from "node:wasi";

const wasi = new WASI({
  version: "preview1", args: ["nibble", ...process.argv.slice(2)], preopens: { ".": "." },
});
const path = import.meta.resolve("nibble-lm/nibble-wasi.wasm");
const module = await WebAssembly.compile(await readFile(new URL(path)));
const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
process.exitCode = wasi.start(instance);
