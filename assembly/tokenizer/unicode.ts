// What kind of character a code point is: letter, number, space, punctuation, or anything else.
// Unfolds the packed runs once; ASCII has a table of its own, since most text is that. Knows
// nothing of words.

import { VOCABULARY, isMeasuring, reserve } from "../plan";
import { characterBytes } from "../text";
import { KINDS, RUN_COUNT, runs } from "./unicode-runs";

export const OTHER: i32 = 0;
export const LETTER: i32 = 1;
export const NUMBER: i32 = 2;
export const SPACE: i32 = 3;
export const PUNCTUATION: i32 = 4;

let starts: usize = 0; // u32[RUN_COUNT]: first code point · 8 + class, ascending
const asciiClasses = memory.data(128);

export function layoutUnicode(): void {
  starts = reserve(VOCABULARY, <u64>RUN_COUNT * 4);
  if (isMeasuring()) return;
  let from = runs;
  let codePoint: u32 = 0;
  for (let run: i32 = 0; run < RUN_COUNT; run++) {
    let number: u32 = 0;
    let shift: u32 = 0;
    let byte: u32 = 0;
    do {
      byte = load<u8>(from++);
      number |= (byte & 127) << shift;
      shift += 7;
    } while (byte & 128);
    store<u32>(starts + ((<usize>run) << 2), (codePoint << 3) | (number % KINDS));
    codePoint += number / KINDS;
  }
  for (let i: u32 = 0; i < 128; i++) store<u8>(asciiClasses + <usize>i, <u8>classInRuns(i));
}

/** The class of a code point. */
// @ts-ignore: decorator
@inline export function classOf(codePoint: u32): i32 {
  return codePoint < 128 ? <i32>load<u8>(asciiClasses + <usize>codePoint) : classInRuns(codePoint);
}

function classInRuns(codePoint: u32): i32 {
  const key = (codePoint << 3) | 7;
  let low: i32 = 0; // the last run that begins at or before the code point
  let high = RUN_COUNT;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (load<u32>(starts + ((<usize>middle) << 2)) <= key) low = middle;
    else high = middle;
  }
  return <i32>(load<u32>(starts + ((<usize>low) << 2)) & 7);
}

/**
 * Bytes of the character at `at`; 1 for a byte that begins none. 0 when it goes on beyond `end`,
 * where that is not the end of the text (`ends`).
 */
export function characterLength(at: usize, end: usize, ends: bool): i32 {
  const length = characterBytes(load<u8>(at));
  if (at + <usize>length > end) return ends ? 1 : 0;
  for (let i: i32 = 1; i < length; i++) {
    if ((load<u8>(at + i) & 0xc0) != 0x80) return 1;
  }
  return length;
}

/** The code point of a character of `length` bytes; a lone byte above 127 is U+FFFD. */
export function codePointOf(at: usize, length: i32): u32 {
  const lead = <u32>load<u8>(at);
  if (length == 1) return lead < 128 ? lead : 0xfffd;
  let codePoint = lead & (0x7f >>> length);
  for (let i: i32 = 1; i < length; i++) codePoint = (codePoint << 6) | (load<u8>(at + i) & 0x3f);
  return codePoint;
}
