// SentencePiece's byte-pair encoding, as llama.cpp runs it: characters are merged, the pair whose
// union has the highest score first; what is then no token itself is spelled in bytes. Knows
// nothing of where a word begins.

import { characterBytes } from "../text";
import { WORD_BYTES_MAX, addSymbol, beginWord, lengthAt, mergeAll } from "./merging";
import { unknown } from "./settings";
import { byteToken, isWhole, lookUp, noteWhole } from "./tokens";

let word: usize = 0; // u8[WORD_BYTES_MAX]: the word, spaces replaced
let wordLength: i32 = 0;

export function layoutSpm(forWord: usize): void {
  word = forWord;
}

/**
 * Tokens of one word (with `prefixed`, of a space and the word), which has at most WORD_BYTES_MAX
 * bytes where a space counts as three. At most one for each of these bytes; returns how many.
 */
export function encodeWord(text: usize, length: i32, prefixed: bool, out: usize): i32 {
  spell(text, length, prefixed);
  const token = lookUp(word, wordLength);
  const known = token < 0 ? 0 : isWhole(token);
  if (known == 1) {
    store<i32>(out, token);
    return 1;
  }
  mergeCharacters();
  if (known < 0) noteWhole(token, lengthAt(0) == wordLength);
  let count: i32 = 0;
  let start: i32 = 0;
  while (start < wordLength) {
    const size = lengthAt(start);
    count += emit(word + <usize>start, size, out + ((<usize>count) << 2));
    start += size;
  }
  return count;
}

function mergeCharacters(): void {
  beginWord(word, wordLength);
  let start: i32 = 0;
  let previous: i32 = -1;
  while (start < wordLength) {
    const size = min<i32>(characterBytes(load<u8>(word + <usize>start)), wordLength - start);
    const next = addSymbol(start, size, previous);
    previous = start;
    start = next;
  }
  mergeAll();
}

/** Copies the word with U+2581 for every space. */
function spell(text: usize, length: i32, prefixed: bool): void {
  wordLength = 0;
  if (prefixed) spellByte(0x20);
  for (let i: i32 = 0; i < length; i++) spellByte(load<u8>(text + <usize>i));
}

function spellByte(byte: u8): void {
  const at = word + <usize>wordLength;
  if (byte != 0x20) {
    store<u8>(at, byte);
    wordLength++;
    return;
  }
  store<u8>(at, 0xe2);
  store<u8>(at, 0x96, 1);
  store<u8>(at, 0x81, 2);
  wordLength += 3;
}

/** The token of a symbol, or those of its bytes, or the unknown one for a byte without a token. */
function emit(text: usize, length: i32, out: usize): i32 {
  const token = lookUp(text, length);
  if (token >= 0) {
    store<i32>(out, token);
    return 1;
  }
  let count: i32 = 0;
  for (let i: i32 = 0; i < length; i++) {
    const byte = byteToken(load<u8>(text + <usize>i));
    const id = byte >= 0 ? byte : unknown;
    if (id < 0) continue;
    store<i32>(out + ((<usize>count) << 2), id);
    count++;
  }
  return count;
}
