// The tokenizer without merges: every byte is a token, but for special tokens.
// Does not know: models; the weights here are the smallest that load.

import { describe, expect, it } from "vitest";
import { byteAlphabet, ggmlType, randomModel, type MetadataEntry } from "../reference";
import { compare, dice, letters, load, randomPiece, vocabularyFile } from "./vocabularies";

const shape = {
  width: 32, layers: 1, heads: 1, kvHeads: 1, feedForward: 32, vocabulary: 260, context: 64,
  type: ggmlType.F32, tied: true, seed: 3, tokenizer: "byte",
} as const;

describe("single bytes", () => {
  it("are what the reference finds", async () => {
    await compare(randomModel({ ...shape, vocabulary: 700 }), 2, 400);
  });

  it("and nothing else, in a megabyte of anything", async () => {
    using model = await load(randomModel(shape));
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

  it("but for special tokens", async () => {
    const names = ["<|user|>", "<|end|>", "\n\n"];
    const file = vocabularyFile([
      ["tokenizer.ggml.model", "string", "gpt2"],
      ["tokenizer.ggml.tokens", "string[]", [...byteAlphabet(), ...names]],
      ["tokenizer.ggml.token_type", "int32[]", [...byteAlphabet().map(() => 1), 3, 3, 4]],
    ] satisfies MetadataEntry[]);
    const parts = [...letters, ...names, "<|", "|>"];
    await compare(file, 7, 200, { parts });
    await compare(file, 8, 200, { parts, trusted: true, comesBack: false });
    using model = await load(file);
    expect(model.tokenize("<|end|>\n\n")).toEqual([...Buffer.from("<|end|>"), 258]);
    expect(model.tokenize("<|end|>\n\n", { trusted: true })).toEqual([257, 258]);
    expect(model.detokenize([256, 65, 258, 257])).toBe("A\n\n");
    expect(model.pieces([256, 65, 0xe6, 258])).toEqual(["<|user|>", "A", "<0xE6>", "\n\n"]);
  });
});
