// Where text is cut before byte pairs are merged: the regular expressions of tokenizer.ggml.pre, as
// llama.cpp has them, each written out as a walk over characters. Knows nothing of tokens.
//
//   gpt-2      's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//   smollm     the same between numbers, of which every one stands alone
//   default    the same between punctuation, without spaces before numbers, ASCII digits in threes
//   llama-bpe  (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}
//              | ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// Text comes in pieces. Where more of it could move an end, the answer is 0: bring more.

import { equals } from "../text";
import {
  LETTER, NUMBER, OTHER, PUNCTUATION, SPACE, characterLength, classOf, codePointOf,
} from "./unicode";

export const PRE_GPT2: i32 = 0;
export const PRE_SMOLLM: i32 = 1;
export const PRE_LLAMA3: i32 = 2;
export const PRE_DEFAULT: i32 = 3;

/** The rules in force. */
export let preRules: i32 = PRE_GPT2;

/** Bytes of the character that `classAt` looked at. */
let size: usize = 0;

/** Takes the rules of this name; false for one that is not known. No name at all is `default`. */
export function chooseRules(name: usize, length: i32): bool {
  preRules = PRE_DEFAULT;
  if (length == 0 || equals(name, length, "default")) return true;
  preRules = PRE_SMOLLM;
  if (isAmong(name, length,
    "smollm starcoder refact command-r codeshell exaone minerva-7b ")) return true;
  preRules = PRE_LLAMA3;
  if (isAmong(name, length,
    "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 ")) return true;
  preRules = PRE_GPT2;
  return isAmong(name, length,
    "gpt-2 phi-2 mpt olmo jais trillion granite-docling gigachat mellum modern-bert exaone4 ")
    || isAmong(name, length, "jina-es jina-de jina-v2-es jina-v2-de ");
}

/** Whether a name is one of a list; each name there ends with a space. */
function isAmong(name: usize, length: i32, names: string): bool {
  let matched: i32 = 0; // bytes of `name` that the present one of the list agrees with; -1: none
  for (let i: i32 = 0; i < names.length; i++) {
    const letter = load<u16>(changetype<usize>(names) + ((<usize>i) << 1));
    if (letter == 0x20) {
      if (matched == length) return true;
      matched = 0;
    } else if (matched >= 0) {
      const agrees = matched < length && <u16>load<u8>(name + <usize>matched) == letter;
      matched = agrees ? matched + 1 : -1;
    }
  }
  return false;
}

/**
 * Where the pre-token that begins at `at` ends; 0 when that depends on what follows.
 *   end    the text so far
 *   ends   it ends there
 */
export function pretokenEnd(at: usize, end: usize, ends: bool): usize {
  return preRules == PRE_LLAMA3 ? llama3End(at, end, ends) : gpt2End(at, end, ends);
}

/** The class of a character, as the rules see it; -1 when it is not all there. Sets `size`. */
export function classAt(at: usize, end: usize, ends: bool): i32 {
  const length = characterLength(at, end, ends);
  size = <usize>length;
  if (length == 0) return -1;
  const codePoint = codePointOf(at, length);
  const found = classOf(codePoint);
  if (preRules != PRE_DEFAULT) return found == PUNCTUATION ? OTHER : found;
  const isSign = codePoint == 0x24 || codePoint == 0x2b || (codePoint >= 0x3c && codePoint <= 0x3e)
    || codePoint == 0x5e || codePoint == 0x7c || codePoint == 0x7e; // $ + < = > ^ | ~
  return isSign ? PUNCTUATION : found;
}

/** Where characters of one class end. */
function runEnd(from: usize, end: usize, ends: bool, kind: i32): usize {
  let at = from;
  while (at < end) {
    const next = classAt(at, end, ends);
    if (next < 0) return 0;
    if (next != kind) return at;
    at += size;
  }
  return ends ? at : 0;
}

function gpt2End(at: usize, end: usize, ends: bool): usize {
  const first = classAt(at, end, ends);
  if (first < 0) return 0;
  const body = at + size;
  const byte = load<u8>(at);
  if (byte == 0x27 && first == OTHER) {
    const contracted = contractionEnd(at, end, ends, 0);
    if (contracted != at) return contracted;
  }
  if (byte == 0x20) {
    if (body == end) return ends ? body : 0;
    const next = classAt(body, end, ends);
    if (next < 0) return 0;
    const attaches = next == LETTER || next == OTHER || (next == NUMBER && preRules == PRE_GPT2);
    if (attaches) return runEnd(body + size, end, ends, next);
  }
  if (first == SPACE) return spacesEnd(at, end, ends);
  if (first == NUMBER && preRules == PRE_SMOLLM) return body;
  if (first == NUMBER && preRules == PRE_DEFAULT) return threesEnd(at, end, ends);
  return runEnd(body, end, ends, first);
}

/** 's 't 'm 'd 're 've 'll, or `at`. With `fold` 0x20 in capitals, too. */
function contractionEnd(at: usize, end: usize, ends: bool, fold: u8): usize {
  const rest = end - at - 1;
  if (rest < 2 && !ends) return 0;
  const a = rest > 0 ? load<u8>(at, 1) | fold : 0;
  const b = rest > 1 ? load<u8>(at, 2) | fold : 0;
  if (a == 0x73 || a == 0x74 || a == 0x6d || a == 0x64) return at + 2;
  const isTwo = ((a == 0x72 || a == 0x76) && b == 0x65) || (a == 0x6c && b == 0x6c);
  return isTwo ? at + 3 : at;
}

/**
 * A run of spaces: all of it at the end of the text, or of what the rules have cut out; else all
 * but the last, which may belong to what follows. With llama-bpe a run ends behind its last break.
 */
function spacesEnd(from: usize, end: usize, ends: bool): usize {
  let at = from;
  let last = from;
  let behindBreak: usize = 0;
  let next = SPACE;
  while (at < end && next == SPACE) {
    next = classAt(at, end, ends);
    if (next < 0) return 0;
    if (next == SPACE) {
      last = at;
      at += size;
      if (isBreak(last)) behindBreak = at;
    }
  }
  if (next == SPACE && !ends) return 0;
  if (preRules == PRE_LLAMA3 && behindBreak != 0) return behindBreak;
  const isCutOut = next == SPACE || (next == NUMBER && preRules == PRE_SMOLLM)
    || (next == PUNCTUATION && preRules == PRE_DEFAULT);
  return isCutOut || last == from ? at : last;
}

function isBreak(at: usize): bool {
  const byte = load<u8>(at);
  return byte == 0x0a || byte == 0x0d;
}

/** Numbers up to three ASCII digits in a row, or those three. */
function threesEnd(from: usize, end: usize, ends: bool): usize {
  let at = from;
  while (at < end) {
    if (isDigit(at)) {
      const isShort = end - at < 3;
      if (isShort && !ends) return 0;
      if (!isShort && isDigit(at + 1) && isDigit(at + 2)) return at == from ? at + 3 : at;
    }
    const next = classAt(at, end, ends);
    if (next < 0) return 0;
    if (next != NUMBER) return at;
    at += size;
  }
  return ends ? at : 0;
}

function isDigit(at: usize): bool {
  return load<u8>(at) - 0x30 < 10;
}

function llama3End(at: usize, end: usize, ends: bool): usize {
  const first = classAt(at, end, ends);
  if (first < 0) return 0;
  const body = at + size;
  if (load<u8>(at) == 0x27) {
    const contracted = contractionEnd(at, end, ends, 0x20);
    if (contracted != at) return contracted;
  }
  if (first == LETTER) return runEnd(body, end, ends, LETTER);
  if (first == NUMBER) return numbersEnd(body, end, ends);
  if (body == end && !ends) return 0;
  const next = body < end ? classAt(body, end, ends) : SPACE;
  if (next < 0) return 0;
  if (next == LETTER && !isBreak(at)) return runEnd(body + size, end, ends, LETTER);
  if (first == OTHER) return breaksEnd(runEnd(body, end, ends, OTHER), end, ends);
  if (next == OTHER && load<u8>(at) == 0x20) {
    return breaksEnd(runEnd(body + size, end, ends, OTHER), end, ends);
  }
  return spacesEnd(at, end, ends);
}

/** Two more numbers at most. */
function numbersEnd(from: usize, end: usize, ends: bool): usize {
  let at = from;
  for (let i: i32 = 0; i < 2; i++) {
    if (at == end) return ends ? at : 0;
    const next = classAt(at, end, ends);
    if (next < 0) return 0;
    if (next != NUMBER) return at;
    at += size;
  }
  return at;
}

/** Breaks that belong to the signs before them. */
function breaksEnd(from: usize, end: usize, ends: bool): usize {
  if (from == 0) return 0;
  let at = from;
  while (at < end && isBreak(at)) at++;
  return at == end && !ends ? 0 : at;
}
