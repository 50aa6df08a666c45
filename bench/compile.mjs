// The bench's own WebAssembly (assembly/), compiled with the options of the kernels.
// Does not know: what it computes.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const out = join(root, "build/bench.wasm");

/** Compiles it, which takes some seconds. */
export function compileBench() {
  const require = createRequire(import.meta.url);
  const asc = join(dirname(require.resolve("assemblyscript/package.json")), "bin/asc.js");
  mkdirSync(dirname(out), { recursive: true });
  execFileSync(process.execPath,
    [asc, "bench/assembly/index.ts", "--target", "kernels", "--outFile", out],
    { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
}

/** An instance of what `compileBench` made. */
export function openBench() {
  return new WebAssembly.Instance(new WebAssembly.Module(readFileSync(out))).exports;
}
