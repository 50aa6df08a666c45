// Runs the WASI program under Node: node node.mjs PROGRAM [ARGUMENT ...], with the current folder
// as "." and the whole disk as "/".

import { readFileSync } from "node:fs";
import { WASI } from "node:wasi";

const [program, ...rest] = process.argv.slice(2);
const wasi = new WASI({
  version: "preview1",
  args: [program, ...rest],
  preopens: { ".": process.cwd(), "/": "/" },
  returnOnExit: true,
});
// Called through JavaScript, since Node's direct calls of WASI abort the process when memory is
// allocated in them (nodejs/node#46777).
const calls = Object.fromEntries(Object.entries(wasi.wasiImport).map(
  ([name, call]) => [name, (...values) => call(...values)]));
const module = new WebAssembly.Module(readFileSync(program));
const instance = new WebAssembly.Instance(module, { wasi_snapshot_preview1: calls });
process.exitCode = wasi.start(instance);
