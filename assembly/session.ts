// One conversation: its slice of the cache, its tokens and its position. Rewinding is only a
// matter of the position: what lies behind it is overwritten. Knows nothing of tokens' meaning.

import { POSITION_BLOCK, headStride, rowBytes } from "./blocks";
import { Stack, isPooled, isVocabularyOnly, local, trunk, vocabulary } from "./config";
import * as errors from "./errors";
import { fail } from "./errors";
import { closedBefore, patchesMax } from "./patches";
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
  /** Keys and values of every layer: the trunk's, then the local blocks'. */
  cache: usize;
  /** Byte-pooled models: u32[context] patches closed so far (patches.ts). */
  closed: usize;
  /** Byte-pooled models: f32[local width], the sum of the open patch's bytes. */
  sum: usize;
  /** Byte-pooled models: f32[patches][local width], what the bytes behind each patch are told. */
  patchStates: usize;
  /** State of the random generator. */
  random: u64;
  /** How far mirostat's mu has moved from where it began; 0 without. */
  drift: f64;
}

const sessions = memory.data(56 * 32, 8); // Session[SESSIONS_MAX]
export let sessionCount: i32 = 0;
/** Positions of each session. */
export let context: i32 = 0;
export let isInt8Cache: bool = false;
/** Bytes of the caches of one session. */
let cacheBytes: u64 = 0;
/** Bytes of a row of the local width. */
export let stateBytes: usize = 0;

export function sessionAt(index: i32): Session {
  return changetype<Session>(sessions + <usize>index * offsetof<Session>());
}

/** OK when the session exists, and there is a model to run it. */
export function checkSession(index: i32): i32 {
  if (isVocabularyOnly) return fail(errors.VOCABULARY_ONLY);
  if (index >= 0 && index < sessionCount) return errors.OK;
  return fail(errors.BAD_SESSION, index, sessionCount);
}

/** Decides the shape of the caches. */
export function configureSessions(count: i32, positions: i32, int8Cache: bool): void {
  sessionCount = count;
  context = positions;
  isInt8Cache = int8Cache;
  cacheBytes = 0;
  shapeCache(trunk, isPooled ? patchesMax(positions) : positions);
  if (isPooled) shapeCache(local, positions);
  stateBytes = isPooled ? rowBytes(local.width) : 0;
}

function shapeCache(stack: Stack, positions: i32): void {
  stack.positions = positions;
  stack.isInt8 = isInt8Cache;
  stack.stride = headStride(stack.headSize, isInt8Cache);
  // Kernels read keys in fours, and values with their scales in whole blocks of 32 positions.
  const padded = <usize>((positions + POSITION_BLOCK - 1) & ~(POSITION_BLOCK - 1));
  stack.headBytes = padded * <usize>stack.stride * (isInt8Cache ? 1 : 4);
  stack.headScaleBytes = isInt8Cache ? padded * 4 : 0;
  stack.firstKeyBytes = isInt8Cache ? (<usize>stack.headSize) << 2 : 0;
  stack.cacheOffset = <usize>cacheBytes;
  cacheBytes += <u64>(stack.layers * stack.kvHeads) * <u64>sliceBytes(stack);
}

/** Bytes of one layer's and head's slice: keys, values, their scales, the first key. */
function sliceBytes(stack: Stack): usize {
  return 2 * (stack.headBytes + stack.headScaleBytes) + stack.firstKeyBytes;
}

export function layoutSessions(): void {
  if (isVocabularyOnly) return;
  for (let i: i32 = 0; i < sessionCount; i++) {
    const cache = reserve(CACHE, cacheBytes);
    const patches = isPooled ? trunk.positions : 0;
    const patchStates = reserve(CACHE, <u64>patches * <u64>stateBytes);
    const sum = reserve(CACHE, stateBytes);
    if (isMeasuring()) continue;
    const session = sessionAt(i);
    session.cache = cache;
    session.patchStates = patchStates;
    session.sum = sum;
  }
  for (let i: i32 = 0; i < sessionCount; i++) {
    const tokens = reserve(SCRATCH, <u64>context * 4);
    const closed = reserve(SCRATCH, isPooled ? <u64>context * 4 : 0);
    const logits = reserve(SCRATCH, ((<u64>vocabulary + 3) & ~3) * 4);
    if (isMeasuring()) continue;
    const session = sessionAt(i);
    session.tokens = tokens;
    session.closed = closed;
    session.logits = logits;
    session.position = 0;
    session.logitsPosition = -1;
    session.random = 0;
    session.drift = 0;
  }
}

/** Keys of one head in one layer; values, scales and first key follow, each with a function. */
// @ts-ignore: decorator
@inline export function keysOf(session: Session, stack: Stack, layer: i32, head: i32): usize {
  const slice = <usize>(layer * stack.kvHeads + head);
  return session.cache + stack.cacheOffset + slice * sliceBytes(stack);
}

// @ts-ignore: decorator
@inline export function valuesOf(stack: Stack, keys: usize): usize {
  return keys + stack.headBytes;
}

// @ts-ignore: decorator
@inline export function keyScalesOf(stack: Stack, keys: usize): usize {
  return keys + stack.headBytes * 2;
}

// @ts-ignore: decorator
@inline export function valueScalesOf(stack: Stack, keys: usize): usize {
  return keys + stack.headBytes * 2 + stack.headScaleBytes;
}

// @ts-ignore: decorator
@inline export function firstKeyOf(stack: Stack, keys: usize): usize {
  return keys + 2 * (stack.headBytes + stack.headScaleBytes);
}

/**
 * Tokens that the context still has room for; 0 too when the cache of patches is full. (It has
 * one for every two tokens and some more, so only many tokens that are no bytes fill it first.)
 */
export function roomOf(session: Session): i32 {
  const patches = isPooled ? closedBefore(session.closed, session.position) : 0;
  return isPooled && patches == trunk.positions ? 0 : context - session.position;
}

/** Forgets everything from `position` on. */
export function rewindSession(session: Session, position: i32): i32 {
  if (position < 0 || position > session.position) {
    return fail(errors.BAD_POSITION, position, session.position);
  }
  session.logitsPosition = -1;
  session.position = position;
  return errors.OK;
}
