// Files with nothing but a vocabulary: what they are good for, and what not; and the classes of
// characters, against the regular expressions of this Node.
// Does not know: how text is cut.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { byteAlphabet, type MetadataEntry } from "../reference";
import { load, sameIds, vocabularyFile } from "./vocabularies";

const bytes: MetadataEntry[] = [
  ["general.architecture", "string", "anything"],
  ["tokenizer.ggml.model", "string", "gpt2"],
  ["tokenizer.ggml.tokens", "string[]", [...byteAlphabet(), "ab"]],
  ["tokenizer.ggml.merges", "string[]", ["a b"]],
];

describe("a file with nothing but a vocabulary", () => {
  it("tokenizes, whatever its architecture", async () => {
    using model = await load(vocabularyFile(bytes), { memoryLimit: "4MB" });
    expect(model.tokenize("abé")).toEqual([256, 0xc3, 0xa9]);
    expect(model.detokenize([256, 0xc3, 0xa9])).toBe("abé");
    expect(model.pieces([256, 0xc3, 0xa9])).toEqual(["ab", "<0xC3>", "<0xA9>"]);
    expect(model.info).toMatchObject({
      vocabulary: 257, tokenizer: "byte-pair", parameters: 0, tensors: [],
    });
    using alone = await load(vocabularyFile(bytes.slice(1)));
    expect(alone.tokenize("ab")).toEqual([256]);
  });

  it("says that it cannot write, every time", async () => {
    using model = await load(vocabularyFile(bytes));
    const message: unknown = expect.stringMatching(/no weights.*whole/);
    const refusal = { code: "VOCABULARY_ONLY", message };
    for (let i = 0; i < 2; i++) {
      expect(() => model.session()).toThrow(expect.objectContaining(refusal));
      await expect(model.complete("ab")).rejects.toMatchObject(refusal);
      await expect(model.score("ab")).rejects.toMatchObject(refusal);
      const question = { query: "a", choices: ["b", "c"] };
      await expect(model.choose(question)).rejects.toMatchObject(refusal);
    }
  });

  it("needs the vocabulary", async () => {
    await expect(load(vocabularyFile(bytes.slice(0, 2)))).rejects.toMatchObject(
      { code: "MISSING_KEY", message: expect.stringMatching(/tokenizer\.ggml\.tokens/) });
  });
});

describe("the classes of characters", () => {
  const table = fileURLToPath(
    new URL("../../assembly/tokenizer/unicode-runs.ts", import.meta.url));
  const text = readFileSync(table, "utf8");
  const version = /UNICODE: string = "([\d.]+)"/.exec(text)?.[1];

  it.skipIf(version !== process.versions.unicode)("are those of this Node's Unicode", () => {
    const script = fileURLToPath(new URL("../../scripts/unicode.mjs", import.meta.url));
    expect(execFileSync(process.execPath, [script, "--print"], { encoding: "utf8" }) === text)
      .toBe(true);
  });

  it.skipIf(version !== process.versions.unicode)("are what the engine cuts by", async () => {
    // A character and a sign of a known class behind it: one token if both are of one class.
    const alphabet = byteAlphabet();
    const signs = { a: /\p{L}/u, "1": /\p{N}/u, "!": /\p{P}/u,
      "`": /[^\p{L}\p{N}\p{P}\p{White_Space}]/u };
    const lasts = alphabet.slice(0x80, 0xc0);
    const merges = Object.keys(signs).flatMap((sign) => lasts.map((last) => `${last} ${sign}`));
    using model = await load(vocabularyFile([
      ["tokenizer.ggml.model", "string", "gpt2"],
      ["tokenizer.ggml.pre", "string", "default"],
      ["tokenizer.ggml.tokens", "string[]",
        [...alphabet, ...merges.map((merge) => merge.replace(" ", ""))]],
      ["tokenizer.ggml.merges", "string[]", merges],
    ]));
    const characters = charactersFrom(0x80, 0x34000).concat(charactersFrom(0xe0000, 0xe0200));
    for (const [number, [sign, pattern]] of Object.entries(signs).entries()) {
      const text = characters.map((character) => `${character}${sign}\n`).join("");
      const expected = characters.flatMap((character) => {
        const ids = [...Buffer.from(character)];
        if (!pattern.test(character)) return [...ids, sign.charCodeAt(0), 10];
        const last = ids.pop() as number;
        return [...ids, 256 + number * 64 + last - 0x80, 10];
      });
      expect(sameIds(model.tokenize(text), expected), sign).toBe(true);
    }
  });
});

/** All characters from one code point to before another. */
function charactersFrom(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
    .filter((codePoint) => codePoint < 0xd800 || codePoint > 0xdfff)
    .map((codePoint) => String.fromCodePoint(codePoint));
}
