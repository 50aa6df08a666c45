// The tokens: text, score and kind of each, and the way back from text to id. Built once from the
// header's arrays. Knows nothing of how text is cut into tokens.

import { isPooled, vocabulary } from "../config";
import * as errors from "../errors";
import { failAbout, failNamed } from "../errors";
import {
  Entry, TYPE_ARRAY, TYPE_BOOL, TYPE_F32, TYPE_I32, TYPE_STRING, TYPE_U32, failKey, find, header,
} from "../gguf";
import { VOCABULARY, isMeasuring, reserve } from "../plan";
import { NO_NUMBER } from "../sentences";
import { equals, sameBytes, startsWith } from "../text";
import { integerOf } from "../values";

/** Tokenizer kinds. */
export const KIND_SPM: i32 = 0;
export const KIND_BYTE: i32 = 1;

/** ggml's token types. */
const TOKEN_NORMAL: u8 = 1;
export const TOKEN_UNKNOWN: u8 = 2;
export const TOKEN_CONTROL: u8 = 3;
export const TOKEN_BYTE: u8 = 6;

/** Longest text of one token: real ones stay below 300 bytes (runs of spaces). */
const TOKEN_BYTES_MAX: i64 = 1024;
/** Most steps to a token: the table is half empty, so real ones need less than a hundred. */
const PROBES_MAX: i32 = 1024;

export let kind: i32 = 0;
export let bos: i32 = -1;
export let eos: i32 = -1;
/** Another token that ends an answer, such as a chat model's end of turn. */
export let eot: i32 = -1;
export let unknown: i32 = -1;
export let addsBos: bool = false;
export let addsEos: bool = false;
export let addsSpacePrefix: bool = false;
/** No token has a space behind another character: words can be cut apart before tokenizing. */
export let wordsAreApart: bool = true;

let offsets: usize = 0; // u32[vocabulary + 1] into `texts`
let scores: usize = 0; // f32[vocabulary]
let types: usize = 0; // u8[vocabulary]
let table: usize = 0; // u32[tableSize]: id + 1, open addressing
let tableMask: u32 = 0;
let texts: usize = 0;
/** u32[256]: the token of each byte, or -1. */
const byteTokens = memory.data(4 * 256, 4);

// @ts-ignore: decorator
@inline export function tokenText(token: i32): usize {
  return texts + <usize>load<u32>(offsets + ((<usize>token) << 2));
}

// @ts-ignore: decorator
@inline export function tokenLength(token: i32): i32 {
  const at = offsets + ((<usize>token) << 2);
  return <i32>(load<u32>(at, 4) - load<u32>(at));
}

// @ts-ignore: decorator
@inline export function tokenScore(token: i32): f32 {
  return load<f32>(scores + ((<usize>token) << 2));
}

// @ts-ignore: decorator
@inline export function tokenType(token: i32): u8 {
  return load<u8>(types + token);
}

// @ts-ignore: decorator
@inline export function byteToken(byte: u8): i32 {
  return load<i32>(byteTokens + ((<usize>byte) << 2));
}

/** Whether a generated token ends the text; so does BOS, which begins another document. */
export function endsText(token: i32): bool {
  return token == eos || token == eot || token == bos;
}

/** FNV-1a. */
function hash(text: usize, length: i32): u32 {
  let h: u32 = 2166136261;
  for (let i: i32 = 0; i < length; i++) h = (h ^ load<u8>(text + i)) * 16777619;
  return h ^ (h >> 15);
}

/** The token with this text, or -1. */
export function lookUp(text: usize, length: i32): i32 {
  let slot = hash(text, length) & tableMask;
  for (let probes: i32 = 0; probes < PROBES_MAX; probes++) {
    const token = load<i32>(table + ((<usize>slot) << 2)) - 1;
    if (token < 0) return -1;
    if (sameBytes(text, length, tokenText(token), tokenLength(token))) return token;
    slot = (slot + 1) & tableMask;
  }
  return -1;
}

/** Of two tokens with one text the later wins, as in llama.cpp. False when nothing is near free. */
function insert(token: i32): bool {
  const text = tokenText(token);
  const length = tokenLength(token);
  let slot = hash(text, length) & tableMask;
  for (let probes: i32 = 0; probes < PROBES_MAX; probes++) {
    const at = table + ((<usize>slot) << 2);
    const there = load<i32>(at) - 1;
    if (there < 0 || sameBytes(text, length, tokenText(there), tokenLength(there))) {
      store<i32>(at, token + 1);
      return true;
    }
    slot = (slot + 1) & tableMask;
  }
  return false;
}

/** An array that must have one element for each token; null when the file has none. */
function arrayOf(key: string, type: i32, other: i32): Entry | null {
  const entry = find(key);
  if (entry == null) return null;
  const fits = entry.type == TYPE_ARRAY && entry.count == vocabulary
    && (entry.elementType == type || entry.elementType == other);
  return fits ? entry : null;
}

/** Decides the kind of tokenizer and checks what it needs. */
export function checkVocabulary(): i32 {
  const model = find("tokenizer.ggml.model");
  if (model == null) return failAbout(errors.MISSING_KEY, "tokenizer.ggml.model");
  if (model.type != TYPE_STRING) return failKey(errors.WRONG_KEY_TYPE, model, model.type);
  const name = header + model.value;
  if (equals(name, model.count, "llama")) {
    kind = KIND_SPM;
    const status = checkScores();
    if (status < 0) return status;
  } else if (equals(name, model.count, "gpt2")) {
    const merges = find("tokenizer.ggml.merges");
    if (merges != null && (merges.type != TYPE_ARRAY || merges.count > 0)) {
      return failAbout(errors.UNSUPPORTED_TOKENIZER, "gpt2 (with merges)");
    }
    kind = KIND_BYTE;
  } else {
    return failNamed(errors.UNSUPPORTED_TOKENIZER, name, model.count);
  }
  if (arrayOf("tokenizer.ggml.token_type", TYPE_I32, TYPE_U32) == null
    && find("tokenizer.ggml.token_type") != null) {
    return failAbout(errors.BAD_VOCABULARY, "tokenizer.ggml.token_type needs one i32 a token",
      vocabulary);
  }
  return readSpecials();
}

/** One score a token, none of them NaN: merges go by comparison. */
function checkScores(): i32 {
  const entry = arrayOf("tokenizer.ggml.scores", TYPE_F32, TYPE_F32);
  if (entry == null) {
    return failAbout(errors.BAD_VOCABULARY, "tokenizer.ggml.scores needs one f32 a token",
      vocabulary);
  }
  for (let i: i32 = 0; i < vocabulary; i++) {
    if (isNaN(load<f32>(header + entry.value + ((<usize>i) << 2)))) {
      return failAbout(errors.BAD_VOCABULARY, "a token's score is not a number", i);
    }
  }
  return errors.OK;
}

function readSpecials(): i32 {
  bos = specialOf("tokenizer.ggml.bos_token_id", kind == KIND_SPM ? 1 : -1);
  eos = specialOf("tokenizer.ggml.eos_token_id", kind == KIND_SPM ? 2 : -1);
  eot = specialOf("tokenizer.ggml.eot_token_id", -1);
  unknown = specialOf("tokenizer.ggml.unknown_token_id", kind == KIND_SPM ? 0 : -1);
  const worst = min<i32>(min<i32>(bos, eos), min<i32>(eot, unknown));
  if (worst < -1) return worst;
  addsBos = flagOf("tokenizer.ggml.add_bos_token", kind == KIND_SPM) && bos >= 0;
  addsEos = flagOf("tokenizer.ggml.add_eos_token", false) && eos >= 0;
  addsSpacePrefix = flagOf("tokenizer.ggml.add_space_prefix", kind == KIND_SPM);
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

/** Reserves the tables, and fills them when placing. */
export function layoutVocabulary(): i32 {
  const tokens = find("tokenizer.ggml.tokens");
  if (tokens == null) return failAbout(errors.MISSING_KEY, "tokenizer.ggml.tokens");
  const count = <u64>vocabulary;
  let tableSize: u32 = 16;
  while (tableSize < <u32>vocabulary * 2) tableSize <<= 1;
  tableMask = tableSize - 1;
  offsets = reserve(VOCABULARY, (count + 1) * 4);
  scores = reserve(VOCABULARY, count * 4);
  types = reserve(VOCABULARY, count);
  table = reserve(VOCABULARY, <u64>tableSize * 4);
  texts = reserve(VOCABULARY, <u64>(tokens.end - tokens.value) - count * 8);
  if (isMeasuring()) return checkTexts(header + tokens.value);
  memory.fill(table, 0, (<usize>tableSize) << 2);
  copyTexts(header + tokens.value);
  copyScores();
  copyTypes();
  for (let i: i32 = 0; i < vocabulary; i++) {
    if (!insert(i)) return failAbout(errors.BAD_VOCABULARY, "its tokens' hashes collide", i);
  }
  findByteTokens();
  return isPooled ? checkByteOrder() : errors.OK;
}

/** Patches are read off token ids, so a byte's id must be the byte. */
function checkByteOrder(): i32 {
  for (let byte: i32 = 0; byte < 256; byte++) {
    if (kind != KIND_BYTE || byteToken(<u8>byte) != byte) {
      return failAbout(errors.BAD_VOCABULARY,
        "a byte-pooled model needs the 256 bytes, in order, as its first tokens", byte);
    }
  }
  return errors.OK;
}

function checkTexts(source: usize): i32 {
  for (let i: i32 = 0; i < vocabulary; i++) {
    const length = load<i64>(source);
    if (length > TOKEN_BYTES_MAX) {
      return failAbout(errors.BAD_VOCABULARY, "a token's text is longer than 1024 bytes", i);
    }
    source += 8 + <usize>length;
  }
  return errors.OK;
}

function copyTexts(source: usize): void {
  let at: u32 = 0;
  wordsAreApart = true;
  for (let i: i32 = 0; i < vocabulary; i++) {
    const length = load<u32>(source);
    store<u32>(offsets + ((<usize>i) << 2), at);
    memory.copy(texts + at, source + 8, length);
    if (hasInnerSpace(source + 8, length)) wordsAreApart = false;
    at += length;
    source += 8 + <usize>length;
  }
  store<u32>(offsets + ((<usize>vocabulary) << 2), at);
}

/** Whether U+2581, which stands for a space, follows another character. */
function hasInnerSpace(text: usize, length: u32): bool {
  let wasOther = false;
  for (let i: u32 = 0; i < length; i++) {
    const isSpace = i + 2 < length && load<u8>(text + i) == 0xe2
      && load<u16>(text + i, 1) == 0x8196;
    if (isSpace && wasOther) return true;
    if (isSpace) i += 2;
    else wasOther = true;
  }
  return false;
}

function copyScores(): void {
  const entry = arrayOf("tokenizer.ggml.scores", TYPE_F32, TYPE_F32);
  if (entry == null) memory.fill(scores, 0, (<usize>vocabulary) << 2);
  else memory.copy(scores, header + entry.value, (<usize>vocabulary) << 2);
}

function copyTypes(): void {
  const entry = arrayOf("tokenizer.ggml.token_type", TYPE_I32, TYPE_U32);
  for (let i: i32 = 0; i < vocabulary; i++) {
    const type = entry == null ? TOKEN_NORMAL
      : <u8>load<u32>(header + entry.value + ((<usize>i) << 2));
    store<u8>(types + i, type);
  }
}

/** `<0x00>` .. `<0xFF>` of SentencePiece, or the symbols of GPT-2's byte alphabet. */
function findByteTokens(): void {
  memory.fill(byteTokens, 0xff, 4 * 256);
  for (let i: i32 = 0; i < vocabulary; i++) {
    const byte = kind == KIND_SPM ? spelledByte(tokenText(i), tokenLength(i))
      : alphabetByte(tokenText(i), tokenLength(i));
    if (byte >= 0) store<i32>(byteTokens + ((<usize>byte) << 2), i);
  }
}

/** The byte that `<0xNN>` spells, or -1. */
export function spelledByte(text: usize, length: i32): i32 {
  if (length != 6 || !startsWith(text, length, "<0x") || load<u8>(text, 5) != 0x3e) return -1;
  const high = hexDigit(load<u8>(text, 3));
  const low = hexDigit(load<u8>(text, 4));
  return high < 0 || low < 0 ? -1 : (high << 4) | low;
}

function hexDigit(digit: u8): i32 {
  if (digit - 0x30 < 10) return digit - 0x30;
  const upper = digit & 0xdf;
  return upper >= 0x41 && upper <= 0x46 ? upper - 0x37 : -1;
}

/** The byte that a token of one GPT-2 symbol stands for, or -1. */
function alphabetByte(text: usize, length: i32): i32 {
  const lead = load<u8>(text);
  if (length == 1) return lead > 0x20 && lead < 0x7f ? <i32>lead : -1;
  if (length != 2 || lead < 0xc2 || lead > 0xc5) return -1;
  return symbolByte((<i32>(lead & 0x1f) << 6) | <i32>(load<u8>(text, 1) & 0x3f));
}

/**
 * The byte of a symbol of GPT-2's alphabet: printable Latin-1 stands for itself, the other 68
 * bytes, in order, for U+0100 and on. -1 for any other character.
 */
export function symbolByte(symbol: i32): i32 {
  if (symbol < 0x100) return isPrintable(symbol) ? symbol : -1;
  let rank = symbol - 0x100;
  for (let byte: i32 = 0; byte < 256; byte++) {
    if (isPrintable(byte)) continue;
    if (rank == 0) return byte;
    rank--;
  }
  return -1;
}

function isPrintable(byte: i32): bool {
  return (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
}
