// SmolLM's vocabulary as a GGUF file has it, from the tokenizer.json that is published.
// Does not know: how it is used.

import { readFileSync } from "node:fs";
import type { MetadataEntry } from "../reference";

interface TokenizerFile {
  model: { vocab: Record<string, number>; merges: (string | [string, string])[] };
  added_tokens: { id: number; content: string; special: boolean }[];
}

export function smolLmVocabulary(path: string): MetadataEntry[] {
  const { model, added_tokens: added } = JSON.parse(readFileSync(path, "utf8")) as TokenizerFile;
  const tokens: string[] = [];
  for (const [text, id] of Object.entries(model.vocab)) tokens[id] = text;
  const types = tokens.map(() => 1);
  for (const { id, content, special } of added) {
    tokens[id] = content;
    types[id] = special ? 3 : 4;
  }
  const merges = model.merges.map((merge) => (Array.isArray(merge) ? merge.join(" ") : merge));
  return [
    ["tokenizer.ggml.model", "string", "gpt2"],
    ["tokenizer.ggml.pre", "string", "smollm"],
    ["tokenizer.ggml.tokens", "string[]", tokens],
    ["tokenizer.ggml.token_type", "int32[]", types],
    ["tokenizer.ggml.merges", "string[]", merges],
    ["tokenizer.ggml.bos_token_id", "uint32", 1],
    ["tokenizer.ggml.eos_token_id", "uint32", 2],
  ];
}
