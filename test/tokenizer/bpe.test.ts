// Compares the engine's byte-level BPE with the reference's, on random merges and random text, and
// with the vectors of llama.cpp and the ids of SmolLM; and gives it text that is made to be slow.
// Does not know: models; most vocabularies here have no weights beside them.

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
  byteAlphabet, readGguf, ReferenceTokenizer, type MetadataEntry,
} from "../reference";
import {
  compare, dice, load, modelOf, pick, sameIds, vocabularyFile, type Roll,
} from "./vocabularies";
import { smolLmVocabulary } from "./smollm";

const vectors = fileURLToPath(
  new URL("../../../shared/models/vocab-tests/ggml-vocab-gpt-2.gguf", import.meta.url));
const smolLm = fileURLToPath(
  new URL("../../../shared/models/smollm2-tokenizer/tokenizer.json", import.meta.url));

/** Longest pre-token of the engine that need not be cut, in bytes. */
const wordBytesMost = 16384;

/** What texts of these tests are made of: all that the rules tell apart. */
const parts = [
  ..."aabbcddeesStlrRvm''DM", "'s", "'ll", "'RE", "'v", " ", " ", "  ", "\n", "\r\n", "\t", "é",
  "漢", "字", "🙂", "0", "1", "12", "345", "²", "½", "٣", "Ⅷ", "!", "-", "$", "<|", "«", "_",
  "\u0301", "\u00a0", "\u0085", "\u2028", "\u3000", "\ufeff", "\u200b", "क्षि", "ไทย",
];

interface Flags {
  pre?: string;
  /** Some bytes have no token. */
  gaps?: boolean;
  unknown?: boolean;
  userDefined?: string[];
}

/** Random merges of the bytes of `parts`, and the tokens that they make, in no order. */
function randomVocabulary(seed: number, flags: Flags): MetadataEntry[] {
  const roll = dice(seed);
  const alphabet = byteAlphabet();
  const inUse = new Set(Buffer.from(parts.join("")));
  const bases = [...inUse].map((byte) => alphabet[byte] as string);
  const tokens = alphabet.filter(() => !flags.gaps || roll(12) > 0);
  const texts = [...bases];
  const merges: string[] = [];
  const most = 60 + roll(250);
  while (merges.length < most) {
    // Neighbours of the text, so that merges meet: the end of one token, the beginning of another.
    const [left, right] = [pick(roll, texts), pick(roll, texts)];
    if ((left + right).length > 10) continue;
    merges.push(`${left} ${right}`); // maybe once more, or another way to the same token
    if (!tokens.includes(left + right)) tokens.push(left + right);
    texts.push(left + right);
  }
  const ids = shuffled(roll, tokens);
  const { userDefined = [] } = flags;
  const specials = ["<|begin|>", "<|end|>", ...userDefined];
  const entries: MetadataEntry[] = [
    ["tokenizer.ggml.model", "string", "gpt2"],
    ["tokenizer.ggml.tokens", "string[]", [...specials, ...ids]],
    ["tokenizer.ggml.token_type", "int32[]",
      [3, 3, ...userDefined.map(() => 4), ...ids.map(() => 1)]],
    ["tokenizer.ggml.merges", "string[]", merges],
    ["tokenizer.ggml.bos_token_id", "uint32", 0],
    ["tokenizer.ggml.eos_token_id", "uint32", 1],
    ["tokenizer.ggml.add_eos_token", "bool", roll(2) === 0],
  ];
  if (flags.pre !== undefined) entries.push(["tokenizer.ggml.pre", "string", flags.pre]);
  if (flags.unknown) entries.push(["tokenizer.ggml.unknown_token_id", "uint32", 1]);
  return entries;
}

function shuffled<T>(roll: Roll, list: readonly T[]): T[] {
  const copy = [...list];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = roll(i + 1);
    [copy[i], copy[j]] = [copy[j] as T, copy[i] as T];
  }
  return copy;
}

describe("random byte-pair vocabularies", () => {
  const kinds: [string, Flags][] = [
    ["smollm", { pre: "smollm" }],
    ["gpt-2", { pre: "gpt-2" }],
    ["llama-bpe", { pre: "llama-bpe" }],
    ["default", { pre: "default" }],
    ["no tokenizer.ggml.pre", {}],
  ];
  it.each(kinds)("%s", async (_, flags) => {
    for (let seed = 1; seed <= 10; seed++) {
      await compare(vocabularyFile(randomVocabulary(seed, flags)), seed, 150, { parts });
    }
  });

  it.each(kinds)("%s, with gaps among the bytes, and special tokens", async (_, flags) => {
    const userDefined = ["ab", "abb", " ", "  ", "é", "!-", "<|beg"];
    const texts = { parts: [...parts, ...userDefined, "<|begin|>", "<|end|>"], comesBack: false };
    for (let seed = 1; seed <= 5; seed++) {
      const all = { ...flags, userDefined, gaps: true, unknown: seed > 3 };
      const file = vocabularyFile(randomVocabulary(seed, all));
      await compare(file, seed, 80, texts);
      await compare(file, seed + 50, 80, { ...texts, trusted: true });
    }
  });

  it("names that llama.cpp treats alike", async () => {
    const roll = dice(31);
    const texts = Array.from({ length: 60 }, () => (
      Array.from({ length: 30 }, () => pick(roll, parts)).join("")));
    const families = {
      smollm: "smollm starcoder refact command-r codeshell exaone minerva-7b",
      "gpt-2": "gpt-2 phi-2 mpt olmo jais trillion granite-docling gigachat jina-es jina-de "
        + "jina-v2-es jina-v2-de mellum modern-bert exaone4",
      "llama-bpe": "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2",
    };
    for (const [rules, names] of Object.entries(families)) {
      const reference = new ReferenceTokenizer(
        readGguf(vocabularyFile(randomVocabulary(1, { pre: rules }))).metadata);
      for (const name of names.split(" ")) {
        using model = await load(vocabularyFile(randomVocabulary(1, { pre: name })));
        for (const text of texts) {
          expect(model.tokenize(text), name).toEqual(reference.encode(text));
        }
      }
    }
  });

  it("merges that make the name of a special token are never asked for", async () => {
    const file = vocabularyFile([
      ["tokenizer.ggml.model", "string", "gpt2"],
      ["tokenizer.ggml.pre", "string", "gpt-2"],
      ["tokenizer.ggml.tokens", "string[]", [...byteAlphabet(), "ab", "abc", "<s>", "bc"]],
      ["tokenizer.ggml.token_type", "int32[]", [...byteAlphabet().map(() => 1), 4, 1, 3, 1]],
      ["tokenizer.ggml.merges", "string[]", ["a b", "ab c", "< s>", "b c", "a bc"]],
    ]);
    await compare(file, 4, 100, { parts: ["a", "b", "c", "ab", "abc", "<s>", "<", "s"] });
    using model = await load(file);
    expect(model.tokenize("abc bc <s>")).toEqual([256, 99, 32, 259, 32, 60, 115, 62]);
  });

  it("a model writes whole characters, whatever its tokens are", async () => {
    using model = await load(modelOf(randomVocabulary(3, { pre: "smollm" })));
    for (let seed = 1; seed <= 20; seed++) {
      const tokens: number[] = [];
      const pieces: string[] = [];
      const settings = { seed, maxTokens: 60, temperature: 1, topK: 0, topP: 1,
        onToken: ({ token }: { token: number }) => tokens.push(token) };
      for await (const piece of model.generate("a", settings)) pieces.push(piece);
      expect(pieces.join("")).toBe(model.detokenize(tokens.slice(0, 60)));
    }
  });
});

describe("text that is made to be slow", () => {
  // Everything joins with everything, so that long runs are one word.
  const alphabet = byteAlphabet();
  const runs = [97, 32, 49, 10, 45].map((byte) => alphabet[byte] as string);
  const merges = runs.flatMap((symbol) => [1, 2, 4, 8, 16, 32].map((length) => (
    `${symbol.repeat(length)} ${symbol.repeat(length)}`)));
  const entries = (pre: string): MetadataEntry[] => [
    ["tokenizer.ggml.model", "string", "gpt2"],
    ["tokenizer.ggml.pre", "string", pre],
    ["tokenizer.ggml.tokens", "string[]",
      [...alphabet, ...merges.map((merge) => merge.replace(" ", ""))]],
    ["tokenizer.ggml.merges", "string[]", merges],
    ["tokenizer.ggml.add_bos_token", "bool", false],
  ];
  const texts = ["a", " ", "1", "\n", "-", "é", "漢", "🙂", "a ", "a-", " \n"];

  it.each(["smollm", "gpt-2", "llama-bpe", "default"])("%s: a megabyte of it", async (pre) => {
    const file = vocabularyFile(entries(pre));
    const reference = new ReferenceTokenizer(readGguf(file).metadata);
    using model = await load(file);
    for (const text of texts) {
      const megabyte = text.repeat(Math.ceil(1e6 / Buffer.byteLength(text)));
      const begin = performance.now();
      let tokens: number[] | undefined;
      try {
        tokens = model.tokenize(megabyte);
      } catch (error) {
        expect(error).toMatchObject({ code: "TEXT_TOO_LONG", message: /16384 bytes/ });
      }
      // Quadratic work would take minutes.
      expect(performance.now() - begin, JSON.stringify(text)).toBeLessThan(5000);
      if (tokens) expect(model.detokenize(tokens) === megabyte).toBe(true);
      const short = megabyte.slice(0, 300);
      expect(model.tokenize(short)).toEqual(reference.encode(short));
    }
  });

  it("a word has its limit", async () => {
    using model = await load(vocabularyFile(entries("gpt-2")));
    expect(model.tokenize("a".repeat(wordBytesMost))).toHaveLength(wordBytesMost / 64);
    expect(() => model.tokenize("a".repeat(wordBytesMost + 1))).toThrow(/16384 bytes/);
    expect(model.tokenize("a b")).toHaveLength(3);
  });

  it("a run of letters without end is cut where no token reaches across", async () => {
    const file = vocabularyFile(entries("gpt-2"));
    const roll = dice(12);
    const runs = Array.from({ length: 300_000 }, () => pick(roll, ["aaaa", "漢", "é", "b"]));
    const text = runs.join("");
    using model = await load(file);
    const tokens = model.tokenize(text);
    // Every other letter is alone, so a run of one letter is a word for itself.
    const reference = new ReferenceTokenizer(readGguf(file).metadata);
    const known = new Map<string, number[]>();
    const expected = (text.match(/a+|[^a]/gu) ?? []).flatMap((run) => {
      const ids = known.get(run) ?? reference.encode(run);
      known.set(run, ids);
      return ids;
    });
    expect(sameIds(tokens, expected)).toBe(true);
  });
});

describe.skipIf(!existsSync(vectors))("GPT-2's vocabulary", () => {
  it("gives llama.cpp's own vectors", async () => {
    using model = await load(vectors);
    const inputs = readFileSync(`${vectors}.inp`, "utf8").split("\n__ggml_vocab_test__\n");
    inputs.pop(); // the mark stands after every input, the last one too
    const outputs = readFileSync(`${vectors}.out`, "utf8").trimEnd().split("\n");
    expect(inputs.length).toBeGreaterThan(40);
    expect(outputs).toHaveLength(inputs.length);
    const reference = new ReferenceTokenizer(readGguf(readFileSync(vectors)).metadata);
    inputs.forEach((input, index) => {
      const expected = outputs[index].split(" ").filter(Boolean).map(Number);
      expect(model.tokenize(input), JSON.stringify(input)).toEqual(expected);
      expect(model.detokenize(expected)).toBe(input);
      expect(reference.encode(input)).toEqual(expected);
    });
  });

  it("agrees with the reference on random text", async () => {
    await compare(readFileSync(vectors), 9, 300, { parts });
  });
});

describe.skipIf(!existsSync(smolLm))("SmolLM's vocabulary", () => {
  const file = (): Uint8Array => vocabularyFile(smolLmVocabulary(smolLm));

  it("gives the ids of the model's own tokenizer", async () => {
    using model = await load(file());
    const known: [string, string][] = [
      ["Hello, we can use", "19556 28 392 416 722"],
      ["The capital of France is", "504 3575 282 4649 314"],
      ["Hello world! 123", "19556 905 17 216 33 34 35"],
      ["Café déjà vu.", "51 1939 2756 32564 90 16739 386 101 30"],
      ["  multiple   spaces", "216 2701 256 5600"],
      ["def fibonacci(n):", "1604 3987 46477 24 94 727"],
    ];
    for (const [text, ids] of known) expect(model.tokenize(text).join(" "), text).toBe(ids);
    const chat = "<|im_start|>user\nHi<|im_end|>\n";
    const texts = smolLmVocabulary(smolLm).find(([key]) => key.endsWith(".tokens"))?.[2];
    expect(model.tokenize(chat, { trusted: true }).map((id) => (texts as string[])[id])).toEqual(
      ["<|im_start|>", "user", "Ċ", "Hi", "<|im_end|>", "Ċ"]);
    const plain = model.tokenize(chat);
    expect(plain.filter((id) => id < 17)).toEqual([]);
    expect(model.detokenize(plain)).toBe(chat);
  });

  it("agrees with the reference on random text", async () => {
    // The vocabulary has no token for some bytes of characters beyond what it was made for.
    await compare(file(), 11, 300, { parts, comesBack: false });
  });
});
