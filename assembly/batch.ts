// The rows of one forward pass and the scratch they need. A row is the next token of a session, or,
// in a byte-pooled model, also the next patch of one. Knows nothing of what is computed in the
// buffers.

import { ROWS_MAX, activationBytes, rowBytes } from "./blocks";
import { Stack, isPooled, local, tokenStack, trunk, vocabulary } from "./config";
import * as errors from "./errors";
import { fail } from "./errors";
import { notePatch } from "./patches";
import { SCRATCH, reserve } from "./plan";
import { Session, context, roomOf, sessionAt } from "./session";

/** Up to 32 rows that go through one stack of blocks together. */
// @ts-ignore: decorator
@unmanaged export class Rows {
  stack: Stack;
  count: i32;
  sessions: usize; //    u32[32]
  positions: usize; //   u32[32]: of the token, or of the patch among patches
  x: usize; //           f32[32][width]: the residual stream
  angles: usize; //      f32[32][headSize]: cosines, then sines of a row's position
  frequencies: usize; // f64[headSize / 2]

  // @ts-ignore: decorator
  @inline sessionIndexOf(row: i32): i32 {
    return load<i32>(this.sessions + ((<usize>row) << 2));
  }

  // @ts-ignore: decorator
  @inline sessionOf(row: i32): Session {
    return sessionAt(this.sessionIndexOf(row));
  }

  // @ts-ignore: decorator
  @inline positionOf(row: i32): i32 {
    return load<i32>(this.positions + ((<usize>row) << 2));
  }

  // @ts-ignore: decorator
  @inline xOf(row: i32): usize {
    return this.x + <usize>row * xStride;
  }

  // @ts-ignore: decorator
  @inline anglesOf(row: i32): usize {
    return this.angles + ((<usize>(row * this.stack.headSize)) << 2);
  }

  /** Adds a row. */
  add(session: i32, position: i32): void {
    store<i32>(this.sessions + ((<usize>this.count) << 2), session);
    store<i32>(this.positions + ((<usize>this.count) << 2), position);
    this.count++;
  }
}

/** The tokens that were pushed for the next pass. */
export const tokenRows: Rows = changetype<Rows>(memory.data(32, 4));
/** The patches that these tokens close. */
export const patchRows: Rows = changetype<Rows>(memory.data(32, 4));

// Scratch that all stacks share, one after the other: wide enough for the widest. Rows are 16-byte
// aligned and padded with zeros.
export let normed: usize = 0; //     f32[32][width]   a normalized x, and what a layer adds to x
export let quantized: usize = 0; //  activation rows (blocks.ts) of what is multiplied next
export let queries: usize = 0; //    f32[32][heads · headSize]
export let keys: usize = 0; //       f32[32][kvHeads · headSize]
export let values: usize = 0; //     f32[32][kvHeads · headSize]
export let attended: usize = 0; //   f32[32][heads · headSize]
export let gates: usize = 0; //      f32[32][feedForward]
export let ups: usize = 0; //        f32[32][feedForward]
export let scores: usize = 0; //     f32[3][context rounded up to 32]: of three heads at once
export let weights: usize = 0; //    i16[3][context rounded up to 32]: 16-bit probabilities
export let blockScales: usize = 0; // f32[3][context / 32 rounded up]: theirs
export let query: usize = 0; //      i16[3][stride]: query heads

// Bytes from one row to the next.
export let xStride: usize = 0;
export let queryStride: usize = 0;
export let keyStride: usize = 0;
export let hiddenStride: usize = 0;
export let quantizedStride: usize = 0;
// Bytes from one head to the next.
export let scoresStride: usize = 0;
export let weightsStride: usize = 0;
export let blockScalesStride: usize = 0;

const rowWantsLogits = memory.data(4 * 32, 16); // u32[ROWS_MAX]: of the token rows
const rowArrays = memory.data(4 * 32 * 4, 16); // sessions and positions of both kinds of rows
/** Token rows of the last pass. */
export let lastRows: i32 = 0;

export function layoutBatch(): void {
  xStride = 0;
  queryStride = 0;
  keyStride = 0;
  hiddenStride = 0;
  quantizedStride = 0;
  widenFor(trunk);
  if (isPooled) widenFor(local);
  normed = reserve(SCRATCH, <u64>xStride * ROWS_MAX);
  quantized = reserve(SCRATCH, <u64>quantizedStride * ROWS_MAX);
  queries = reserve(SCRATCH, <u64>queryStride * ROWS_MAX);
  keys = reserve(SCRATCH, <u64>keyStride * ROWS_MAX);
  values = reserve(SCRATCH, <u64>keyStride * ROWS_MAX);
  attended = reserve(SCRATCH, <u64>queryStride * ROWS_MAX);
  gates = reserve(SCRATCH, <u64>hiddenStride * ROWS_MAX);
  ups = reserve(SCRATCH, <u64>hiddenStride * ROWS_MAX);
  const blocks = (<usize>context + 31) >> 5;
  scoresStride = blocks * 128;
  weightsStride = blocks * 64;
  blockScalesStride = blocks * 4;
  scores = reserve(SCRATCH, <u64>scoresStride * 3);
  weights = reserve(SCRATCH, <u64>weightsStride * 3);
  blockScales = reserve(SCRATCH, <u64>blockScalesStride * 3);
  query = reserve(SCRATCH, <u64>max<i32>(trunk.stride, isPooled ? local.stride : 0) * 2 * 3);
  layoutRows(tokenRows, tokenStack, rowArrays);
  if (isPooled) layoutRows(patchRows, trunk, rowArrays + 4 * 32 * 2);
  lastRows = 0;
}

function widenFor(stack: Stack): void {
  const queryWidth = stack.heads * stack.headSize;
  const widest = max<i32>(max<i32>(stack.width, stack.feedForward), queryWidth);
  xStride = max<usize>(xStride, rowBytes(stack.width));
  // The last head's padding hangs over the end.
  queryStride = max<usize>(queryStride, rowBytes(queryWidth) + 64);
  keyStride = max<usize>(keyStride, rowBytes(stack.kvHeads * stack.headSize));
  hiddenStride = max<usize>(hiddenStride, rowBytes(stack.feedForward));
  quantizedStride = max<usize>(quantizedStride, activationBytes((widest + 31) & ~31));
}

function layoutRows(rows: Rows, stack: Stack, arrays: usize): void {
  rows.stack = stack;
  rows.count = 0;
  rows.sessions = arrays;
  rows.positions = arrays + 4 * 32;
  rows.x = reserve(SCRATCH, <u64>xStride * ROWS_MAX);
  rows.angles = reserve(SCRATCH, <u64>stack.headSize * 4 * ROWS_MAX);
  rows.frequencies = reserve(SCRATCH, <u64>stack.headSize * 4);
}

/** Adds a row to the next pass: the session's next token. Its logits are computed if asked. */
export function pushRow(session: i32, token: i32, wantsLogits: bool): i32 {
  const row = tokenRows.count;
  if (row == ROWS_MAX) return fail(errors.TOO_MANY_ROWS, ROWS_MAX);
  if (token < 0 || token >= vocabulary) return fail(errors.BAD_TOKEN, token, vocabulary);
  const state = sessionAt(session);
  const position = state.position;
  if (roomOf(state) == 0) return fail(errors.CONTEXT_FULL, context);
  tokenRows.add(session, position);
  store<u32>(rowWantsLogits + ((<usize>row) << 2), wantsLogits ? 1 : 0);
  store<u32>(state.tokens + ((<usize>position) << 2), token);
  if (isPooled) notePatch(state.closed, state.tokens, position);
  state.position++;
  state.logitsPosition = -1;
  return errors.OK;
}

/** Takes back the rows that were pushed but not run. */
export function dropRows(): void {
  while (tokenRows.count > 0) {
    tokenRows.count--;
    tokenRows.sessionOf(tokenRows.count).position = tokenRows.positionOf(tokenRows.count);
  }
}

/** The pass is over. Its rows can be read out unless they were only replayed. */
export function endRows(areReadable: bool): void {
  lastRows = areReadable ? tokenRows.count : 0;
  tokenRows.count = 0;
  patchRows.count = 0;
}

// @ts-ignore: decorator
@inline export function wantsLogits(row: i32): bool {
  return load<u32>(rowWantsLogits + ((<usize>row) << 2)) != 0;
}
