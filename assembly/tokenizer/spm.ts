// SentencePiece's byte-pair encoding, as llama.cpp runs it: characters are merged, the pair whose
// union has the highest score first, the leftmost among equals, until no union is a token; what is
// then no token itself is spelled in bytes. Knows nothing of where a word begins.
//
// Pairs wait in a heap; a merge that has been overtaken by another is recognised by its length and
// skipped. So a word of n characters takes O(n log n).

import { SCRATCH, reserve } from "../plan";
import { characterBytes } from "../text";
import { byteToken, lookUp, tokenScore, unknown } from "./vocabulary";

/** Longest word in bytes, as it is in the text; a space becomes three. */
export const WORD_BYTES_MAX: i32 = 8192;

// A run of characters that is, so far, one token. Merging empties the right one.
// @ts-ignore: decorator
@unmanaged class Symbol {
  start: u32;
  length: i32;
  previous: i32;
  next: i32;
}

// Two neighbours whose union is a token.
// @ts-ignore: decorator
@unmanaged class Pair {
  left: i32;
  right: i32;
  length: i32;
  score: f32;
}

let word: usize = 0; // u8[3 · WORD_BYTES_MAX + 3]: the word, spaces replaced
let wordLength: i32 = 0;
let symbols: usize = 0; // Symbol[WORD_BYTES_MAX + 1]
let symbolCount: i32 = 0;
let heap: usize = 0; // Pair[3 · WORD_BYTES_MAX]
let heapCount: i32 = 0;

export function layoutSpm(): void {
  const characters = <u64>WORD_BYTES_MAX + 1;
  word = reserve(SCRATCH, characters * 3);
  symbols = reserve(SCRATCH, characters * offsetof<Symbol>());
  heap = reserve(SCRATCH, characters * 3 * offsetof<Pair>());
}

// @ts-ignore: decorator
@inline function symbolAt(index: i32): Symbol {
  return changetype<Symbol>(symbols + <usize>index * offsetof<Symbol>());
}

// @ts-ignore: decorator
@inline function pairAt(index: i32): Pair {
  return changetype<Pair>(heap + <usize>index * offsetof<Pair>());
}

/**
 * Tokens of one word of at most WORD_BYTES_MAX bytes (with `prefixed`, of a space and the word).
 * Writes at most 3 · length + 3 ids; returns how many.
 */
export function encodeWord(text: usize, length: i32, prefixed: bool, out: usize): i32 {
  spell(text, length, prefixed);
  splitCharacters();
  heapCount = 0;
  for (let i: i32 = 1; i < symbolCount; i++) consider(i - 1, i);
  while (heapCount > 0) mergeBest();
  let count: i32 = 0;
  for (let i: i32 = 0; i >= 0; i = symbolAt(i).next) {
    count += emit(symbolAt(i), out + ((<usize>count) << 2));
  }
  return count;
}

/** Copies the word with U+2581 for every space. */
function spell(text: usize, length: i32, prefixed: bool): void {
  wordLength = 0;
  if (prefixed) spellByte(0x20);
  for (let i: i32 = 0; i < length; i++) spellByte(load<u8>(text + i));
}

function spellByte(byte: u8): void {
  const at = word + wordLength;
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

function splitCharacters(): void {
  symbolCount = 0;
  for (let at: i32 = 0; at < wordLength; symbolCount++) {
    const length = min<i32>(characterBytes(load<u8>(word + at)), wordLength - at);
    const symbol = symbolAt(symbolCount);
    symbol.start = at;
    symbol.length = length;
    symbol.previous = symbolCount - 1;
    symbol.next = at + length < wordLength ? symbolCount + 1 : -1;
    at += length;
  }
}

/** Puts two neighbours on the heap if their union is a token. */
function consider(left: i32, right: i32): void {
  if (left < 0 || right < 0) return;
  const start = symbolAt(left).start;
  const length = symbolAt(left).length + symbolAt(right).length;
  const token = lookUp(word + start, length);
  if (token < 0) return;
  let index = heapCount++;
  const score = tokenScore(token);
  while (index > 0) {
    const parent = (index - 1) >> 1;
    if (!isBetter(score, left, pairAt(parent))) break;
    copyPair(index, parent);
    index = parent;
  }
  const pair = pairAt(index);
  pair.left = left;
  pair.right = right;
  pair.length = length;
  pair.score = score;
}

// @ts-ignore: decorator
@inline function isBetter(score: f32, left: i32, other: Pair): bool {
  return score > other.score || (score == other.score && left < other.left);
}

// @ts-ignore: decorator
@inline function copyPair(target: i32, source: i32): void {
  v128.store(changetype<usize>(pairAt(target)), v128.load(changetype<usize>(pairAt(source))));
}

/** Takes the best pair off the heap and, if both halves still are as they were, merges them. */
function mergeBest(): void {
  const best = pairAt(0);
  const left = best.left;
  const right = best.right;
  const length = best.length;
  removeBest();
  const a = symbolAt(left);
  const b = symbolAt(right);
  if (a.length == 0 || b.length == 0 || a.length + b.length != length) return;
  a.length = length;
  b.length = 0;
  a.next = b.next;
  if (b.next >= 0) symbolAt(b.next).previous = left;
  consider(a.previous, left);
  consider(left, a.next);
}

function removeBest(): void {
  heapCount--;
  const last = pairAt(heapCount);
  let index: i32 = 0;
  while (true) {
    let child = 2 * index + 1;
    if (child >= heapCount) break;
    const other = pairAt(child + 1);
    if (child + 1 < heapCount && isBetter(other.score, other.left, pairAt(child))) child++;
    if (isBetter(last.score, last.left, pairAt(child))) break;
    copyPair(index, child);
    index = child;
  }
  copyPair(index, heapCount);
}

/** The token of a symbol, or those of its bytes, or the unknown one for a byte without a token. */
function emit(symbol: Symbol, out: usize): i32 {
  const text = word + symbol.start;
  const token = lookUp(text, symbol.length);
  if (token >= 0) {
    store<i32>(out, token);
    return 1;
  }
  let count: i32 = 0;
  for (let i: i32 = 0; i < symbol.length; i++) {
    const byte = byteToken(load<u8>(text + i));
    const id = byte >= 0 ? byte : unknown;
    if (id < 0) continue;
    store<i32>(out + ((<usize>count) << 2), id);
    count++;
  }
  return count;
}
