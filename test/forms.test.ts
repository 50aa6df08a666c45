// Whole models in the relaxed build, with nibbles summed in 16 and 32 bits, alone and by threads:
// the logits are the strict build's, whose golden hashes stand in determinism.test.ts, and the text
// is the same. In a Node that knows relaxed SIMD; platforms/kernels.test.ts runs it there.
// Does not know: which form a processor gets by itself (platforms/sums.test.ts).

import { readFileSync } from "node:fs";
import { afterEach, expect, it, vi } from "vitest";
import { fileOf, type Build } from "../host/builds";
import { Engine } from "../host/engine";
import { loadModel } from "../host/open";
import { threads } from "../host/platform/threads";
import { isRelaxed } from "./kernels";
import { ggmlType, randomBytePool, randomModel } from "./reference";

const platform = {
  compile: (build: Build) =>
    WebAssembly.compile(readFileSync(new URL(`../dist/${fileOf(build)}`, import.meta.url))),
  yieldNow: () => new Promise<void>((resolve) => void setImmediate(resolve)),
  threads,
};
const { start } = Engine;
afterEach(() => void vi.restoreAllMocks());

/** Logits of a prompt of several passes, then a text; `bits` is what is in use at its end. */
async function answers(
  file: Uint8Array, build: Build, bits: number, count: number,
): Promise<string[]> {
  const engines: Engine[] = [];
  vi.spyOn(Engine, "start").mockImplementation(async (...args) => {
    const engine = await start.apply(Engine, args);
    engine.exports.sumBits(bits);
    engines.push(engine);
    return engine;
  });
  using model = await loadModel(platform, file, { simd: build.simd, threads: count });
  expect([model.info.simd, model.info.threads]).toEqual([build.simd, count]);
  const session = model.session();
  const hash = await session.hashLogits(model.tokenize("the quick brown fox jumps. ".repeat(3)));
  session.close();
  const { text } = await model.complete("once", { seed: 3, maxTokens: 40 });
  expect(engines.at(-1)!.exports.sumBits(0)).toBe(build.simd === "strict" ? 32 : bits);
  return [hash, text];
}

/** Rows that do not fill their bands, and products that are worth sharing. */
const plain = randomModel({
  width: 416, layers: 2, heads: 13, kvHeads: 13, feedForward: 1370, vocabulary: 300, context: 256,
  type: ggmlType.Q4_0, tied: true, seed: 11, tokenizer: "byte",
});
/** Of two types, which meet the same rows. */
const mixed = randomModel({
  width: 96, layers: 2, heads: 3, kvHeads: 1, feedForward: 128, vocabulary: 300, context: 256,
  type: ggmlType.Q4_0, types: { attn_v: ggmlType.Q8_0, ffn_gate: ggmlType.Q8_0 }, tied: true,
  seed: 12, tokenizer: "byte",
});
const pooled = randomBytePool({
  local: { width: 64, heads: 2, kvHeads: 1, feedForward: 96 }, encoders: 1, decoders: 1,
  window: 24, trunk: { width: 96, heads: 3, kvHeads: 1, feedForward: 128 }, blocks: 2,
  rule: "space", patchLength: 16, ngramRows: 64, ngramOrders: [2, 3, 4], context: 160,
  vocabulary: 272, type: ggmlType.Q4_0, seed: 21,
});
const mine = readFileSync(new URL("../models/bytepool-10m.gguf", import.meta.url));

it.skipIf(!isRelaxed).each([
  ["plain", plain], ["mixed", mixed], ["pooled", pooled], ["bytepool-10m", mine]])(
  "%s: both forms give the strict build's bytes, alone and by two threads", async (_, file) => {
    const strict = await answers(file, { simd: "strict", threads: false }, 0, 1);
    for (const bits of [16, 32]) {
      for (const count of [1, 2]) {
        expect(await answers(file, { simd: "relaxed", threads: count > 1 }, bits, count),
          `${bits} bits, ${count} threads`).toEqual(strict);
      }
    }
  }, 60_000);

it.skipIf(!isRelaxed)("the form that is taken stays when a thread starts late", async () => {
  const module = await platform.compile({ simd: "relaxed", threads: true });
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true });
  const engine = await start.call(Engine, module, "relaxed", { memory, threads: 2 });
  for (const bits of [32, 16]) {
    engine.exports.sumBits(bits);
    const late = await WebAssembly.instantiate(module, { env: { memory } });
    expect([late.exports, engine.exports].map((it) =>
      (it as unknown as Engine["exports"]).sumBits(0))).toEqual([bits, bits]);
  }
});
