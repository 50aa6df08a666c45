// Byte-level tokenizing: every byte is a token. Knows nothing of words.

import { byteToken } from "./tokens";

/** Tokens of `length` bytes; a byte without a token is left out. Returns how many. */
export function encodeBytes(text: usize, length: i32, out: usize): i32 {
  let count: i32 = 0;
  for (let i: i32 = 0; i < length; i++) {
    const token = byteToken(load<u8>(text + i));
    if (token < 0) continue;
    store<i32>(out + ((<usize>count) << 2), token);
    count++;
  }
  return count;
}
