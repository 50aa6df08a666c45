// Compares the engine with the f64 reference, layer by layer: the residual stream after the
// embedding and after every layer, then the logits, on small random models of many shapes.
// Does not know: text, sampling, how the engine lays anything out.

import { describe, it } from "vitest";
import type { LoadOptions } from "../host/options";
import { compareFile } from "./forward/compare";
import { convertModel, ggmlType, randomModel, ReferenceModel, type RandomModelShape }
  from "./reference";

/** More than one block of 32 positions and more than one pass. */
const tokenCount = 43;

const base: RandomModelShape = {
  width: 64, layers: 3, heads: 4, kvHeads: 2, feedForward: 96, vocabulary: 300, context: 64,
  type: ggmlType.Q4_0, tied: true, seed: 11, tokenizer: "byte",
};

function tokensFor(vocabulary: number): number[] {
  return Array.from({ length: tokenCount }, (_, i) => (i * i * 31 + i * 97 + 5) % vocabulary);
}

interface Case {
  /** Changes to the base shape. */
  shape?: Partial<RandomModelShape>;
  load?: LoadOptions;
  /** Type to which loading brings the file; default: its own. */
  becomes?: number;
}

/** Runs a case with both caches and compares it with both references. */
async function compare({ shape, load = {}, becomes }: Case): Promise<void> {
  const whole = { ...base, ...shape };
  const file = randomModel(whole);
  const weights = becomes === undefined ? file : convertModel(file, becomes);
  await compareFile(file, weights, tokensFor(whole.vocabulary), load,
    (bytes, options) => new ReferenceModel(bytes, options));
}

describe("the engine follows the reference through every layer", () => {
  const { F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K } = ggmlType;

  const types: [string, number, number][] = [
    ["F32", F32, F32], ["F16", F16, Q8_0], ["BF16", BF16, Q8_0], ["Q4_0", Q4_0, Q4_0],
    ["Q4_1", Q4_1, Q8_0], ["Q5_0", Q5_0, Q8_0], ["Q5_1", Q5_1, Q8_0], ["Q8_0", Q8_0, Q8_0],
  ];
  it.each(types)("a file in %s", async (_, type, becomes) => {
    await compare({ shape: { type }, becomes });
    await compare({ shape: { type, tied: false, tokenizer: "spm", seed: 5 }, becomes });
  });

  /** Rows of whole K blocks everywhere. */
  const wide = { width: 256, feedForward: 512, heads: 4, kvHeads: 4, layers: 1 };
  const superblocks: [string, number, LoadOptions["weights"], number][] = [
    ["Q4_K", Q4_K, undefined, Q8_0], ["Q5_K", Q5_K, undefined, Q8_0],
    ["Q6_K", Q6_K, undefined, Q8_0], ["Q4_K as f32", Q4_K, "f32", F32],
    ["Q5_K as q4_0", Q5_K, "q4_0", Q4_0], ["Q6_K as f32", Q6_K, "f32", F32],
  ];
  it.each(superblocks)("a file in %s", async (_, type, weights, becomes) => {
    await compare({ shape: { ...wide, type }, load: { weights }, becomes });
  });

  it("Q4_K_M as llama.cpp mixes it where rows are no whole K blocks", async () => {
    const shape = { width: 96, heads: 3, kvHeads: 1, feedForward: 256, type: Q5_0 };
    await compare({ shape: { ...shape, embeddingType: Q8_0, types: { ffn_down: Q6_K } },
      becomes: Q8_0 });
  });

  const conversions: [number, LoadOptions["weights"], number][] = [
    [F32, "f32", F32], [F32, "q8_0", Q8_0], [F32, "q4_0", Q4_0], [F16, "q4_0", Q4_0],
    [Q4_0, "f32", F32], [Q8_0, "f32", F32], [Q5_1, "f32", F32], [Q8_0, "q4_0", Q4_0],
    [Q4_0, "q8_0", Q8_0],
  ];
  it.each(conversions)("type %i converted to %s while loading", async (type, weights, becomes) => {
    await compare({ shape: { type }, load: { weights }, becomes });
  });

  const shapes: [string, Partial<RandomModelShape>][] = [
    ["an embedding in Q8_0, as published tied files have it", { embeddingType: Q8_0 }],
    ["values and ups in Q8_0 beside Q4_0", { types: { attn_v: Q8_0, ffn_up: Q8_0 } }],
    ["a separate output matrix", { tied: false }],
    ["rows of 172 that stay F32", { feedForward: 172 }],
    ["rows of 105 that stay F32", { feedForward: 105 }],
    ["a width of 40, so that only what reads heads or hidden rows is quantized",
      { width: 40, heads: 2, kvHeads: 1, headSize: 32 }],
    ["heads of 8", { heads: 8, kvHeads: 4 }],
    ["heads of 64", { width: 128, heads: 2, kvHeads: 1 }],
    ["heads of 20, whose output matrix stays F32", { heads: 3, kvHeads: 1, headSize: 20 }],
    ["heads of 20 that fill whole groups", { heads: 8, kvHeads: 8, headSize: 20 }],
    ["heads wider than the width divided by their number", { heads: 4, kvHeads: 2, headSize: 48 }],
    ["a key head for every head", { heads: 4, kvHeads: 4 }],
    ["a key head for two heads", { heads: 4, kvHeads: 2 }],
    ["a key head for three heads", { width: 96, heads: 6, kvHeads: 2 }],
    ["blocks that run twice", { blockRepeat: 2, layers: 2 }],
    ["another rope base", { ropeBase: 500000 }],
    ["a vocabulary that ends inside a band of rows", { vocabulary: 303 }],
  ];
  it.each(shapes)("%s", async (_, shape) => {
    await compare({ shape });
    await compare({ shape: { ...shape, type: Q8_0, seed: 12 } });
    await compare({ shape: { ...shape, type: F32, seed: 13 } });
  });
});
