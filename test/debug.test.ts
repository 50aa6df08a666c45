// The engine compiled with its assertions, hardly optimised: they all hold, and the logits are
// those of the shipped build. Does not know: what the logits should be.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Engine } from "../host/engine";
import { loadInto } from "../host/load";
import { bytesSource } from "../host/source";
import { ggmlType, randomModel } from "./reference";

const root = fileURLToPath(new URL("../", import.meta.url));
const asc = join(dirname(createRequire(import.meta.url).resolve("assemblyscript/package.json")),
  "bin/asc.js");

let folder: string;
let debug: WebAssembly.Module;
let shipped: WebAssembly.Module;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "nibble-debug-"));
  const file = join(folder, "debug.wasm");
  execFileSync(process.execPath,
    [asc, "assembly/index.ts", "--target", "debug", "--outFile", file], { cwd: root });
  debug = new WebAssembly.Module(readFileSync(file));
  shipped = new WebAssembly.Module(readFileSync(join(root, "dist/nibble.wasm")));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** All logits of 40 tokens, read in slices of 9 rows and of one. */
async function logitsOf(module: WebAssembly.Module, file: Uint8Array, cache: "int8" | "f32") {
  const engine = await Engine.start(module, "strict");
  await loadInto(engine, bytesSource(file), { cache });
  const { exports } = engine;
  exports.hashBegin();
  for (let at = 0; at < 40;) {
    const rows = at < 36 ? 9 : 1;
    for (let i = 0; i < rows; i++) engine.call((e) => e.push(0, (at + i) * 7 % 250, 0));
    engine.call((e) => e.run(-1));
    for (let i = 0; i < rows; i++) {
      engine.call((e) => e.logitsOf(i));
      engine.call((e) => e.hashLogits(0));
    }
    at += rows;
  }
  exports.hashEnd();
  return Buffer.from(engine.bytes(exports.messageAddress(), 64)).toString();
}

describe.each(["int8", "f32"] as const)("assertions hold, %s cache", (cache) => {
  it.each([["Q4_0", ggmlType.Q4_0], ["Q8_0", ggmlType.Q8_0], ["F32", ggmlType.F32]] as const)(
    "%s", async (_, type) => {
      const shapes = [
        { width: 96, heads: 6, kvHeads: 2, headSize: 16, feedForward: 160 },
        { width: 64, heads: 4, kvHeads: 4, headSize: 20, feedForward: 105 },
      ];
      for (const shape of shapes) {
        const file = randomModel({
          ...shape, layers: 2, vocabulary: 272, context: 64, type, tied: true, seed: 3,
          tokenizer: "byte",
        });
        expect(await logitsOf(debug, file, cache)).toBe(await logitsOf(shipped, file, cache));
      }
    });
});
