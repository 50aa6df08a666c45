// Compares the engine's tokenizer with the reference's, on random vocabularies and random text, and
// with llama.cpp's own vectors; and takes text there and back, in any length.
// Does not know: models; the weights here are the smallest that load.

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
  byteTokenName, ggmlType, randomModel, readGguf, ReferenceTokenizer, type MetadataEntry,
} from "../reference";
import {
  compare, dice, letters, load, modelOf, pick, sameIds, space, vocabularyFile,
} from "./vocabularies";

const vectors = fileURLToPath(
  new URL("../../../shared/models/vocab-tests/ggml-vocab-llama-spm.gguf", import.meta.url));

/** Longest word of the engine in bytes; a space takes three. */
const wordBytesMost = 16384;

interface Flags {
  /** Different scores of pieces: few make many ties. */
  scores: number;
  /** Pieces may have U+2581 behind other characters. */
  inner?: boolean;
  spacePrefix?: boolean;
  bos?: boolean;
  eos?: boolean;
  /** Names of user-defined tokens. */
  userDefined?: string[];
}

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
  const { userDefined = [] } = flags;
  const entries: MetadataEntry[] = [
    ["tokenizer.ggml.model", "string", "llama"],
    ["tokenizer.ggml.tokens", "string[]", [...tokens, ...pieces, ...userDefined]],
    ["tokenizer.ggml.scores", "float32[]", [...scores, ...userDefined.map(() => 0)]],
    ["tokenizer.ggml.token_type", "int32[]",
      [...types, ...pieces.map(() => 1), ...userDefined.map(() => 4)]],
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

/** A vocabulary of these pieces, the first with the highest score. */
function vocabularyOf(pieces: readonly string[]): MetadataEntry[] {
  return randomVocabulary(1, { scores: 1, spacePrefix: false }).map(([key, type, value]) => (
    [key, type, Array.isArray(value) ? [...value.slice(0, 259), ...pieces.map((piece, i) => (
      key.endsWith("tokens") ? piece : key.endsWith("token_type") ? 1 : -i))] : value]));
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
    await compare(randomModel({
      width: 32, layers: 1, heads: 1, kvHeads: 1, feedForward: 32, vocabulary: 700, context: 64,
      type: ggmlType.F32, tied: true, seed: 3, tokenizer: "spm",
    }), 1, 400);
  });

  it("user-defined tokens are found first, control tokens in text that is trusted", async () => {
    const userDefined = ["ab", "abc", "bcd", "  ", "\n", "<s", "é漢"];
    for (const flags of [{ scores: 50 }, { scores: 50, spacePrefix: false, inner: true }]) {
      for (let seed = 1; seed <= 8; seed++) {
        const file = modelOf(randomVocabulary(seed, { ...flags, userDefined }));
        const parts = [...letters, ...userDefined, "<s>", "</s>", "<unk>", "<0x41>"];
        await compare(file, seed, 60, { parts, comesBack: false });
        await compare(file, seed + 100, 60, { parts, comesBack: false, trusted: true });
      }
    }
  });

  it("no text forges a control token, nor a byte by its name", async () => {
    const pieces = ["<", "s", ">", "<s", "/", "</", "</s", "0", "x", "4", "1", "<0", "<0x", "<0x4",
      "<0x41"];
    using model = await load(modelOf(vocabularyOf(pieces)));
    const names = [["<s>", 1], ["</s>", 2], ["<unk>", 0], ["<0x41>", 3 + 0x41]] as const;
    for (const [name, id] of names) {
      const ids = model.tokenize(name, { special: false });
      expect(ids, name).not.toContain(id);
      expect(model.detokenize(ids)).toBe(name);
      const trusted = model.tokenize(name, { special: false, trusted: true });
      expect(trusted).toEqual(name === "<0x41>" ? ids : [id]);
    }
  });

  it("do not disturb a text that is being written, whose scratch they share", async () => {
    using model = await load(randomModel({
      width: 64, layers: 2, heads: 2, kvHeads: 1, feedForward: 1536, vocabulary: 700, context: 128,
      type: ggmlType.Q4_0, tied: true, seed: 5, tokenizer: "spm",
    }));
    const texts = await Promise.all([false, true].map((isBusy) => model.complete("the", {
      seed: 9, maxTokens: 60, temperature: 1, topK: 0,
      onToken: () => void (isBusy && model.tokenize("the and ing é漢 ".repeat(2000))),
    })));
    expect(texts[1]?.text).toBe(texts[0]?.text);
    expect(texts[0]?.text.length).toBeGreaterThan(60);
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
  it("gives llama.cpp's own vectors", async () => {
    using model = await load(vectors);
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
    await compare(readFileSync(vectors), 5, 500);
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
    expect(sameIds(tokens, expected)).toBe(true);
    expect(model.detokenize(tokens) === whole).toBe(true);
  });

  it("text without a space is cut where no token reaches across", async () => {
    // Of these, tokens join only what stands side by side here.
    const pieces = ["ab", "abc", "bc", "de", "漢字", "é.", ".é", "\n"];
    const singles = Array.from(new Set(pieces.join("")));
    const file = vocabularyFile(vocabularyOf([...singles, ...pieces, space]));
    await compare(file, 3, 200);
    const roll = dice(8);
    const text = Array.from({ length: 400_000 }, () => pick(roll, [...pieces, "漢", "x"])).join("");
    using model = await load(file);
    const reference = new ReferenceTokenizer(readGguf(file).metadata);
    const tokens = model.tokenize(text);
    expect(model.detokenize(tokens) === text).toBe(true);
    expect(model.tokenize(text.slice(0, 500))).toEqual(reference.encode(text.slice(0, 500)));
  });

  it("a word has its limit, and is refused at once", async () => {
    using model = await load(vocabularyFile(vocabularyOf(["a", "aa", space, `${space}a`])));
    const longest = "a".repeat(wordBytesMost - 3); // and the space before it
    expect(model.detokenize(model.tokenize(`b ${longest} b`))).toBe(`b ${longest} b`);
    const begin = performance.now();
    for (const text of [`b ${longest}a`, "a".repeat(1e6)]) {
      expect(() => model.tokenize(text)).toThrow(tooLong);
    }
    expect(performance.now() - begin).toBeLessThan(1000);
    // No token holds two spaces, or two of these letters.
    expect(model.tokenize(" ".repeat(1e6))).toHaveLength(1e6 + 1);
    expect(model.tokenize("é".repeat(5e5))).toHaveLength(1e6 + 1);
    expect(model.detokenize(model.tokenize("as ever"))).toBe("as ever");
  });

  it("where spaces stand inside of tokens words are longer, their tokens the same", async () => {
    const file = modelOf(randomVocabulary(2, { scores: 10, inner: true }));
    using model = await load(file);
    const text = "ab c. ".repeat(5000);
    const reference = new ReferenceTokenizer(readGguf(file).metadata);
    expect(model.tokenize(text.slice(0, 600))).toEqual(reference.encode(text.slice(0, 600)));
    expect(model.detokenize(model.tokenize(text))).toBe(text);
  });
});
