// The engine's tokenizers before the outside judges: Hugging Face's tokenizers, on WikiText and on
// random text of all of Unicode, and llama.cpp, for every family of tokenizer.ggml.pre and for
// special tokens.
// Does not know: how any of them cuts.
//
// Two of the judge's regular expressions are JavaScript's where the original (in Rust, which models
// are trained with) has Unicode's: its Digits know ASCII alone, its \s has U+FEFF and lacks U+0085.
// Both are given to it here as Split, which it translates as the original reads it.

import { mkdtempSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Tokenizer } from "@huggingface/tokenizers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readGguf, type MetadataEntry } from "../reference";
import { smolLmVocabulary } from "../tokenizer/smollm";
import { dice, load, pick, vocabularyFile, type Roll } from "../tokenizer/vocabularies";
import { openVocabulary } from "./llama";

const shared = fileURLToPath(new URL("../../../shared/", import.meta.url));
const smolLmPath = join(shared, "models/smollm2-tokenizer/tokenizer.json");
const gpt2Path = join(shared, "models/vocab-tests/ggml-vocab-gpt-2.gguf");
const spmPath = join(shared, "models/vocab-tests/ggml-vocab-llama-spm.gguf");
const wikiPath = join(shared, "eval/wikitext-2-raw.valid.txt");

/** Every character that this Node's Unicode has assigned. */
const assigned = Array.from({ length: 0x110000 }, (_, codePoint) => codePoint)
  .filter((codePoint) => codePoint < 0xd800 || codePoint > 0xdfff)
  .map((codePoint) => String.fromCodePoint(codePoint))
  .filter((character) => /\P{Cn}/u.test(character));
const numbers = assigned.filter((character) => /\p{N}/u.test(character));
const signs = ["'s", "'ll", "'T", " ", "  ", "\n", "\r\n", "\t", "\u0085", "\ufeff", "\u00a0", "'"];

/** Text of all of Unicode, or with more of what the rules tell apart. */
function randomText(roll: Roll, isUniform: boolean): string {
  return Array.from({ length: 1 + roll(20) }, () => {
    const kind = isUniform ? 0 : roll(6);
    if (kind === 1) return pick(roll, numbers);
    if (kind === 2) return pick(roll, signs);
    if (kind === 3) return pick(roll, assigned.slice(0, 3000));
    return kind > 3 ? String.fromCharCode(32 + roll(95)) : pick(roll, assigned);
  }).join("");
}

interface Tokenizing {
  tokenize(text: string): number[];
}

/** The first few texts that two tokenizers see differently. */
function differences(one: Tokenizing, other: Tokenizing, texts: Iterable<string>): string[] {
  const found: string[] = [];
  for (const text of texts) {
    const same = one.tokenize(text).join() === other.tokenize(text).join();
    if (!same && found.length < 10) found.push(JSON.stringify(text));
  }
  return found;
}

function* randomTexts(seed: number, count: number): Generator<string> {
  const roll = dice(seed);
  for (let i = 0; i < count; i++) yield randomText(roll, i % 2 === 0);
}

const gpt2Split = {
  type: "Split", behavior: "Isolated", invert: false,
  pattern: {
    Regex: "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  },
};
const digitsSplit = {
  type: "Split", behavior: "Isolated", invert: false, pattern: { Regex: "\\p{N}" },
};
const toBytes = {
  type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false,
};

/** Hugging Face's tokenizer of a tokenizer.json, with these cuts before the merges. */
function judge(file: object, pretokenizers: object[]): Tokenizing {
  const tokenizer = new Tokenizer({
    ...file, pre_tokenizer: { type: "Sequence", pretokenizers: [...pretokenizers, toBytes] },
  }, {});
  return { tokenize: (text) => tokenizer.encode(text, { add_special_tokens: false }).ids };
}

describe.skipIf(!existsSync(smolLmPath))("Hugging Face's tokenizers", () => {
  const isThere = existsSync(smolLmPath);
  const published = isThere ? JSON.parse(readFileSync(smolLmPath, "utf8")) as object : {};
  const gpt2 = isThere ? readGguf(readFileSync(gpt2Path)).metadata : new Map<string, unknown>();

  it("SmolLM's, on WikiText", async () => {
    using model = await load(vocabularyFile(smolLmVocabulary(smolLmPath)));
    const text = readFileSync(wikiPath, "utf8");
    const lines = text.split(/(?<=\n)/);
    expect(lines.length).toBeGreaterThan(3000);
    const own = judge(published, [digitsSplit, gpt2Split]);
    expect(differences(model, own, lines)).toEqual([]);
    expect(differences(model, own, [text.slice(0, 200_000)])).toEqual([]);
  });

  it("SmolLM's, on 100,000 texts of all of Unicode", async () => {
    using model = await load(vocabularyFile(smolLmVocabulary(smolLmPath)));
    const own = judge(published, [digitsSplit, gpt2Split]);
    expect(differences(model, own, randomTexts(1, 100_000))).toEqual([]);
  }, 600_000);

  it("GPT-2's, on WikiText and all of Unicode", async () => {
    using model = await load(gpt2Path);
    const tokens = gpt2.get("tokenizer.ggml.tokens") as string[];
    const own = judge({
      version: "1.0", truncation: null, padding: null, added_tokens: [], normalizer: null,
      post_processor: null, decoder: null,
      model: {
        type: "BPE", vocab: Object.fromEntries(tokens.map((text, id) => [text, id])),
        merges: gpt2.get("tokenizer.ggml.merges"), unk_token: null,
      },
    }, [gpt2Split]);
    expect(differences(model, own, readFileSync(wikiPath, "utf8").split(/(?<=\n)/))).toEqual([]);
    expect(differences(model, own, randomTexts(2, 20_000))).toEqual([]);
  }, 600_000);
});

describe.skipIf(!existsSync(gpt2Path))("llama.cpp", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "nibble-tokenizers-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** A vocabulary's file with some entries set. */
  function changed(path: string, changes: Record<string, MetadataEntry>): string {
    const { metadata, metadataTypes } = readGguf(readFileSync(path));
    const entries = [...metadataTypes].map(([key, type]): MetadataEntry => (
      changes[key] ?? [key, type, metadata.get(key)]));
    const out = join(folder, `${Math.random()}.gguf`);
    writeFileSync(out, vocabularyFile(entries));
    return out;
  }

  async function compare(path: string, texts: readonly string[], trusted = false): Promise<void> {
    const llama = await openVocabulary(path);
    using model = await load(path);
    const engine = {
      tokenize: (text: string) => model.tokenize(text, { special: false, trusted }),
    };
    const own = { tokenize: (text: string) => llama.tokenize(text, trusted) };
    expect(differences(engine, own, texts)).toEqual([]);
    await llama.dispose();
  }

  // Its tables are of an older Unicode, and it reads some rules through ASCII stand-ins: what all
  // versions agree on.
  const plain = (text: string): boolean => /^[\p{L}\p{N}\p{P}\p{White_Space}\p{S}]*$/u.test(text)
    && !/[^\u0000-\u04ff\u2000-\u206f\u3040-\u30ff\u4e00-\u9fff]/u.test(text);
  const roll = dice(5);
  const characters = assigned.slice(0, 0x4f0).concat([..."漢字かなカナ“”—…\u2028\u2003"]);
  const texts = Array.from({ length: 6000 }, () => Array.from({ length: 1 + roll(20) }, () => (
    roll(3) > 0 ? pick(roll, [...signs.slice(0, 8), ..."aesrlvtdmE123!-$<", " a", " 1", "12345"])
      : pick(roll, characters))).join("")).filter(plain);

  it.each(["gpt-2", "smollm", "llama-bpe", "default"])("cuts before merges: %s", async (pre) => {
    expect(texts.length).toBeGreaterThan(2000);
    await compare(changed(gpt2Path, {
      "tokenizer.ggml.pre": ["tokenizer.ggml.pre", "string", pre],
    }), texts);
  });

  it("special tokens of a byte-level vocabulary", async () => {
    const { metadata } = readGguf(readFileSync(gpt2Path));
    const changedTypes = [...metadata.get("tokenizer.ggml.token_type") as number[]];
    const tokens = metadata.get("tokenizer.ggml.tokens") as string[];
    for (const name of [",", "es", "12", "the"]) changedTypes[tokens.indexOf(name)] = 4;
    const path = changed(gpt2Path, {
      "tokenizer.ggml.token_type": ["tokenizer.ggml.token_type", "int32[]", changedTypes],
    });
    const names = ["<|endoftext|>", ",", "<|", "a,b", "the", "these"];
    const with_ = texts.slice(0, 1000).map((text) => text + pick(roll, names) + pick(roll, texts));
    await compare(path, with_);
    await compare(path, with_, true);
  });

  it("special tokens and flags of SentencePiece", async () => {
    const types = readGguf(readFileSync(spmPath)).metadata.get("tokenizer.ggml.token_type");
    const changedTypes = [...types as number[]];
    for (const id of [300, 400, 1000, 29_900]) changedTypes[id] = 4;
    const path = changed(spmPath, {
      "tokenizer.ggml.token_type": ["tokenizer.ggml.token_type", "int32[]", changedTypes],
    });
    const names = ["<s>", "</s>", "<unk>", "re", "<0x41>"];
    const with_ = texts.slice(0, 1000).map((text) => text + pick(roll, names) + pick(roll, texts));
    await compare(path, with_);
    await compare(path, with_, true);
    await compare(spmPath, texts);
  });
});
