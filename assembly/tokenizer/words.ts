// Where a text is cut into words that are merged by themselves. SentencePiece's: between characters
// that no token holds side by side. Byte pairs': by the rules of pre-tokens, and, where one of
// these is very long, inside of it as SentencePiece's. Knows nothing of ids.

import * as errors from "../errors";
import { fail } from "../errors";
import { canJoin, characterAt, characterSize, isSpace } from "./joins";
import { WORD_BYTES_MAX } from "./merging";
import { classAt, pretokenEnd } from "./pretokens";
import { KIND_SPM, kind } from "./settings";
import { LETTER, characterLength } from "./unicode";

/** Bytes of the last word as it will be merged: a space of SentencePiece's takes three. */
export let wordBytes: i32 = 0;

/**
 * Bytes of the word that begins at `at`; 0 when that depends on what follows; or TEXT_TOO_LONG.
 *   end        the text so far
 *   ends       it ends there
 *   prefixed   a space goes before (SentencePiece)
 */
export function wordLength(at: usize, end: usize, ends: bool, prefixed: bool): i32 {
  return kind == KIND_SPM ? pieceLength(at, end, ends, prefixed) : pretokenLength(at, end, ends);
}

function pieceLength(from: usize, end: usize, ends: bool, prefixed: bool): i32 {
  let at = from;
  let left: u32 = 0;
  wordBytes = prefixed ? 3 : 0;
  while (at < end) {
    if (characterLength(at, end, ends) == 0) return 0;
    const right = characterAt(at, <i32>(end - at));
    if (at > from && !canJoin(left, right)) return <i32>(at - from);
    wordBytes += isSpace(right) ? 3 : characterSize;
    if (wordBytes > WORD_BYTES_MAX) return fail(errors.TEXT_TOO_LONG, WORD_BYTES_MAX);
    left = right;
    at += <usize>characterSize;
  }
  return ends ? <i32>(at - from) : 0;
}

function pretokenLength(at: usize, end: usize, ends: bool): i32 {
  const isLong = end - at > <usize>WORD_BYTES_MAX;
  const most = isLong ? at + <usize>WORD_BYTES_MAX : end;
  const found = pretokenEnd(at, most, ends && !isLong);
  wordBytes = found != 0 ? <i32>(found - at) : isLong ? cutLength(at, most) : 0;
  if (isLong && wordBytes == 0) return fail(errors.TEXT_TOO_LONG, WORD_BYTES_MAX);
  return wordBytes;
}

/** The longest part of a run of letters that no token reaches out of; 0 for none. */
function cutLength(from: usize, end: usize): i32 {
  let at = from;
  let last: usize = 0;
  let wasLetter = false;
  while (at < end) {
    const length = <usize>characterLength(at, end, false);
    if (length == 0) break;
    const isLetter = classAt(at, end, false) == LETTER;
    if (wasLetter && isLetter && !canJoin(load<u8>(at - 1), load<u8>(at))) last = at;
    wasLetter = isLetter;
    at += length;
  }
  return last == 0 ? 0 : <i32>(last - from);
}
