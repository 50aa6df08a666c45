// The tokens: text, score and type of each, and the way back from text to id. Built once from the
// header's arrays. Knows nothing of how text is cut into tokens.
//
// Texts of a byte-level vocabulary are kept as the bytes that they stand for.

import { vocabulary } from "../config";
import * as errors from "../errors";
import { failAbout } from "../errors";
import {
  Entry, TYPE_ARRAY, TYPE_F32, TYPE_I32, TYPE_U32, find, header,
} from "../gguf";
import { VOCABULARY, isMeasuring, reserve } from "../plan";
import { sameBytes, startsWith } from "../text";
import { isSpelled, spellBytes } from "./alphabet";
import { KIND_BYTE, KIND_SPM, kind } from "./settings";

/** ggml's token types. */
const TOKEN_NORMAL: u8 = 1;
export const TOKEN_UNKNOWN: u8 = 2;
export const TOKEN_CONTROL: u8 = 3;
export const TOKEN_USER_DEFINED: u8 = 4;
export const TOKEN_BYTE: u8 = 6;
/** And one of ours: a text that should spell bytes but holds other characters. */
const TOKEN_MISSPELT: u8 = 7;
/** Beside a token's type: what its own text becomes, once somebody has looked. */
const TYPE: u8 = 0x3f;
const IS_WHOLE: u8 = 0x80;
const IS_PARTED: u8 = 0x40;

/** Longest text of one token: real ones stay below 300 bytes (runs of spaces). */
export const TOKEN_BYTES_MAX: i32 = 1024;
/** Most steps to a token: a third of the table is free, so real ones need less than a hundred. */
const PROBES_MAX: i32 = 1024;

let offsets: usize = 0; // u32[vocabulary + 1] into `texts`
let scores: usize = 0; // f32[vocabulary], of SentencePiece
let types: usize = 0; // u8[vocabulary]: the type; IS_WHOLE or IS_PARTED
let table: usize = 0; // u32[tableSize]: id + 1, open addressing; not of single bytes
let tableSize: u32 = 0;
let texts: usize = 0;
let textBytes: u64 = 0;
/** Tokens that a text does not become by itself: control, unknown, user-defined. */
export let specialCount: i32 = 0;
/** Bytes of the longest text that can be looked up. */
let longest: i32 = 0;
/** u32[256]: the token of each byte, or -1. */
const byteTokens = memory.data(4 * 256, 4);
const spelled = memory.data(1024);

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
  return load<u8>(types + token) & TYPE;
}

/** Whether merging turns a token's text into that token: 1, 0, or -1 while nobody has looked. */
export function isWhole(token: i32): i32 {
  const note = load<u8>(types + token);
  return note & IS_WHOLE ? 1 : note & IS_PARTED ? 0 : -1;
}

/** Keeps the answer. */
export function noteWhole(token: i32, is: bool): void {
  store<u8>(types + token, load<u8>(types + token) | (is ? IS_WHOLE : IS_PARTED));
}

// @ts-ignore: decorator
@inline export function byteToken(byte: u8): i32 {
  return load<i32>(byteTokens + ((<usize>byte) << 2));
}

/** Where the search for a text begins: FNV-1a, mixed so that the high bits are good, too. */
function firstSlot(text: usize, length: i32): u32 {
  let h: u32 = 2166136261;
  for (let i: i32 = 0; i < length; i++) h = (h ^ load<u8>(text + i)) * 16777619;
  h = (h ^ (h >> 15)) * 2654435761;
  return <u32>((<u64>h * tableSize) >> 32);
}

/** The token that this text may become, or -1. */
export function lookUp(text: usize, length: i32): i32 {
  if (length > longest) return -1;
  let slot = firstSlot(text, length);
  for (let probes: i32 = 0; probes < PROBES_MAX; probes++) {
    const token = load<i32>(table + ((<usize>slot) << 2)) - 1;
    if (token < 0) return -1;
    if (sameBytes(text, length, tokenText(token), tokenLength(token))) return token;
    if (++slot == tableSize) slot = 0;
  }
  return -1;
}

/** Of two tokens with one text the later wins, as in llama.cpp. False when nothing is near free. */
function insert(token: i32, mayReplace: bool): bool {
  const text = tokenText(token);
  const length = tokenLength(token);
  longest = max<i32>(longest, length);
  let slot = firstSlot(text, length);
  for (let probes: i32 = 0; probes < PROBES_MAX; probes++) {
    const at = table + ((<usize>slot) << 2);
    const there = load<i32>(at) - 1;
    const isSame = there >= 0 && sameBytes(text, length, tokenText(there), tokenLength(there));
    if (there < 0 || (isSame && mayReplace)) store<i32>(at, token + 1);
    if (there < 0 || isSame) return true;
    if (++slot == tableSize) slot = 0;
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

/** Checks the arrays beside the texts. */
export function checkTokens(): i32 {
  if (arrayOf("tokenizer.ggml.token_type", TYPE_I32, TYPE_U32) == null
    && find("tokenizer.ggml.token_type") != null) {
    return failAbout(errors.BAD_VOCABULARY, "tokenizer.ggml.token_type needs one i32 a token",
      vocabulary);
  }
  return kind == KIND_SPM ? checkScores() : errors.OK;
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

/** Reserves the tables, and fills them when placing. */
export function layoutTokens(): i32 {
  const tokens = find("tokenizer.ggml.tokens");
  if (tokens == null) return failAbout(errors.MISSING_KEY, "tokenizer.ggml.tokens");
  const source = header + tokens.value;
  const count = <u64>vocabulary;
  if (isMeasuring()) {
    const status = measureTexts(source);
    if (status < 0) return status;
  }
  tableSize = kind == KIND_BYTE ? 0 : <u32>vocabulary + (<u32>vocabulary >> 1) + 16;
  offsets = reserve(VOCABULARY, (count + 1) * 4);
  scores = reserve(VOCABULARY, kind == KIND_SPM ? count * 4 : 0);
  types = reserve(VOCABULARY, count);
  table = reserve(VOCABULARY, <u64>tableSize * 4);
  texts = reserve(VOCABULARY, textBytes);
  if (isMeasuring()) return errors.OK;
  copyTexts(source);
  copyScores();
  return kind == KIND_BYTE ? errors.OK : fillTable();
}

/** ggml's type of a token, before `types` is filled; what ggml does not define is normal. */
function typeInFile(entry: Entry | null, token: i32): u8 {
  const type = entry == null ? <u32>TOKEN_NORMAL
    : load<u32>(header + entry.value + ((<usize>token) << 2));
  return type <= <u32>TOKEN_BYTE ? <u8>type : TOKEN_NORMAL;
}

/** Whether a token is named by its text, rather than made of it. */
export function isSpecialType(type: u8): bool {
  return type == TOKEN_CONTROL || type == TOKEN_USER_DEFINED || type == TOKEN_UNKNOWN;
}

/** Whether a text is a spelling of bytes, rather than what it looks like. */
function isOfSymbols(type: u8): bool {
  return kind != KIND_SPM && !isSpecialType(type);
}

/** Bytes of all texts, as they will be kept. */
function measureTexts(source: usize): i32 {
  const fileTypes = arrayOf("tokenizer.ggml.token_type", TYPE_I32, TYPE_U32);
  textBytes = 0;
  specialCount = 0;
  for (let i: i32 = 0; i < vocabulary; i++) {
    const length = load<i64>(source);
    if (length > TOKEN_BYTES_MAX) {
      return failAbout(errors.BAD_VOCABULARY, "a token's text is longer than 1024 bytes", i);
    }
    source += 8;
    const type = typeInFile(fileTypes, i);
    if (isSpecialType(type)) specialCount++;
    textBytes += isOfSymbols(type)
      ? <u64>spellBytes(source, <i32>length, spelled) : <u64>length;
    source += <usize>length;
  }
  return errors.OK;
}

function copyTexts(source: usize): void {
  const fileTypes = arrayOf("tokenizer.ggml.token_type", TYPE_I32, TYPE_U32);
  memory.fill(byteTokens, 0xff, 4 * 256);
  let at: u32 = 0;
  for (let i: i32 = 0; i < vocabulary; i++) {
    const length = load<u32>(source);
    const type = typeInFile(fileTypes, i);
    store<u32>(offsets + ((<usize>i) << 2), at);
    store<u8>(types + i, type);
    at += copyText(i, type, source + 8, length, texts + at);
    source += 8 + <usize>length;
  }
  store<u32>(offsets + ((<usize>vocabulary) << 2), at);
}

/** Copies one text, and notes the byte that it stands for; returns its length. */
function copyText(token: i32, type: u8, source: usize, length: i32, target: usize): i32 {
  const isBytes = isOfSymbols(type);
  const copied = isBytes ? spellBytes(source, length, target) : length;
  if (!isBytes) memory.copy(target, source, length);
  let byte: i32 = -1;
  if (kind == KIND_SPM) byte = spelledByte(source, length);
  else if (isBytes && isSpelled && copied == 1) byte = <i32>load<u8>(target);
  if (isBytes && !isSpelled) store<u8>(types + token, TOKEN_MISSPELT);
  if (byte >= 0) store<i32>(byteTokens + ((<usize>byte) << 2), token);
  return copied;
}

function copyScores(): void {
  if (kind != KIND_SPM) return;
  const entry = arrayOf("tokenizer.ggml.scores", TYPE_F32, TYPE_F32);
  if (entry == null) memory.fill(scores, 0, (<usize>vocabulary) << 2);
  else memory.copy(scores, header + entry.value, (<usize>vocabulary) << 2);
}

/** Whether text may become such a token: control tokens, and bytes by their names, it may not. */
function isInReach(type: u8): bool {
  return !isSpecialType(type) && type != TOKEN_MISSPELT
    && !(kind == KIND_SPM && type == TOKEN_BYTE);
}

/**
 * SentencePiece's user-defined tokens are in reach, too, but give way to others of the same text;
 * those of byte-level vocabularies are texts, and not of bytes.
 */
function fillTable(): i32 {
  memory.fill(table, 0, (<usize>tableSize) << 2);
  longest = 0;
  for (let i: i32 = 0; i < vocabulary; i++) {
    if (!isInReach(tokenType(i))) continue;
    if (!insert(i, true)) return failAbout(errors.BAD_VOCABULARY, "its tokens' hashes collide", i);
  }
  for (let i: i32 = 0; i < vocabulary; i++) {
    if (kind != KIND_SPM || tokenType(i) != TOKEN_USER_DEFINED) continue;
    if (!insert(i, false)) return failAbout(errors.BAD_VOCABULARY, "its tokens' hashes collide", i);
  }
  return errors.OK;
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
