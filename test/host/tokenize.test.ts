// nibble tokenize: what it prints, for whom, and what it needs of a file.
// Does not know: which tokens are right; test/tokenizer has that.

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { byteAlphabet, writeGguf } from "../reference";
import { expectSentence, folder, nibble } from "./command";
import { wordModel } from "./library";

const pairs = join(folder, "pairs.gguf");
const words = join(folder, "words.gguf");
writeFileSync(words, wordModel());
writeFileSync(pairs, writeGguf({ tensors: [], metadata: [
  ["general.architecture", "string", "gpt2"],
  ["tokenizer.ggml.model", "string", "gpt2"],
  ["tokenizer.ggml.pre", "string", "gpt-2"],
  ["tokenizer.ggml.tokens", "string[]", [...byteAlphabet(), "he", "Ġhe", "<|end|>"]],
  ["tokenizer.ggml.token_type", "int32[]", [...Array<number>(258).fill(1), 3]],
  ["tokenizer.ggml.merges", "string[]", ["h e", "Ġ he"]],
] }));
afterAll(() => rmSync(folder, { recursive: true }));

describe("nibble tokenize", () => {
  it("prints an id and a piece a line, bytes and breaks so that they can be seen", async () => {
    const { code, stdout, stderr } = await nibble(["tokenize", pairs, "he he\né"]);
    expect([code, stderr]).toEqual([0, ""]);
    // Ids of single bytes are bytes here.
    expect(stdout).toBe(['    256  "he"', '    257  " he"', '     10  "\\n"', '    195  "<0xC3>"',
      '    169  "<0xA9>"', ""].join("\n"));
  });

  it("prints one object on one line for --json", async () => {
    const { stdout } = await nibble(["tokenize", pairs, "he<|end|>", "--json", "--trusted"]);
    expect(stdout).toBe('{"ids":[256,258],"pieces":["he","<|end|>"]}\n');
    const plain = await nibble(["tokenize", "--json", "-m", pairs, "<|end|>"]);
    expect(JSON.parse(plain.stdout)).toEqual({
      ids: [...Buffer.from("<|end|>")], pieces: Array.from("<|end|>"),
    });
    expect((await nibble(["tokenize", pairs, "", "--json"])).stdout)
      .toBe('{"ids":[],"pieces":[]}\n');
  });

  it("reads a pipe, named - or not, but for the newline at its end", async () => {
    for (const more of [[], ["-"]]) {
      const { stdout } = await nibble(["tokenize", pairs, "--json", ...more], "he\nhe\n");
      expect((JSON.parse(stdout) as { pieces: string[] }).pieces).toEqual(["he", "\n", "he"]);
    }
  });

  it("takes whole models, too", async () => {
    const { stdout } = await nibble(["tokenize", words, "the cat", "--json"]);
    const { ids, pieces } = JSON.parse(stdout) as { ids: number[]; pieces: string[] };
    expect(ids[0]).toBe(1);
    expect(pieces.join("")).toBe("<s> the cat");
  });

  it("is all that a vocabulary without weights is good for", async () => {
    for (const args of [["run", pairs, "he"], ["logits", pairs, "he"], ["bench", pairs]]) {
      const failed = await nibble(args);
      expect(failed.code).toBe(1);
      expectSentence(failed);
      expect(failed.stderr).toMatch(/VOCABULARY_ONLY/);
    }
    expect((await nibble(["show", pairs])).stdout).toMatch(/259 tokens \(byte-pair\)/);
  });

  it("refuses a text of several words without quotes, and an option that it has not", async () => {
    for (const args of [["he", "he"], ["he", "--seed", "1"], ["he", "--trusted=yes"]]) {
      const failed = await nibble(["tokenize", pairs, ...args]);
      expect(failed.code).toBe(2);
      expectSentence(failed);
    }
  });
});
