// A vocabulary on its way from a checkpoint into a GGUF file. Knows nothing of either's format.

import { NibbleError } from "../errors";

/** ggml's kinds of tokens; SentencePiece has the same numbers. */
export const KIND = {
  normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6,
} as const;

export class Vocabulary {
  /** By id; ids may be missing. */
  readonly tokens: string[] = [];
  readonly types: number[] = [];
  /** Of SentencePiece. */
  scores: number[] | undefined;
  /** Of byte pairs: "left right", the most frequent first. */
  merges: string[] | undefined;
  /** A space goes before the first word. */
  hasSpacePrefix = false;

  constructor(
    /** tokenizer.ggml.model and tokenizer.ggml.pre. */
    readonly model: "llama" | "gpt2", readonly pre: string,
  ) {}

  /** Takes a token. Throws TOKENIZER_MISMATCH when the embedding has no row for it. */
  add(id: number, text: string, rows: number, type: number): void {
    if (!Number.isSafeInteger(id) || id < 0 || id >= rows) {
      throw new NibbleError("TOKENIZER_MISMATCH", `The tokenizer has a token with the id ${id}, `
        + `but the embedding has ${rows} rows; tokenizer and weights are of different models, or `
        + "vocab_size in config.json is wrong.");
    }
    this.tokens[id] = text;
    this.types[id] = type;
  }
}
