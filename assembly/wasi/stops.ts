// Stop sequences: text passes up to the sequence that is complete first (of those that end
// together, the longest); what may become one is held back. Knows nothing of tokens.

import { STOPS_MAX, lengthOf, stopAt, stopCount, unitsOf } from "./arguments";
import { beginFailure, endFailure, put } from "./output";

/** Longest sequence, in characters. */
const CHARACTERS_MAX: i32 = 256;

/** u8[8192]: what was held back (less than 1,024 bytes), then a token's text (at most 3,078). */
export const shown = memory.data(8192);
let held: i32 = 0;
/** Whether a sequence has ended the text. */
export let isStopped: bool = false;

/** Refuses sequences that are too many, empty or too long. */
export function checkStops(): void {
  if (stopCount > STOPS_MAX) {
    beginFailure();
    put("--stop takes a text or at most 16 of them.");
    endFailure("BAD_OPTION", 2);
  }
  for (let i: i32 = 0; i < stopCount; i++) {
    const units = unitsOf(stopAt(i));
    if (units > 0 && units <= CHARACTERS_MAX) continue;
    beginFailure();
    put("--stop takes texts of 1 to 256 characters.");
    endFailure("BAD_OPTION", 2);
  }
}

/** Where the next text goes before `passText` is told of it. */
export function textSpot(): usize {
  return shown + held;
}

/** Takes `length` more bytes at `textSpot`; returns how many, from `shown` on, can be shown now. */
export function passText(length: i32): i32 {
  const all = held + length;
  let start: i32 = 0;
  let end: i32 = all + 1;
  for (let i: i32 = 0; i < stopCount; i++) {
    const size = lengthOf(stopAt(i));
    const at = find(stopAt(i), size, all);
    if (at < 0 || at + size > end || (at + size == end && at >= start)) continue;
    start = at;
    end = at + size;
    isStopped = true;
  }
  held = isStopped ? 0 : longestBeginning(all);
  return isStopped ? start : all - held;
}

/** At the end: how many bytes were held back for nothing. */
export function passRest(): i32 {
  const all = held;
  held = 0;
  return all;
}

/** What could be shown has been. */
export function wasShown(length: i32): void {
  memory.copy(shown, shown + length, held);
}

/** Where a sequence first stands in the shown; -1 for nowhere. */
function find(sequence: usize, size: i32, all: i32): i32 {
  for (let at: i32 = 0; at + size <= all; at++) {
    if (memory.compare(shown + at, sequence, size) == 0) return at;
  }
  return -1;
}

/** Length of the longest end of the shown that begins one of the sequences. */
function longestBeginning(all: i32): i32 {
  let longest: i32 = 0;
  for (let i: i32 = 0; i < stopCount; i++) {
    const sequence = stopAt(i);
    let length = min<i32>(lengthOf(sequence) - 1, all);
    while (length > longest && memory.compare(shown + all - length, sequence, length) != 0) {
      length--;
    }
    longest = max<i32>(longest, length);
  }
  return longest;
}
