// What a token costs, in numbers that no busy machine can change: how often each byte of the
// weights is loaded, how much of the cache, how many kernels are entered. They are counted while
// the engine runs (counting.ts), not derived from its plan.
// Does not know: time.

import { beforeAll, describe, expect, it } from "vitest";
import { CountingBuild, total, type CountedModel } from "./counting";
import { ggmlType, randomBytePool, randomModel, readGguf } from "./reference";

const LAYERS = 3;
const KV_HEADS = 2;
const HEAD_SIZE = 32;
const VOCABULARY = 320;
/** Three query heads share a key/value head, as in SmolLM; its bands divide by four. */
const SHAPE = {
  width: 192, layers: LAYERS, heads: 6, kvHeads: KV_HEADS, headSize: HEAD_SIZE, feedForward: 512,
  vocabulary: VOCABULARY, context: 512, tied: false, seed: 11, tokenizer: "byte" as const,
};
const ROWS = 32;
const LOADS_MAX = 2.8;

let build: CountingBuild;
beforeAll(async () => {
  build = await CountingBuild.compile();
}, 120_000);

const fileOf = (type: number): Uint8Array => randomModel({ ...SHAPE, type });
const llama = (type: number): CountedModel => build.open(fileOf(type));
const letters = (count: number): number[] => Array.from({ length: count }, (_, i) => 97 + i % 26);

/** Bytes of the file's tensors but the embedding, of which a token needs one row. */
function bytesWithoutEmbedding(type: number): number {
  return [...readGguf(fileOf(type)).tensors.values()].reduce((sum, { name, bytes }) => (
    name === "token_embd.weight" ? sum : sum + bytes.length), 0);
}

describe.each([
  ["Q4_0", ggmlType.Q4_0], ["Q8_0", ggmlType.Q8_0], ["F32", ggmlType.F32],
])("%s", (_, type) => {
  it("writing a token loads every byte of the weights once", () => {
    const model = llama(type);
    model.run(letters(ROWS));
    model.run([100]);
    const counts = model.countsOf("weights");
    const rest = total(counts) - bytesWithoutEmbedding(type);
    expect(rest).toBeGreaterThan(0);
    expect(rest).toBeLessThanOrEqual(SHAPE.width * 4);
    expect(counts.every((count) => count <= 1)).toBe(true);
  });

  it("reading 32 tokens loads quants once, and scales a few times", () => {
    const model = llama(type);
    model.run(letters(ROWS));
    const counts = model.countsOf("weights");
    const bytes = bytesWithoutEmbedding(type);
    // F32 is for comparisons: its rows do not share.
    expect(total(counts)).toBeLessThan(bytes * (type === ggmlType.F32 ? ROWS : 2.5));
    expect(total(counts)).toBeGreaterThan(bytes);
  });
});

describe("a token of an int4 model", () => {
  it("enters one kernel for each matrix, and few others", () => {
    const model = llama(ggmlType.Q4_0);
    model.run(letters(ROWS));
    const { kernels } = model.run([100]);
    const calls = (pattern: RegExp): number => [...kernels].reduce(
      (sum, [name, count]) => sum + (pattern.test(name) ? count : 0), 0);
    expect(calls(/^mat(vec|mul).*(Q4|Q8|F32)$/)).toBe(7 * LAYERS + 1);
    expect(calls(/\/quantizeRow/)).toBe(4 * LAYERS + 1);
    expect(calls(/^rmsnorm/)).toBe(2 * LAYERS + 1);
    expect(calls(/^softmax/)).toBe(6 * LAYERS);
    // Into how many units a product divides is asked of the kernels, too; that is no work.
    expect(calls(/^(?!.*Units$)/)).toBeLessThanOrEqual(52 * LAYERS + 5);
  });

  it("needs less than three loads for 16 bytes of weights", () => {
    const model = llama(ggmlType.Q4_0);
    model.run(letters(ROWS));
    const { loads } = model.run([100]);
    const vectors = bytesWithoutEmbedding(ggmlType.Q4_0) / 16;
    // One for the weights, one for each four of the activations that four bands share; scales,
    // attention and all the rest come on top.
    expect(loads / vectors).toBeGreaterThan(1);
    expect(loads / vectors).toBeLessThan(LOADS_MAX);
  });

  it("looks back once over the cache, for three query heads together", () => {
    const model = llama(ggmlType.Q4_0);
    const cost = (position: number): number => {
      model.engine.rewind(0, 0);
      for (let at = 0; at < position; at += ROWS) model.run(letters(ROWS));
      model.run([100]);
      return total(model.countsOf("cache"));
    };
    const perPosition = (cost(384) - cost(128)) / (384 - 128);
    // A key and a value in int8, the key's scale, and the value's scale for each of the heads.
    const once = LAYERS * KV_HEADS * (2 * HEAD_SIZE + 4 + 4);
    expect(perPosition).toBeGreaterThanOrEqual(once);
    expect(perPosition).toBeLessThanOrEqual(once + LAYERS * KV_HEADS * 8);
  });
});

describe("a byte of a byte-pooled model", () => {
  const shape = {
    local: { width: 64, heads: 2, kvHeads: 1, feedForward: 128 }, encoders: 1, decoders: 1,
    window: 32, trunk: { width: 192, heads: 6, kvHeads: 2, feedForward: 512 }, blocks: 3,
    rule: "space" as const, patchLength: 16, ngramRows: 64, ngramOrders: [2, 3], context: 512,
    vocabulary: 288, type: ggmlType.Q4_0, seed: 5,
  };
  const text = (words: number): number[] => [...Buffer.from("abcdefg ".repeat(words))];

  it("loads the global blocks only where a patch closes", () => {
    const model = build.open(randomBytePool(shape));
    for (let i = 0; i < 4; i++) model.run(text(4));
    const costs = text(2).map((token) => {
      model.run([token]);
      return total(model.countsOf("weights"));
    }).sort((a, b) => a - b);
    const [least, most] = [costs[0], costs[costs.length - 1]];
    // Most bytes are cheap; the two that end a word pay for the large blocks.
    expect(costs.filter((cost) => cost === least)).toHaveLength(14);
    expect(costs.filter((cost) => cost === most)).toHaveLength(2);
    expect(most).toBeGreaterThan(least * 5);
    expect(most).toBeLessThan(model.countsOf("weights").length);
  });

  it("looks back over the window, not over the text", () => {
    const model = build.open(randomBytePool(shape));
    const cost = (words: number): number => {
      model.engine.rewind(0, 0);
      for (let i = 0; i < words; i += 4) model.run(text(4));
      model.run([97]);
      return total(model.countsOf("cache"));
    };
    expect(cost(48)).toBe(cost(16));
  });
});
