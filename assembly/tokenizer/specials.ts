// Tokens that are found in a text by their names before anything else is cut: user-defined ones
// always, control tokens only where the caller trusts the text. Knows nothing of what is between.
//
// The names are kept sorted; one that begins at a place is found byte by byte, by narrowing the
// part of the list that still agrees. The longest name wins.

import { vocabulary } from "../config";
import { VOCABULARY, isMeasuring, reserve } from "../plan";
import {
  TOKEN_USER_DEFINED, isSpecialType, specialCount, tokenLength, tokenText, tokenType,
} from "./tokens";

let sorted: usize = 0; // u32[count]: tokens by their texts
let count: i32 = 0;
let userDefined: i32 = 0;
/** Of each byte, whether names of user-defined tokens (1) and of others (2) begin with it. */
const beginnings = memory.data(256);
const USER_DEFINED: u8 = 1;
const TRUSTED: u8 = 2;

/** What `findSpecial` found: a token, NONE, or UNCERTAIN where a name may go on beyond the end. */
export let found: i32 = -1;
export const NONE: i32 = -1;
export const UNCERTAIN: i32 = -2;

// @ts-ignore: decorator
@inline function nameAt(index: i32): i32 {
  return load<i32>(sorted + ((<usize>index) << 2));
}

/** Reserves the list, and fills it when placing: `layoutTokens` comes before. */
export function layoutSpecials(): void {
  sorted = reserve(VOCABULARY, <u64>specialCount * 4);
  if (isMeasuring()) return;
  memory.fill(beginnings, 0, 256);
  count = 0;
  userDefined = 0;
  for (let i: i32 = 0; i < vocabulary; i++) {
    if (!isSpecialType(tokenType(i)) || tokenLength(i) == 0) continue;
    store<i32>(sorted + ((<usize>count) << 2), i);
    count++;
    const isUsers = tokenType(i) == TOKEN_USER_DEFINED;
    if (isUsers) userDefined++;
    const at = beginnings + <usize>load<u8>(tokenText(i));
    store<u8>(at, load<u8>(at) | (isUsers ? USER_DEFINED : TRUSTED));
  }
  sort();
}

/** Heapsort: a hostile file may name a million tokens in any order. */
function sort(): void {
  for (let i = (count >> 1) - 1; i >= 0; i--) sink(i, count);
  for (let end = count - 1; end > 0; end--) {
    swap(0, end);
    sink(0, end);
  }
}

function sink(index: i32, end: i32): void {
  let at = index;
  let child = 2 * at + 1;
  while (child < end) {
    if (child + 1 < end && isBefore(nameAt(child), nameAt(child + 1))) child++;
    if (!isBefore(nameAt(at), nameAt(child))) return;
    swap(at, child);
    at = child;
    child = 2 * at + 1;
  }
}

function swap(a: i32, b: i32): void {
  const token = nameAt(a);
  store<i32>(sorted + ((<usize>a) << 2), nameAt(b));
  store<i32>(sorted + ((<usize>b) << 2), token);
}

/** Order of two tokens: by text, then by id. */
function isBefore(a: i32, b: i32): bool {
  const order = memory.compare(tokenText(a), tokenText(b),
    min<i32>(tokenLength(a), tokenLength(b)));
  if (order != 0) return order < 0;
  const longer = tokenLength(a) - tokenLength(b);
  return longer != 0 ? longer < 0 : a < b;
}

/**
 * Where the first special token of a text begins, or may begin (`found` tells); `end` for none.
 *   ends      the text ends at `end`; otherwise a name may go on beyond
 *   trusted   control tokens are looked for, too
 */
export function findSpecial(text: usize, end: usize, ends: bool, trusted: bool): usize {
  found = NONE;
  if (userDefined == 0 && !(trusted && count > 0)) return end;
  const wanted: u8 = trusted ? USER_DEFINED | TRUSTED : USER_DEFINED;
  for (let at = text; at < end; at++) {
    if (!(load<u8>(beginnings + <usize>load<u8>(at)) & wanted)) continue;
    found = specialAt(at, end, ends, trusted);
    if (found != NONE) return at;
  }
  return end;
}

/** Whether a text is the whole name of a special token. */
export function isSpecialName(text: usize, length: i32): bool {
  const token = specialAt(text, text + <usize>length, true, true);
  return token >= 0 && tokenLength(token) == length;
}

/** The longest special token that begins here. */
function specialAt(text: usize, end: usize, ends: bool, trusted: bool): i32 {
  let best = NONE;
  let low: i32 = 0; // the names from here to `high` begin with the first `length` bytes
  let high = count;
  let length: i32 = 0;
  while (true) {
    while (low < high && tokenLength(nameAt(low)) == length) {
      const token = nameAt(low++);
      if (trusted || tokenType(token) == TOKEN_USER_DEFINED) best = token;
    }
    if (low >= high) return best;
    if (text + <usize>length >= end) return ends ? best : UNCERTAIN;
    const byte = <i32>load<u8>(text + <usize>length);
    low = firstFrom(low, high, length, byte);
    high = firstFrom(low, high, length, byte + 1);
    length++;
  }
}

/** The first name of a range whose byte at `position` is at least `byte`. */
function firstFrom(from: i32, to: i32, position: i32, byte: i32): i32 {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (<i32>load<u8>(tokenText(nameAt(middle)) + <usize>position) < byte) low = middle + 1;
    else high = middle;
  }
  return low;
}
