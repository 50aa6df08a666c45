// Text to tokens and back, whatever the kind of vocabulary. Text may come in pieces; it is cut
// where no token can reach across. Knows nothing of sessions.

import { lendUps } from "../idle";
import { encodePretoken } from "./bpe";
import { encodeBytes } from "./byte";
import { HEAP_BYTES, WORD_BYTES_MAX, layoutMerging } from "./merging";
import {
  KIND_BYTE, KIND_SPM, addsBos, addsEos, addsSpacePrefix, bos, eos, kind,
} from "./settings";
import { NONE, findSpecial, found } from "./specials";
import { encodeWord, layoutSpm } from "./spm";
import {
  TOKEN_BYTE, TOKEN_CONTROL, TOKEN_UNKNOWN, TOKEN_USER_DEFINED, spelledByte, tokenLength,
  tokenText, tokenType,
} from "./tokens";
import { wordBytes, wordLength } from "./words";

/** Ids that one call of `encode` can give: those of a longest word, of BOS and of EOS. */
const IDS_MAX: i32 = WORD_BYTES_MAX + 2;

let ids: usize = 0; // i32[IDS_MAX]
let count: i32 = 0;
let taken: i32 = 0;
/** Nothing but special tokens has come yet, or one came last: SentencePiece puts a space here. */
let isAfterSpecial: bool = false;

/** Nothing of it outlasts a call, so that it may lie where a forward pass has its scratch. */
export function layoutTokenizer(): void {
  const wordBytes = kind == KIND_SPM ? WORD_BYTES_MAX : 0;
  const merges = kind == KIND_BYTE ? 0 : HEAP_BYTES + wordBytes;
  ids = lendUps(<u64>(IDS_MAX * 4 + merges));
  if (kind == KIND_BYTE) return;
  const heap = ids + <usize>(IDS_MAX * 4);
  layoutMerging(heap);
  layoutSpm(heap + <usize>HEAP_BYTES);
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
 * Tokens of a piece of text, at `encodedIds`; returns how many.
 *   isFirst   the text begins here
 *   isLast    it ends here; otherwise the last word waits, since it may go on
 *   special   add BOS and EOS as the vocabulary wants them
 *   trusted   control tokens that the text spells become these tokens; else they are only text
 */
export function encode(
  text: usize, length: i32, isFirst: bool, isLast: bool, special: bool, trusted: bool,
): i32 {
  const end = text + <usize>length;
  count = 0;
  taken = 0;
  if (isFirst) isAfterSpecial = true;
  if (isFirst && special && addsBos) append(bos);
  while (taken < length) {
    const stop = findSpecial(text + <usize>taken, end, isLast, trusted);
    const token = found;
    const ends = token >= 0 || (isLast && token == NONE);
    const status = encodeStretch(text, <i32>(stop - text), ends);
    if (status < 0) return status;
    const isThrough = text + <usize>taken == stop && token >= 0;
    if (!isThrough || count >= IDS_MAX - 1) break;
    append(token);
    taken += tokenLength(token);
    isAfterSpecial = true;
  }
  if (isLast && taken == length && special && addsEos) append(eos);
  return count;
}

function append(id: i32): void {
  store<i32>(ids + ((<usize>count) << 2), id);
  count++;
}

/** Text without special tokens, up to `end`, as far as it is certain and ids have room. */
function encodeStretch(text: usize, end: i32, ends: bool): i32 {
  if (kind == KIND_BYTE) {
    const bytes = min<i32>(end - taken, IDS_MAX - 1 - count);
    count += encodeBytes(text + <usize>taken, bytes, ids + ((<usize>count) << 2));
    taken += bytes;
    return 0;
  }
  while (taken < end) {
    const at = text + <usize>taken;
    const prefixed = isAfterSpecial && addsSpacePrefix;
    const length = wordLength(at, text + <usize>end, ends, prefixed);
    if (length < 0) return length;
    if (length == 0 || count + wordBytes > IDS_MAX - 1) break;
    const out = ids + ((<usize>count) << 2);
    count += kind == KIND_SPM ? encodeWord(at, length, prefixed, out)
      : encodePretoken(at, length, out);
    isAfterSpecial = false;
    taken += length;
  }
  return 0;
}

/**
 * The bytes of a token, at most 1024; returns how many. They may begin or end inside a character.
 *   isFirst   the text begins here: the prefix space that encoding added is left out
 *   isNamed   control tokens give their names instead of nothing
 */
export function decode(token: i32, isFirst: bool, isNamed: bool, target: usize): i32 {
  const type = tokenType(token);
  const text = tokenText(token);
  const length = tokenLength(token);
  const isControl = type == TOKEN_CONTROL || type == TOKEN_UNKNOWN;
  if (isControl && !isNamed) return 0;
  if (kind != KIND_SPM || isControl || type == TOKEN_USER_DEFINED) {
    memory.copy(target, text, length);
    return length;
  }
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
  let at: i32 = 0;
  while (at < length) {
    const isMark = at + 2 < length && load<u8>(text + <usize>at) == 0xe2
      && load<u16>(text + <usize>at, 1) == 0x8196;
    if (!(isMark && at == 0 && dropsSpace)) {
      store<u8>(target + <usize>written, isMark ? 0x20 : load<u8>(text + <usize>at));
      written++;
    }
    at += isMark ? 3 : 1;
  }
  return written;
}
