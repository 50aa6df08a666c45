// The rows of one forward pass and the scratch they need. A row is the next token of a session.
// Knows nothing of what is computed in the buffers.

import { ROWS_MAX, activationBytes } from "./blocks";
import { shape, vocabulary } from "./config";
import * as errors from "./errors";
import { fail } from "./errors";
import { SCRATCH, reserve } from "./plan";
import { Session, context, sessionAt, stride } from "./session";

// All rows of a buffer are 16-byte aligned and padded with zeros.
export let x: usize = 0; //          f32[32][width]   the residual stream
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
export let angles: usize = 0; //     f32[32][headSize]: cosines, then sines of a row's position
export let frequencies: usize = 0; // f64[headSize / 2]

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

const rowSession = memory.data(4 * 32, 16); // u32[ROWS_MAX]
const rowPosition = memory.data(4 * 32, 16); // u32[ROWS_MAX]
const rowWantsLogits = memory.data(4 * 32, 16); // u32[ROWS_MAX]
/** Rows pushed for the next pass, and rows of the last one. */
export let rows: i32 = 0;
export let lastRows: i32 = 0;

/** Bytes of a row of `count` floats, whole cache lines. */
function rowBytes(count: i32): usize {
  return (<usize>((count + 15) & ~15)) << 2;
}

export function layoutBatch(): void {
  const queryWidth = shape.heads * shape.headSize;
  const widest = max<i32>(max<i32>(shape.width, shape.feedForward), queryWidth);
  xStride = rowBytes(shape.width);
  queryStride = rowBytes(queryWidth) + 64; // the last head's padding hangs over the end
  keyStride = rowBytes(shape.kvHeads * shape.headSize);
  hiddenStride = rowBytes(shape.feedForward);
  quantizedStride = activationBytes((widest + 31) & ~31);
  x = reserve(SCRATCH, <u64>xStride * ROWS_MAX);
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
  query = reserve(SCRATCH, <u64>stride * 2 * 3);
  angles = reserve(SCRATCH, <u64>shape.headSize * 4 * ROWS_MAX);
  frequencies = reserve(SCRATCH, <u64>shape.headSize * 4);
  rows = 0;
  lastRows = 0;
}

/** Adds a row to the next pass: the session's next token. Its logits are computed if asked. */
export function pushRow(session: i32, token: i32, wantsLogits: bool): i32 {
  if (rows == ROWS_MAX) return fail(errors.TOO_MANY_ROWS, ROWS_MAX);
  if (token < 0 || token >= vocabulary) return fail(errors.BAD_TOKEN, token, vocabulary);
  const state = sessionAt(session);
  if (state.position == context) return fail(errors.CONTEXT_FULL, context);
  const at = (<usize>rows) << 2;
  store<i32>(rowSession + at, session);
  store<i32>(rowPosition + at, state.position);
  store<u32>(rowWantsLogits + at, wantsLogits ? 1 : 0);
  store<u32>(state.tokens + ((<usize>state.position) << 2), token);
  state.position++;
  state.logitsPosition = -1;
  rows++;
  return errors.OK;
}

/** Takes back the rows that were pushed but not run. */
export function dropRows(): void {
  for (; rows > 0; rows--) sessionOf(rows - 1).position = positionOf(rows - 1);
}

/** The pass is over. */
export function endRows(): void {
  lastRows = rows;
  rows = 0;
}

// @ts-ignore: decorator
@inline export function sessionOf(row: i32): Session {
  return sessionAt(load<i32>(rowSession + ((<usize>row) << 2)));
}

// @ts-ignore: decorator
@inline export function positionOf(row: i32): i32 {
  return load<i32>(rowPosition + ((<usize>row) << 2));
}

// @ts-ignore: decorator
@inline export function wantsLogits(row: i32): bool {
  return load<u32>(rowWantsLogits + ((<usize>row) << 2)) != 0;
}

// @ts-ignore: decorator
@inline export function anglesOf(row: i32): usize {
  return angles + (<usize>(row * shape.headSize) << 2);
}
