// Byte-level byte pairs: the bytes of a pre-token are merged, the merge of the lowest rank first.
// Knows nothing of where a pre-token begins.

import { addSymbol, beginWord, lengthAt, mergeAll } from "./merging";
import { ignoresMerges, unknown } from "./settings";
import { byteToken, isWhole, lookUp, noteWhole } from "./tokens";

/** Tokens of a pre-token of at most WORD_BYTES_MAX bytes, at most one a byte; returns how many. */
export function encodePretoken(text: usize, length: i32, out: usize): i32 {
  const token = length == 1 ? byteToken(load<u8>(text)) : lookUp(text, length);
  const known = token < 0 ? 0 : length == 1 || ignoresMerges ? 1 : isWhole(token);
  if (known == 1) {
    store<i32>(out, token);
    return 1;
  }
  beginWord(text, length);
  for (let i: i32 = 0; i < length; i++) addSymbol(i, 1, i - 1);
  mergeAll();
  if (known < 0) noteWhole(token, lengthAt(0) == length);
  let count: i32 = 0;
  let start: i32 = 0;
  while (start < length) {
    const size = lengthAt(start);
    count = emit(text + <usize>start, size, out, count);
    start += size;
  }
  return count;
}

/** A byte that has no token becomes the unknown one, or, where there is none, nothing. */
function emit(text: usize, length: i32, out: usize, count: i32): i32 {
  let token = length == 1 ? byteToken(load<u8>(text)) : lookUp(text, length);
  if (token < 0) token = unknown;
  if (token < 0) return count;
  store<i32>(out + ((<usize>count) << 2), token);
  return count + 1;
}
