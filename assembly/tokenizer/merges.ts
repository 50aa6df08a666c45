// The merges of a byte-level vocabulary: which two texts become which token, and which go first.
// Knows nothing of how they are applied.
//
// A merge is found by the token that it makes and by the length of its left half. Most tokens are
// made by one merge, so a list for each token is short.

import { vocabulary } from "../config";
import * as errors from "../errors";
import { failAbout } from "../errors";
import { find, header } from "../gguf";
import { VOCABULARY, isMeasuring, reserve } from "../plan";
import { spellBytes } from "./alphabet";
import { KIND_BPE, kind } from "./settings";
import { isSpecialName } from "./specials";
import { TOKEN_BYTES_MAX, lookUp } from "./tokens";

/** Most merges: the largest published vocabularies have half a million. */
const MERGES_MAX: i32 = 1 << 20;
/** A merge: length of its left half << 21 | 1 + the token's next merge, or 0. */
const NEXT_BITS: i32 = 21;
const NEXT: u32 = (1 << NEXT_BITS) - 1;

let firsts: usize = 0; // u32[vocabulary]: 1 + the token's first merge, or 0
let merges: usize = 0; // u32[merges]: by rank
const joined = memory.data(2048);

// @ts-ignore: decorator
@inline function firstAt(token: i32): usize {
  return firsts + ((<usize>token) << 2);
}

/** The rank of the merge of a text's first `left` bytes with the rest; -1 when there is none. */
export function rankOf(text: usize, left: i32, length: i32): i32 {
  const token = lookUp(text, length);
  return token < 0 ? -1 : rankFor(token, left);
}

function rankFor(token: i32, left: i32): i32 {
  let merge = load<u32>(firstAt(token));
  while (merge != 0) {
    const entry = load<u32>(merges + (<usize>(merge - 1) << 2));
    if (<i32>(entry >> NEXT_BITS) == left) return <i32>merge - 1;
    merge = entry & NEXT;
  }
  return -1;
}

/** Reserves the lists, and fills them when placing: `layoutSpecials` comes before. */
export function layoutMerges(): i32 {
  const entry = find("tokenizer.ggml.merges");
  if (kind != KIND_BPE || entry == null) return errors.OK;
  if (entry.count > MERGES_MAX) {
    return failAbout(errors.TOO_MANY, "merges", entry.count, MERGES_MAX);
  }
  firsts = reserve(VOCABULARY, <u64>vocabulary * 4);
  merges = reserve(VOCABULARY, <u64>entry.count * 4);
  if (isMeasuring()) return errors.OK;
  memory.fill(firsts, 0, (<usize>vocabulary) << 2);
  let source = header + entry.value;
  for (let rank: i32 = 0; rank < entry.count; rank++) {
    const length = load<i64>(source);
    // The two halves and the space between them.
    if (length > <i64>TOKEN_BYTES_MAX + 1) {
      return failAbout(errors.BAD_VOCABULARY, "a merge is longer than a token may be", rank);
    }
    if (!add(rank, source + 8, <i32>length)) {
      return failAbout(errors.BAD_VOCABULARY, "a merge makes no token of the vocabulary", rank);
    }
    source += 8 + <usize>length;
  }
  return errors.OK;
}

/**
 * Adds a merge, `left right`; of two alike the first stays. One that makes the name of a special
 * token is never asked for, since no word holds such a name. False when it makes no token at all.
 */
function add(rank: i32, text: usize, length: i32): bool {
  let space: i32 = 1;
  while (space < length && load<u8>(text + space) != 0x20) space++;
  if (space >= length) return false;
  const left = spellBytes(text, space, joined);
  const right = spellBytes(text + space + 1, length - space - 1, joined + left);
  const token = lookUp(joined, left + right);
  store<u32>(merges + ((<usize>rank) << 2), 0);
  if (token < 0) return isSpecialName(joined, left + right);
  if (rankFor(token, left) >= 0) return true;
  const first = load<u32>(firstAt(token));
  store<u32>(merges + ((<usize>rank) << 2), ((<u32>left) << NEXT_BITS) | first);
  store<u32>(firstAt(token), rank + 1);
  return true;
}
