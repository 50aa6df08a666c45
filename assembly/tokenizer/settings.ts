// What a vocabulary says of itself in single values: its kind, how text is cut before it, which
// tokens begin and end a text and whether they are added. Knows nothing of the tokens' texts.

import { vocabulary } from "../config";
import * as errors from "../errors";
import { failAbout, failNamed } from "../errors";
import { TYPE_ARRAY, TYPE_BOOL, TYPE_STRING, failKey, find, header } from "../gguf";
import { NO_NUMBER } from "../sentences";
import { equals } from "../text";
import { integerOf } from "../values";
import { PRE_LLAMA3, chooseRules, preRules } from "./pretokens";

/** Tokenizer kinds: SentencePiece, single bytes, byte-level byte pairs. */
export const KIND_SPM: i32 = 0;
export const KIND_BYTE: i32 = 1;
export const KIND_BPE: i32 = 2;

export let kind: i32 = 0;
export let bos: i32 = -1;
export let eos: i32 = -1;
/** Another token that ends an answer, such as a chat model's end of turn. */
export let eot: i32 = -1;
export let unknown: i32 = -1;
export let addsBos: bool = false;
export let addsEos: bool = false;
export let addsSpacePrefix: bool = false;
/** A word that is a token stays one, whatever the merges would make of it. */
export let ignoresMerges: bool = false;

/** Whether a generated token ends the text; so does BOS, which begins another document. */
export function endsText(token: i32): bool {
  return token == eos || token == eot || token == bos;
}

/** Decides the kind of tokenizer, and reads what belongs to it. */
export function readSettings(): i32 {
  const model = find("tokenizer.ggml.model");
  if (model == null) return failAbout(errors.MISSING_KEY, "tokenizer.ggml.model");
  if (model.type != TYPE_STRING) return failKey(errors.WRONG_KEY_TYPE, model, model.type);
  const name = header + model.value;
  ignoresMerges = false;
  if (equals(name, model.count, "llama")) {
    kind = KIND_SPM;
  } else if (equals(name, model.count, "gpt2")) {
    const merges = find("tokenizer.ggml.merges");
    if (merges != null && (merges.type != TYPE_ARRAY || merges.elementType != TYPE_STRING)) {
      return failKey(errors.WRONG_KEY_TYPE, merges, merges.type);
    }
    kind = merges == null || merges.count == 0 ? KIND_BYTE : KIND_BPE;
  } else {
    return failNamed(errors.UNSUPPORTED_TOKENIZER, name, model.count);
  }
  const status = kind == KIND_BPE ? readRules() : errors.OK;
  return status < 0 ? status : readSpecials();
}

/** The rules of the regular expressions that the vocabulary was trained behind. */
function readRules(): i32 {
  const pre = find("tokenizer.ggml.pre");
  if (pre != null && pre.type != TYPE_STRING) {
    return failKey(errors.WRONG_KEY_TYPE, pre, pre.type);
  }
  if (pre != null && !chooseRules(header + pre.value, pre.count)) {
    return failNamed(errors.UNSUPPORTED_TOKENIZER, header + pre.value, pre.count);
  }
  // Files from before the key existed get llama.cpp's default.
  if (pre == null) chooseRules(0, 0);
  ignoresMerges = preRules == PRE_LLAMA3;
  return errors.OK;
}

function readSpecials(): i32 {
  bos = specialOf("tokenizer.ggml.bos_token_id", kind == KIND_SPM ? 1 : -1);
  eos = specialOf("tokenizer.ggml.eos_token_id", kind == KIND_SPM ? 2 : -1);
  eot = specialOf("tokenizer.ggml.eot_token_id", -1);
  unknown = specialOf("tokenizer.ggml.unknown_token_id", kind == KIND_SPM ? 0 : -1);
  const worst = min<i32>(min<i32>(bos, eos), min<i32>(eot, unknown));
  if (worst < -1) return worst;
  addsBos = flagOf("tokenizer.ggml.add_bos_token", kind == KIND_SPM || ignoresMerges) && bos >= 0;
  addsEos = flagOf("tokenizer.ggml.add_eos_token", false) && eos >= 0;
  addsSpacePrefix = kind == KIND_SPM && flagOf("tokenizer.ggml.add_space_prefix", true);
  return errors.OK;
}

/** A special token's id; -1 for none (files write 2^32 - 1); a failure for an impossible one. */
function specialOf(key: string, fallback: i32): i32 {
  const entry = find(key);
  if (entry == null) return fallback < vocabulary ? fallback : -1;
  const id = integerOf(entry, NO_NUMBER);
  if (id == NO_NUMBER) return failKey(errors.WRONG_KEY_TYPE, entry, entry.type);
  if (id == 0xffffffff || id == -1) return -1;
  if (id >= 0 && id < <i64>vocabulary) return <i32>id;
  return failAbout(errors.BAD_VOCABULARY, "a special token's id is outside the vocabulary", id);
}

function flagOf(key: string, fallback: bool): bool {
  const entry = find(key);
  return entry != null && entry.type == TYPE_BOOL ? load<u8>(header + entry.value) != 0 : fallback;
}
