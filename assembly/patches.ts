// How bytes form patches (byte-pooled models): where a patch closes, and which rows of the n-gram
// tables a byte looks up. Only token ids go in. Knows nothing of what is computed for a patch.
//
//   rule `space`   a patch closes after the first byte behind a word (so that "word " is one),
//                  after a token that is no byte, or when it holds `length` tokens
//   rule `fixed`   only the length counts
//
// For each session `closed`, u32[context], keeps how many patches are closed once the token at a
// position is in. From it follow the patch that any byte belongs to and where it began, so taking
// back a part of the conversation needs nothing else.

import * as errors from "./errors";
import { failValue, readAscending, readChoice, readInteger } from "./values";

const RULE_FIXED: i32 = 1;
/** Longest patch: beyond this the global blocks would hardly ever run. */
const LENGTH_MAX: i64 = 1024;
/** Most rows of an n-gram table: far above what models of this size can learn to fill. */
const ROWS_MAX: i64 = 1 << 20;
/** Most n-gram tables, and the longest n-gram: each token of it is hashed for each byte. */
export const ORDERS_MAX: i32 = 8;
/** What stands for the tokens before the first, in n-grams. */
const BEFORE_START: u32 = 256;

let rule: i32 = 0;
/** Tokens of a patch at most. */
export let patchLength: i32 = 0;
/** Rows of each n-gram table; 0 for none. */
export let ngramRows: i32 = 0;
/** Number of n-gram tables. */
export let orderCount: i32 = 0;
const orders = memory.data(4 * 8, 4); // i32[ORDERS_MAX]: n of each table

/** n of the i-th n-gram table. */
export function orderAt(index: i32): i32 {
  return load<i32>(orders + ((<usize>index) << 2));
}

/** Reads the rule out of the metadata; OK, or what is wrong with it. */
export function readPatches(): i32 {
  rule = readChoice("bytepool.", "patch.rule", "space", "fixed",
    "patch.rule other than space and fixed");
  if (rule < 0) return rule;
  let value = readInteger("bytepool.", "patch.length", 1, LENGTH_MAX, -1);
  if (value < 0) return <i32>value;
  patchLength = <i32>value;
  value = readInteger("bytepool.", "ngram.rows", 0, ROWS_MAX, 0);
  if (value < 0) return <i32>value;
  if ((value & (value - 1)) != 0 || value == 1) {
    return failValue("bytepool.", "ngram.rows (a power of two)", value, 2, ROWS_MAX);
  }
  ngramRows = <i32>value;
  orderCount = 0;
  if (ngramRows == 0) return errors.OK;
  const count = readAscending("bytepool.", "ngram.orders", orders, ORDERS_MAX, 2, ORDERS_MAX);
  if (count < 0) return count;
  orderCount = count;
  return errors.OK;
}

/** Most patches that `positions` tokens are planned to form. */
export function patchesMax(positions: i32): i32 {
  if (rule == RULE_FIXED) return (positions + patchLength - 1) / patchLength;
  // Cut at so few bytes, a space may be a patch of its own.
  if (patchLength < 3) return positions;
  // Else two bytes at least, but for tokens that are no bytes; of those there are few.
  return positions / 2 + 64;
}

// @ts-ignore: decorator
@inline function tokenAt(tokens: usize, position: i32): u32 {
  return load<u32>(tokens + ((<usize>position) << 2));
}

/** Patches that are closed once the tokens before `position` are in. */
export function closedBefore(closed: usize, position: i32): i32 {
  return position > 0 ? load<i32>(closed + ((<usize>position) << 2) - 4) : 0;
}

/** Whether the token at `position` closed a patch. */
export function closesAt(closed: usize, position: i32): bool {
  return closedBefore(closed, position + 1) != closedBefore(closed, position);
}

/** Where the patch begins that holds, or will hold, the token at `position`. */
export function patchStart(closed: usize, position: i32): i32 {
  let start = position;
  while (start > 0 && !closesAt(closed, start - 1)) start--;
  return start;
}

/** No letter, no digit, and not inside a UTF-8 character; tokens that are no bytes are. */
function isSpacelike(token: u32): bool {
  if (token >= 256) return true;
  const isWord = token - 0x30 < 10 || (token | 0x20) - 0x61 < 26 || (token & 0xc0) == 0x80;
  return !isWord;
}

/** Notes in `closed` whether the token at `position` closes its patch. */
export function notePatch(closed: usize, tokens: usize, position: i32): void {
  const before = closedBefore(closed, position);
  const size = position - patchStart(closed, position) + 1;
  const closes = size >= patchLength || (rule != RULE_FIXED && endsWord(tokens, position));
  store<i32>(closed + ((<usize>position) << 2), before + (closes ? 1 : 0));
}

function endsWord(tokens: usize, position: i32): bool {
  const token = tokenAt(tokens, position);
  if (token >= 256) return true;
  return isSpacelike(token) && position > 0 && !isSpacelike(tokenAt(tokens, position - 1));
}

/** The row of the i-th n-gram table for the n tokens that end at `position`: FNV-1a, then a
 *  multiplicative hash whose highest bits are taken. */
export function ngramRow(tokens: usize, position: i32, index: i32): i32 {
  let h: u32 = 2166136261;
  for (let at = position - orderAt(index) + 1; at <= position; at++) {
    h = (h ^ (at < 0 ? BEFORE_START : tokenAt(tokens, at))) * 16777619;
  }
  return <i32>(((h ^ (h >> 15)) * 2654435761) >> (clz<u32>(ngramRows) + 1));
}
