// The merging of one word: of all neighbours whose union is a token the best pair becomes one, the
// leftmost among equals, until no pair is left. What is best, and what a word is, others say:
// SentencePiece has scores (spm.ts), byte pairs have ranks (bpe.ts).
//
// Pairs wait in a heap by their left halves and change their places there as these grow, so a word
// of n bytes takes O(n log n) and what is planned here, 14 bytes for each of its own.
//
// Most words are one token. Whether merging arrives at it is worked out when the token is first
// met, and kept (tokens.ts); after that such a word is one look-up.

import { lendGates } from "../idle";
import { rankOf } from "./merges";
import { KIND_SPM, kind } from "./settings";
import { lookUp, tokenScore } from "./tokens";

/** Longest word in bytes: 16 KB without a place to cut is no language's text. */
export const WORD_BYTES_MAX: i32 = 16384;

/** Bytes of the heap that `layoutMerging` is given. */
export const HEAP_BYTES: i32 = 2 * WORD_BYTES_MAX;

/** In place of an index: none. */
const NOWHERE: u16 = 0xffff;

// What begins at one byte of the word and is, so far, one token.
// @ts-ignore: decorator
@unmanaged class Symbol {
  /** Of the pair that it makes with its right neighbour. */
  score: f32;
  length: u16;
  previous: u16;
  /** Where that pair waits in the heap. */
  place: u16;
}

let symbols: usize = 0; // Symbol[WORD_BYTES_MAX]: by first byte
let heap: usize = 0; // u16[WORD_BYTES_MAX]: left halves of pairs
let heapCount: i32 = 0;
let word: usize = 0;
let wordLength: i32 = 0;

export function layoutMerging(forHeap: usize): void {
  symbols = lendGates(<u64>WORD_BYTES_MAX * offsetof<Symbol>());
  heap = forHeap;
}

// @ts-ignore: decorator
@inline function symbolAt(start: i32): Symbol {
  return changetype<Symbol>(symbols + <usize>start * offsetof<Symbol>());
}

// @ts-ignore: decorator
@inline function waitingAt(place: i32): i32 {
  return <i32>load<u16>(heap + ((<usize>place) << 1));
}

// @ts-ignore: decorator
@inline function putAt(place: i32, start: i32): void {
  store<u16>(heap + ((<usize>place) << 1), <u16>start);
  symbolAt(start).place = <u16>place;
}

/** Begins a word, at most WORD_BYTES_MAX bytes; `addSymbol` splits it, then `mergeAll`. */
export function beginWord(text: usize, length: i32): void {
  word = text;
  wordLength = length;
  heapCount = 0;
}

/** A piece of the word that nothing divides. Returns where the next one begins. */
export function addSymbol(start: i32, length: i32, previous: i32): i32 {
  const symbol = symbolAt(start);
  symbol.length = <u16>length;
  symbol.previous = previous < 0 ? NOWHERE : <u16>previous;
  symbol.place = NOWHERE;
  return start + length;
}

/** Length of what begins at `start` of the word, in the end. */
export function lengthAt(start: i32): i32 {
  return <i32>symbolAt(start).length;
}

export function mergeAll(): void {
  let start: i32 = 0;
  while (start < wordLength) {
    settle(start);
    start += lengthAt(start);
  }
  while (heapCount > 0) mergeBest();
}

/** How good a pair is; NaN when its union is no token. */
function scoreOf(start: i32, left: i32, length: i32): f32 {
  const text = word + <usize>start;
  if (kind == KIND_SPM) {
    const token = lookUp(text, length);
    return token < 0 ? NaN : tokenScore(token);
  }
  const rank = rankOf(text, left, length);
  return rank < 0 ? NaN : <f32>-rank; // exact: ranks stay below 2^24
}

/** Puts the pair that begins at `start` where it belongs in the heap, or takes it out. */
function settle(start: i32): void {
  const symbol = symbolAt(start);
  const right = start + <i32>symbol.length;
  const score: f32 = right < wordLength
    ? scoreOf(start, symbol.length, <i32>symbol.length + lengthAt(right)) : NaN;
  const isIn = symbol.place != NOWHERE;
  if (isNaN(score)) {
    if (isIn) remove(start);
    return;
  }
  symbol.score = score;
  if (!isIn) putAt(heapCount++, start);
  rise(start);
  if (isIn) sink(start);
}

/** Takes the best pair off the heap and makes it one symbol. */
function mergeBest(): void {
  const start = waitingAt(0);
  const left = symbolAt(start);
  const middle = start + <i32>left.length;
  const right = symbolAt(middle);
  if (right.place != NOWHERE) remove(middle);
  left.length += right.length;
  const next = start + <i32>left.length;
  if (next < wordLength) symbolAt(next).previous = <u16>start;
  settle(start);
  if (left.previous != NOWHERE) settle(left.previous);
}

// @ts-ignore: decorator
@inline function isBetter(a: i32, b: i32): bool {
  const one = symbolAt(a).score;
  const other = symbolAt(b).score;
  return one > other || (one == other && a < b);
}

function rise(start: i32): void {
  let place = <i32>symbolAt(start).place;
  while (place > 0) {
    const parent = (place - 1) >> 1;
    const other = waitingAt(parent);
    if (!isBetter(start, other)) break;
    putAt(place, other);
    place = parent;
  }
  putAt(place, start);
}

function sink(start: i32): void {
  let place = <i32>symbolAt(start).place;
  let child = 2 * place + 1;
  while (child < heapCount) {
    if (child + 1 < heapCount && isBetter(waitingAt(child + 1), waitingAt(child))) child++;
    const other = waitingAt(child);
    if (!isBetter(other, start)) break;
    putAt(place, other);
    place = child;
    child = 2 * place + 1;
  }
  putAt(place, start);
}

function remove(start: i32): void {
  const place = <i32>symbolAt(start).place;
  symbolAt(start).place = NOWHERE;
  const last = waitingAt(--heapCount);
  if (last == start) return;
  putAt(place, last);
  rise(last);
  sink(last);
}
