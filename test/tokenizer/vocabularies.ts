// Small random vocabularies and texts for the tokenizers' tests, the smallest model around a
// vocabulary, and the comparison of the engine with the reference.
// Does not know: what any of it should become.

import { expect } from "vitest";
import type * as Library from "../../host/platform/node";
import {
  ggmlType, quantize, readGguf, ReferenceTokenizer, writeGguf, type MetadataEntry,
  type TensorEntry,
} from "../reference";

// By address, so that types come from the source and the code from dist/.
const address = new URL("../../dist/index.js", import.meta.url).href;
export const { load } = await import(/* @vite-ignore */ address) as typeof Library;

export const space = "\u2581";

export type Roll = (limit: number) => number;

/** Whole numbers below a limit that look random. */
export function dice(seed: number): Roll {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
}

export const pick = <T>(roll: Roll, list: readonly T[]): T => list[roll(list.length)];

/** The smallest Llama with a vocabulary. */
export function modelOf(vocabulary: readonly MetadataEntry[]): Uint8Array {
  const tokens = vocabulary.find(([key]) => key === "tokenizer.ggml.tokens")?.[2];
  const count = (tokens as string[]).length;
  const shape = {
    context_length: 64, embedding_length: 4, block_count: 1, feed_forward_length: 4,
    "attention.head_count": 1, "attention.head_count_kv": 1, vocab_size: count,
  };
  const metadata: MetadataEntry[] = [
    ["general.architecture", "string", "llama"],
    ...Object.entries(shape).map(([key, value]): MetadataEntry =>
      [`llama.${key}`, "uint32", value]),
    ["llama.attention.layer_norm_rms_epsilon", "float32", 1e-5],
    ...vocabulary,
  ];
  const tensor = (name: string, ...dims: number[]): TensorEntry => {
    const values = new Float32Array(dims.reduce((size, dim) => size * dim)).fill(1);
    return [`${name}.weight`, dims, ggmlType.F32, quantize(ggmlType.F32, values)];
  };
  const matrices = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"];
  return writeGguf({ metadata, tensors: [
    tensor("token_embd", 4, count), tensor("output_norm", 4), tensor("blk.0.attn_norm", 4),
    tensor("blk.0.ffn_norm", 4), ...matrices.map((name) => tensor(`blk.0.${name}`, 4, 4)),
  ] });
}

/** A file with a vocabulary and nothing else. */
export function vocabularyFile(vocabulary: readonly MetadataEntry[]): Uint8Array {
  return writeGguf({ metadata: [...vocabulary], tensors: [] });
}

export const letters = Array.from("abcdeE.,'\n\té漢🙂").concat(space);

const oddities = [
  "👩‍🚀", "🇩🇪", "e\u0301", "\ufeff", "\ufffd", "<s>", "<0x41>", "\0", "\r\n",
];

/** What a text may be made of, besides the vocabulary's letters. */
export function randomPiece(roll: Roll): string {
  switch (roll(10)) {
    case 0: return " ".repeat(1 + roll(5));
    case 1: return String.fromCodePoint(roll(0x80));
    case 2: return String.fromCodePoint(0x80 + roll(0x780));
    case 3: return String.fromCodePoint(0x800 + roll(0xd800 - 0x800));
    case 4: return String.fromCodePoint(0xe000 + roll(0x2000));
    case 5: return String.fromCodePoint(0x10000 + roll(0x100000));
    case 6: return pick(roll, oddities);
    default: return " ";
  }
}

export function randomText(roll: Roll, from: readonly string[] = letters): string {
  const wild = roll(3) === 0 ? 2 : 12; // mostly text that merges
  const parts = Array.from({ length: roll(4) === 0 ? roll(4) : roll(60) }, () =>
    roll(wild) === 0 ? randomPiece(roll) : pick(roll, from).replace(space, " "));
  return parts.join("");
}

interface Comparison {
  /** Names of control tokens in the text become these. */
  trusted?: boolean;
  /** Whether texts come back; default true. Not where a vocabulary has gaps, or adds spaces. */
  comesBack?: boolean;
  /** What texts are made of, besides odd pieces; default letters. */
  parts?: readonly string[];
}

/** Reference and engine on `count` texts; every text comes back, too. */
export async function compare(
  file: Uint8Array, seed: number, count: number, options: Comparison = {},
): Promise<void> {
  const { trusted = false, comesBack = true, parts = letters } = options;
  using model = await load(file);
  const reference = new ReferenceTokenizer(readGguf(file).metadata);
  const roll = dice(seed);
  const texts = Array.from({ length: count }, () => randomText(roll, parts));
  for (const text of ["", " ", "  ", "a", " a ", ...texts]) {
    const tokens = model.tokenize(text, { trusted });
    expect(tokens, JSON.stringify(text)).toEqual(reference.encode(text, trusted));
    if (comesBack) expect(model.detokenize(tokens)).toBe(text.replaceAll(space, " "));
  }
}

/** Whether two lists of ids are the same; vitest's own comparison is slow on long ones. */
export function sameIds(one: readonly number[], other: readonly number[]): boolean {
  return Buffer.from(Int32Array.from(one).buffer).equals(
    Buffer.from(Int32Array.from(other).buffer));
}
