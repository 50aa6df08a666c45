// tokenizer.json of byte-level byte-pair vocabularies: tokens, merges, and the name under which
// llama.cpp knows its way of cutting text. Knows nothing of GGUF.

import { NibbleError } from "../errors";
import { badCheckpoint, isObject, type Json } from "./files";
import { KIND, Vocabulary } from "./words";

const FILE = "tokenizer.json";

/** Throws UNSUPPORTED_TOKENIZER, TOKENIZER_MISMATCH or BAD_CHECKPOINT. */
export function bytePairsOf(file: Json, rows: number): Vocabulary {
  const model = isObject(file["model"]) ? file["model"] : {};
  if (model["type"] !== "BPE") throw unsupported(`model ${JSON.stringify(model["type"])}`);
  if (model["byte_fallback"] === true) {
    throw unsupported("SentencePiece in the form of tokenizer.json; put the tokenizer.model that "
      + "it was made from beside it");
  }
  if (file["normalizer"] !== null && file["normalizer"] !== undefined) {
    throw unsupported("a normalizer");
  }
  const { pre, hasSpacePrefix } = cutOf(file["pre_tokenizer"]);
  const vocabulary = new Vocabulary("gpt2", pre);
  vocabulary.hasSpacePrefix = hasSpacePrefix;
  const tokens = model["vocab"];
  if (!isObject(tokens)) throw badCheckpoint(FILE, "it has no vocab");
  for (const [text, id] of Object.entries(tokens)) {
    vocabulary.add(id as number, text, rows, KIND.normal);
  }
  const added = file["added_tokens"] ?? [];
  if (!Array.isArray(added)) throw badCheckpoint(FILE, "its added_tokens are no list");
  for (const token of added as unknown[]) {
    const { id, content, special } = isObject(token) ? token : {};
    if (typeof content !== "string") throw badCheckpoint(FILE, "an added token has no content");
    vocabulary.add(id as number, content, rows,
      special === true ? KIND.control : KIND.userDefined);
  }
  vocabulary.merges = mergesOf(model["merges"]);
  return vocabulary;
}

function unsupported(what: string): NibbleError {
  return new NibbleError("UNSUPPORTED_TOKENIZER",
    `${FILE} has ${what}; byte-level byte pairs as of GPT-2 and SmolLM can be converted.`);
}

/** The known ways of cutting text before byte pairs are merged. */
function cutOf(pre: unknown): { pre: string; hasSpacePrefix: boolean } {
  const steps = isObject(pre) && Array.isArray(pre["pretokenizers"])
    ? pre["pretokenizers"] as unknown[] : [pre];
  const [first, last] = [steps[0], steps.at(-1)].map((step) => (isObject(step) ? step : {}));
  const isByteLevel = last?.["type"] === "ByteLevel" && last["use_regex"] !== false;
  const hasDigits = steps.length === 2 && first?.["type"] === "Digits"
    && first["individual_digits"] === true;
  if (!isByteLevel || !(steps.length === 1 || hasDigits)) {
    const names = steps.map((step) => (isObject(step) ? String(step["type"]) : "none"));
    throw unsupported(`the pre-tokenizer ${names.join(", ")}`);
  }
  return {
    pre: hasDigits ? "smollm" : "gpt-2", hasSpacePrefix: last["add_prefix_space"] === true,
  };
}

function mergesOf(merges: unknown): string[] {
  if (!Array.isArray(merges)) throw badCheckpoint(FILE, "it has no merges");
  return (merges as unknown[]).map((merge) => {
    // Newer files have pairs of texts.
    const pair = typeof merge === "string" ? merge
      : Array.isArray(merge) && merge.length === 2 ? merge.join(" ") : "";
    if (/^[^ ]+ [^ ]+$/.test(pair)) return pair;
    throw badCheckpoint(FILE, `${JSON.stringify(merge)} is no pair to merge`);
  });
}
