// Compares the engine's tokenizer with the reference's, on random vocabularies and random text, and
// with llama.cpp's own vectors; and takes text there and back, in any length.
// Does not know: models; the weights here are the smallest that load.

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type * as Library from "../host/platform/node";
import {
  byteTokenName, ggmlType, quantize, randomModel, readGguf, ReferenceTokenizer, writeGguf,
  type MetadataEntry, type TensorEntry,
} from "./reference";

// By address, so that types come from the source and the code from dist/.
const address = new URL("../dist/index.js", import.meta.url).href;
const { load } = await import(/* @vite-ignore */ address) as typeof Library;

const vectors = fileURLToPath(
  new URL("../../shared/models/vocab-tests/ggml-vocab-llama-spm.gguf", import.meta.url));

const space = "\u2581";
/** Longest word of the engine in bytes. */
const wordBytesMost = 8192;

type Roll = (limit: number) => number;

/** Whole numbers below a limit that look random. */
function dice(seed: number): Roll {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
}

const pick = <T>(roll: Roll, list: readonly T[]): T => list[roll(list.length)];

/** The smallest Llama with a vocabulary. */
function modelOf(vocabulary: readonly MetadataEntry[]): Uint8Array {
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

interface Flags {
  /** Different scores of pieces: few make many ties. */
  scores: number;
  /** Pieces may have U+2581 behind other characters. */
  inner?: boolean;
  spacePrefix?: boolean;
  bos?: boolean;
  eos?: boolean;
}

const letters = Array.from("abcdeE.,'\n\té漢🙂").concat(space);

/** A SentencePiece vocabulary of joins of a few letters. */
function randomVocabulary(seed: number, flags: Flags): MetadataEntry[] {
  const roll = dice(seed);
  const bytes = Array.from({ length: 256 }, (_, byte) => byteTokenName(byte));
  const tokens = ["<unk>", "<s>", "</s>", ...bytes];
  const types = tokens.map((_, id) => (id === 0 ? 2 : id < 3 ? 3 : 6));
  // Some letters are no tokens and are spelled in bytes; the space always is one.
  const pieces = letters.filter((letter) => letter === space || roll(5) > 0);
  const most = pieces.length + 20 + roll(150);
  while (pieces.length < most) {
    const joined = pick(roll, pieces) + pick(roll, pieces);
    const isInner = /[^\u2581]\u2581/u.test(joined);
    if (joined.length > 9 || (isInner && !flags.inner)) continue;
    pieces.push(joined); // maybe once more: the later one counts
  }
  const scores = [...tokens.map(() => 0), ...pieces.map(() => -roll(flags.scores))];
  const entries: MetadataEntry[] = [
    ["tokenizer.ggml.model", "string", "llama"],
    ["tokenizer.ggml.tokens", "string[]", [...tokens, ...pieces]],
    ["tokenizer.ggml.scores", "float32[]", scores],
    ["tokenizer.ggml.token_type", "int32[]", [...types, ...pieces.map(() => 1)]],
    ["tokenizer.ggml.bos_token_id", "uint32", 1],
    ["tokenizer.ggml.eos_token_id", "uint32", 2],
    ["tokenizer.ggml.unknown_token_id", "uint32", 0],
  ];
  const flag = (name: string, value: boolean | undefined): void => {
    if (value !== undefined) entries.push([`tokenizer.ggml.${name}`, "bool", value]);
  };
  flag("add_bos_token", flags.bos);
  flag("add_eos_token", flags.eos);
  flag("add_space_prefix", flags.spacePrefix);
  return entries;
}

const oddities = [
  "👩‍🚀", "🇩🇪", "e\u0301", "\ufeff", "\ufffd", "<s>", "<0x41>", "\0", "\r\n",
];

/** What a text may be made of, besides the vocabulary's letters. */
function randomPiece(roll: Roll): string {
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

function randomText(roll: Roll): string {
  const wild = roll(3) === 0 ? 2 : 12; // mostly text that merges
  const parts = Array.from({ length: roll(4) === 0 ? roll(4) : roll(60) }, () =>
    roll(wild) === 0 ? randomPiece(roll) : pick(roll, letters).replace(space, " "));
  return parts.join("");
}

/** Reference and engine on `count` texts; every text comes back, too. */
async function compare(file: Uint8Array, seed: number, count: number): Promise<void> {
  using model = await load(file);
  const reference = new ReferenceTokenizer(readGguf(file).metadata);
  const roll = dice(seed);
  const texts = Array.from({ length: count }, () => randomText(roll));
  for (const text of ["", " ", "  ", "a", " a ", ...texts]) {
    const tokens = model.tokenize(text);
    expect(tokens, JSON.stringify(text)).toEqual(reference.encode(text));
    expect(model.detokenize(tokens)).toBe(text.replaceAll(space, " "));
  }
}

describe("random SentencePiece vocabularies", () => {
  const kinds: [string, Flags][] = [
    ["scores that are nearly all different", { scores: 1000 }],
    ["scores with many ties", { scores: 4 }],
    ["one score for all", { scores: 1 }],
    ["spaces inside of tokens", { scores: 50, inner: true }],
    ["spaces inside of tokens, and ties", { scores: 3, inner: true, spacePrefix: false }],
    ["no space prefix", { scores: 100, spacePrefix: false }],
    ["an end token", { scores: 100, eos: true }],
    ["no begin token", { scores: 100, bos: false }],
    ["no begin token, an end token, no space prefix",
      { scores: 100, bos: false, eos: true, spacePrefix: false }],
  ];
  it.each(kinds)("%s", async (_, flags) => {
    for (let seed = 1; seed <= 8; seed++) {
      await compare(modelOf(randomVocabulary(seed, flags)), seed, 120);
    }
  });

  it("that randomModel makes", async () => {
    const shape = {
      width: 32, layers: 1, heads: 1, kvHeads: 1, feedForward: 32, vocabulary: 700, context: 64,
      type: ggmlType.F32, tied: true, seed: 3, tokenizer: "spm",
    } as const;
    await compare(randomModel(shape), 1, 400);
    await compare(randomModel({ ...shape, tokenizer: "byte" }), 2, 400);
  });

  it("text that holds U+2581 itself, which reads as a space", async () => {
    const roll = dice(77);
    for (let seed = 1; seed <= 8; seed++) {
      const file = modelOf(randomVocabulary(seed, { scores: 20 }));
      const reference = new ReferenceTokenizer(readGguf(file).metadata);
      using model = await load(file);
      for (let i = 0; i < 100; i++) {
        const parts = Array.from({ length: roll(12) }, () => pick(roll, ["a", "b", " ", space]));
        const text = parts.join("");
        expect(model.tokenize(text), text).toEqual(reference.encode(text));
      }
    }
  });

  it("leaves begin and end tokens out when asked", async () => {
    using model = await load(modelOf(randomVocabulary(5, { scores: 100, eos: true })));
    const tokens = model.tokenize("a b");
    expect([tokens[0], tokens.at(-1)]).toEqual([1, 2]);
    expect(model.tokenize("a b", { special: false })).toEqual(tokens.slice(1, -1));
  });
});

describe.skipIf(!existsSync(vectors))("Llama's vocabulary", () => {
  /** The vocabulary's file has no tensors, so it gets some. */
  function file(): Uint8Array {
    const { metadata, metadataTypes } = readGguf(readFileSync(vectors));
    const entries = [...metadataTypes].filter(([key]) => key.startsWith("tokenizer."));
    return modelOf(entries.map(([key, type]): MetadataEntry => [key, type, metadata.get(key)]));
  }

  it("gives llama.cpp's own vectors", async () => {
    using model = await load(file());
    const inputs = readFileSync(`${vectors}.inp`, "utf8").split("\n__ggml_vocab_test__\n");
    inputs.pop(); // the mark stands after every input, the last one too
    const outputs = readFileSync(`${vectors}.out`, "utf8").trimEnd().split("\n");
    expect(inputs.length).toBeGreaterThan(40);
    expect(outputs).toHaveLength(inputs.length);
    inputs.forEach((input, index) => {
      const expected = outputs[index].split(" ").filter(Boolean).map(Number);
      expect(model.tokenize(input, { special: false }), JSON.stringify(input)).toEqual(expected);
      expect(model.detokenize(expected)).toBe(input);
    });
  });

  it("agrees with the reference on random text", async () => {
    await compare(file(), 5, 500);
  });
});

describe("text of any length", () => {
  const words = modelOf(randomVocabulary(9, { scores: 100 }));
  const tooLong = expect.objectContaining({ code: "TEXT_TOO_LONG" });

  it("a megabyte of words is the tokens of its words", async () => {
    const reference = new ReferenceTokenizer(new Map(readGguf(words).metadata)
      .set("tokenizer.ggml.add_space_prefix", false)
      .set("tokenizer.ggml.add_bos_token", false));
    const roll = dice(4);
    const lexicon = Array.from({ length: 500 }, () => {
      const word = Array.from({ length: 1 + roll(14) }, () => pick(roll, letters.slice(0, -1)));
      return " ".repeat(1 + (roll(9) === 0 ? roll(4) : 0)) + word.join("");
    });
    const known = new Map(lexicon.map((word) => [word, reference.encode(word)]));
    const text: string[] = [];
    const expected = [1];
    for (let bytes = 0; bytes < 1e6;) {
      const word = pick(roll, lexicon);
      text.push(word);
      expected.push(...known.get(word) ?? []);
      bytes += Buffer.byteLength(word);
    }
    using model = await load(words);
    const whole = text.join("").slice(1); // the first space is the prefix, which comes by itself
    const tokens = model.tokenize(whole);
    expect(Buffer.from(Int32Array.from(tokens).buffer)
      .equals(Buffer.from(Int32Array.from(expected).buffer))).toBe(true);
    expect(model.detokenize(tokens) === whole).toBe(true);
  });

  it("a megabyte of anything is its bytes in a byte vocabulary", async () => {
    using model = await load(randomModel({
      width: 32, layers: 1, heads: 1, kvHeads: 1, feedForward: 32, vocabulary: 260, context: 64,
      type: ggmlType.F32, tied: true, seed: 3, tokenizer: "byte",
    }));
    const roll = dice(6);
    const parts: string[] = [];
    for (let bytes = 0; bytes < 1e6; bytes += Buffer.byteLength(parts.at(-1) ?? "")) {
      parts.push(randomPiece(roll));
    }
    const text = parts.join("");
    const tokens = model.tokenize(text);
    expect(tokens[0]).toBe(256);
    expect(Buffer.from(tokens.slice(1)).equals(Buffer.from(text))).toBe(true);
    expect(model.detokenize(tokens) === text).toBe(true);
    const letter = model.tokenize("a".repeat(1e6));
    expect(letter).toHaveLength(1e6 + 1);
    expect(letter.lastIndexOf(97)).toBe(1e6);
  });

  it("a word has its limit, and is refused at once", async () => {
    using model = await load(words);
    const longest = "a".repeat(wordBytesMost - 1); // and the space before it
    expect(model.detokenize(model.tokenize(`b ${longest} b`))).toBe(`b ${longest} b`);
    const begin = performance.now();
    for (const text of [`b ${longest}a`, "a".repeat(1e6), " ".repeat(1e6), "é".repeat(5e5)]) {
      expect(() => model.tokenize(text)).toThrow(tooLong);
    }
    expect(performance.now() - begin).toBeLessThan(1000);
    expect(model.detokenize(model.tokenize("as ever"))).toBe("as ever");
  });

  it("where spaces stand inside of tokens a whole text is one word", async () => {
    const file = modelOf(randomVocabulary(2, { scores: 10, inner: true }));
    using model = await load(file);
    const text = "ab c. ".repeat(500);
    const reference = new ReferenceTokenizer(readGguf(file).metadata);
    expect(model.tokenize(text.slice(0, 600))).toEqual(reference.encode(text.slice(0, 600)));
    expect(model.detokenize(model.tokenize(text))).toBe(text);
    expect(() => model.tokenize(text.repeat(4))).toThrow(tooLong);
    expect(() => model.tokenize(text.repeat(400))).toThrow(tooLong);
  });
});
