// Text to tokens and back, whatever the kind of vocabulary. Text may come in pieces; it is cut
// where no token can reach across. Knows nothing of sessions.

import * as errors from "../errors";
import { fail } from "../errors";
import { SCRATCH, reserve } from "../plan";
import { encodeBytes } from "./byte";
import { WORD_BYTES_MAX, encodeWord, layoutSpm } from "./spm";
import {
  KIND_BYTE, KIND_SPM, TOKEN_BYTE, TOKEN_CONTROL, TOKEN_UNKNOWN, addsBos, addsEos,
  addsSpacePrefix, bos, eos, kind, spelledByte, symbolByte, tokenLength, tokenText, tokenType,
  wordsAreApart,
} from "./vocabulary";

/** Ids that one call of `encode` can give: as many as a longest word can need, and more. */
const IDS_MAX: i32 = 32768;

let ids: usize = 0; // i32[IDS_MAX]
let taken: i32 = 0;

export function layoutTokenizer(): void {
  ids = reserve(SCRATCH, <u64>IDS_MAX * 4);
  if (kind == KIND_SPM) layoutSpm();
}

/** Address of the ids that `encode` gave. */
export function encodedIds(): usize {
  return ids;
}

/** Bytes of text that the last `encode` took; the caller brings the rest again. */
export function encodedBytes(): i32 {
  return taken;
}

/**
 * Tokens of a piece of text, at `encodedIds`; returns how many. The text is only text: special
 * tokens that it spells are not formed.
 *   isFirst   the text begins here: prefix space as the vocabulary wants it
 *   isLast    it ends here; otherwise the last word waits, since it may go on
 *   special   add BOS and EOS as the vocabulary wants them
 */
export function encode(
  text: usize, length: i32, isFirst: bool, isLast: bool, special: bool,
): i32 {
  let count: i32 = 0;
  taken = 0;
  if (isFirst && special && addsBos) count = appendId(0, bos);
  if (kind == KIND_BYTE) {
    taken = min<i32>(length, IDS_MAX - 2);
    count += encodeBytes(text, taken, ids + ((<usize>count) << 2));
  } else {
    count = encodeWords(text, length, isFirst, isLast, count);
    if (count < 0) return count;
  }
  if (isLast && taken == length && special && addsEos) count = appendId(count, eos);
  return count;
}

function appendId(count: i32, id: i32): i32 {
  store<i32>(ids + ((<usize>count) << 2), id);
  return count + 1;
}

function encodeWords(
  text: usize, length: i32, isFirst: bool, isLast: bool, count: i32,
): i32 {
  let prefixed = isFirst && addsSpacePrefix;
  while (taken < length) {
    const end = wordEnd(text, taken, length);
    const size = end - taken;
    if (size > WORD_BYTES_MAX) return fail(errors.TEXT_TOO_LONG, size, WORD_BYTES_MAX);
    if (end == length && !isLast) break;
    if (count + 3 * size + 4 > IDS_MAX) break;
    count += encodeWord(text + taken, size, prefixed, ids + ((<usize>count) << 2));
    prefixed = false;
    taken = end;
  }
  return count;
}

/**
 * Where the word that begins at `start` ends: before a space that follows another character. A
 * U+2581 in the text becomes the same symbol as a space, so it counts as one.
 */
function wordEnd(text: usize, start: i32, length: i32): i32 {
  if (!wordsAreApart) return length;
  let at = start;
  for (let size = spaceAt(text, at, length); size > 0; size = spaceAt(text, at, length)) {
    at += size;
  }
  while (at < length && spaceAt(text, at, length) == 0) at++;
  return at;
}

/** Bytes of the space at `at`: 1, 3 for U+2581, 0 for none. */
function spaceAt(text: usize, at: i32, length: i32): i32 {
  if (at >= length) return 0;
  if (load<u8>(text + at) == 0x20) return 1;
  const isMark = at + 2 < length && load<u8>(text + at) == 0xe2
    && load<u16>(text + at, 1) == 0x8196;
  return isMark ? 3 : 0;
}

/**
 * The bytes of a token, at most 1024; returns how many. They may begin or end inside a character.
 *   isFirst   the text begins here: the prefix space that encoding added is left out
 */
export function decode(token: i32, isFirst: bool, target: usize): i32 {
  const type = tokenType(token);
  if (type == TOKEN_CONTROL || type == TOKEN_UNKNOWN) return 0;
  const text = tokenText(token);
  const length = tokenLength(token);
  if (kind == KIND_BYTE) return decodeSymbols(text, length, target);
  if (type == TOKEN_BYTE) {
    const byte = spelledByte(text, length);
    if (byte < 0) return 0;
    store<u8>(target, <u8>byte);
    return 1;
  }
  return decodePiece(text, length, isFirst && addsSpacePrefix, target);
}

/** U+2581 back to spaces. */
function decodePiece(text: usize, length: i32, dropsSpace: bool, target: usize): i32 {
  let written: i32 = 0;
  for (let i: i32 = 0; i < length; i++) {
    const isSpace = spaceAt(text, i, length) == 3;
    if (isSpace && i == 0 && dropsSpace) {
      i += 2;
      continue;
    }
    store<u8>(target + written, isSpace ? 0x20 : load<u8>(text + i));
    if (isSpace) i += 2;
    written++;
  }
  return written;
}

/** Symbols of GPT-2's alphabet back to bytes; anything else stays as it is. */
function decodeSymbols(text: usize, length: i32, target: usize): i32 {
  let written: i32 = 0;
  for (let i: i32 = 0; i < length; i++) {
    const lead = load<u8>(text + i);
    const isPair = lead >= 0xc2 && lead <= 0xdf && i + 1 < length;
    const symbol = isPair ? ((<i32>lead & 0x1f) << 6) | (<i32>load<u8>(text + i, 1) & 0x3f)
      : <i32>lead;
    const byte = symbolByte(symbol);
    if (byte >= 0 && isPair) i++;
    store<u8>(target + written, byte >= 0 ? <u8>byte : lead);
    written++;
  }
  return written;
}
