// One conversation: its slice of the cache, its tokens and its position. Rewinding is only a
// matter of the position: what lies behind it is overwritten. Knows nothing of tokens' meaning.

import { POSITION_BLOCK, headStride } from "./blocks";
import { layers, shape, vocabulary } from "./config";
import * as errors from "./errors";
import { fail } from "./errors";
import { CACHE, SCRATCH, isMeasuring, reserve } from "./plan";

/** Most conversations at once: one forward pass has 32 rows. */
export const SESSIONS_MAX: i32 = 32;

// @ts-ignore: decorator
@unmanaged export class Session {
  /** Tokens that are in the cache. */
  position: i32;
  /** The position that `logits` predicts, or -1 for none. */
  logitsPosition: i32;
  /** u32[context]: the tokens at 0..position-1. */
  tokens: usize;
  /** f32[vocabulary rounded up to 4]. */
  logits: usize;
  cache: usize;
  /** State of the random generator. */
  random: u64;
}

const sessions = memory.data(32 * 32, 8); // Session[SESSIONS_MAX]
export let sessionCount: i32 = 0;
/** Positions of each session. */
export let context: i32 = 0;
export let isInt8Cache: bool = false;
/** Numbers of one head's key or value, padding included. */
export let stride: i32 = 0;
/** Bytes of one head's keys (values take the same) and of their scales, in one layer. */
let headBytes: usize = 0;
let headScaleBytes: usize = 0;
/** Bytes of the unrounded first key, which others are kept as differences from (int8 cache). */
let firstKeyBytes: usize = 0;

export function sessionAt(index: i32): Session {
  return changetype<Session>(sessions + <usize>index * offsetof<Session>());
}

/** OK when the session exists. */
export function checkSession(index: i32): i32 {
  if (index >= 0 && index < sessionCount) return errors.OK;
  return fail(errors.BAD_SESSION, index, sessionCount);
}

/** Decides the shape of the caches. */
export function configureSessions(count: i32, positions: i32, int8Cache: bool): void {
  sessionCount = count;
  context = positions;
  isInt8Cache = int8Cache;
  stride = headStride(shape.headSize, int8Cache);
  // Kernels read keys in fours, and values with their scales in whole blocks of 32 positions.
  const padded = <usize>((positions + POSITION_BLOCK - 1) & ~(POSITION_BLOCK - 1));
  headBytes = padded * <usize>stride * (int8Cache ? 1 : 4);
  headScaleBytes = int8Cache ? padded * 4 : 0;
  firstKeyBytes = int8Cache ? (<usize>shape.headSize) << 2 : 0;
}

/** Bytes of one layer's and head's slice: keys, values, their scales, the first key. */
function sliceBytes(): usize {
  return 2 * (headBytes + headScaleBytes) + firstKeyBytes;
}

export function layoutSessions(): void {
  for (let i: i32 = 0; i < sessionCount; i++) {
    const cache = reserve(CACHE, <u64>layers() * <u64>shape.kvHeads * <u64>sliceBytes());
    if (!isMeasuring()) sessionAt(i).cache = cache;
  }
  for (let i: i32 = 0; i < sessionCount; i++) {
    const tokens = reserve(SCRATCH, <u64>context * 4);
    const logits = reserve(SCRATCH, ((<u64>vocabulary + 3) & ~3) * 4);
    if (isMeasuring()) continue;
    const session = sessionAt(i);
    session.tokens = tokens;
    session.logits = logits;
    session.position = 0;
    session.logitsPosition = -1;
    session.random = 0;
  }
}

/** Keys of one head in one layer; values, scales and first key follow, each with a function. */
// @ts-ignore: decorator
@inline export function keysOf(session: Session, layer: i32, head: i32): usize {
  return session.cache + <usize>(layer * shape.kvHeads + head) * sliceBytes();
}

// @ts-ignore: decorator
@inline export function valuesOf(keys: usize): usize {
  return keys + headBytes;
}

// @ts-ignore: decorator
@inline export function keyScalesOf(keys: usize): usize {
  return keys + headBytes * 2;
}

// @ts-ignore: decorator
@inline export function valueScalesOf(keys: usize): usize {
  return keys + headBytes * 2 + headScaleBytes;
}

// @ts-ignore: decorator
@inline export function firstKeyOf(keys: usize): usize {
  return keys + 2 * (headBytes + headScaleBytes);
}

/** Forgets everything from `position` on. */
export function rewindSession(index: i32, position: i32): i32 {
  const status = checkSession(index);
  if (status < 0) return status;
  const session = sessionAt(index);
  if (position < 0 || position > session.position) {
    return fail(errors.BAD_POSITION, position, session.position);
  }
  session.logitsPosition = -1;
  session.position = position;
  return errors.OK;
}
