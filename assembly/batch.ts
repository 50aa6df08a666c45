// The rows of one forward pass and the scratch they need. A row is the next token of a session, or,
// in a byte-pooled model, also the next patch of one. Knows nothing of what is computed in the
// buffers.

import { QUANTIZED_KINDS, ROWS_MAX, activationBytes, alignUp, rowBytes } from "./blocks";
import { Stack, isPooled, local, tokenStack, trunk, vocabulary } from "./config";
import * as errors from "./errors";
import { fail } from "./errors";
import { panelBytes } from "./kernels/matmul";
import { notePatch } from "./patches";
import { SCRATCH, reserve } from "./plan";
import { Session, context, roomOf, sessionAt, stateBytes } from "./session";

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
    return this.x + <usize>row * scratch.xStride;
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

/**
 * Scratch that all stacks share, one after the other: wide enough for the widest. Rows are 16-byte
 * aligned and padded with zeros. It is a record in memory and not a handful of variables because
 * every thread has variables of its own (threads.ts).
 */
// @ts-ignore: decorator
@unmanaged export class Scratch {
  normed: usize; //    f32[32][width]   a normalized x, and what a layer adds to x
  quantized: usize; // activation rows (blocks.ts) of what is multiplied next (multiply.ts)
  queries: usize; //   f32[32][heads · headSize]
  keys: usize; //      f32[32][kvHeads · headSize]
  values: usize; //    f32[32][kvHeads · headSize]
  attended: usize; //  f32[32][heads · headSize]
  gates: usize; //     f32[32][feedForward], in the place of queries, keys and values
  ups: usize; //       f32[32][feedForward]

  // Bytes from one row to the next.
  xStride: usize;
  queryStride: usize;
  keyStride: usize;
  hiddenStride: usize;
  quantizedStride: usize;

  // What each thread has for itself, one piece after the other, and the bytes of a piece.
  panels: usize; //    two bands unpacked (kernels/matmul.ts)
  panelBytes: usize;

  sums: usize; //      f32[32][local width]: a session's sum behind each token row (bytepool.ts)
}

/** What a thread needs for up to three queries that share a cache. */
// @ts-ignore: decorator
@unmanaged export class HeadScratch {
  numbers: usize; //     f32[4][4], see below
  query: usize; //       i16[3][stride]: the queries
  scores: usize; //      f32[3][context rounded up to 32]
  weights: usize; //     i16[3][context rounded up to 32]: 16-bit probabilities
  blockScales: usize; // f32[3][context / 32 rounded up]: theirs

  // Bytes from one query to the next.
  scoresStride: usize;
  weightsStride: usize;
  blockScalesStride: usize;

  row: i32; //    of the first of the rows that look back together
  kvHead: i32; // whose cache they read

  /** f32[3]: scale of the query / sqrt(headSize). */
  factors(): usize {
    return this.numbers;
  }

  /** f32[3]: score of the session's first key. */
  bases(): usize {
    return this.numbers + 16;
  }

  /** f32[3]: Σ p. */
  sums(): usize {
    return this.numbers + 32;
  }

  /** u32[3]: addresses of the results. */
  outs(): usize {
    return this.numbers + 48;
  }
}

export const scratch: Scratch = changetype<Scratch>(memory.data(128, 16));

const heads = memory.data(40 * 16, 16); // HeadScratch[THREADS_MAX]

/** A thread's own. */
export function headScratchOf(thread: i32): HeadScratch {
  return changetype<HeadScratch>(heads + <usize>thread * offsetof<HeadScratch>());
}

const rowWantsLogits = memory.data(4 * 32, 16); // u32[ROWS_MAX]: of the token rows
const rowArrays = memory.data(4 * 32 * 4, 16); // sessions and positions of both kinds of rows
/** Token rows of the last pass. */
export let lastRows: i32 = 0;

/** `kinds`: the packed types that matrices have, a bit for each. */
export function layoutBatch(threads: i32, kinds: i32): void {
  scratch.xStride = 0;
  scratch.queryStride = 0;
  scratch.keyStride = 0;
  scratch.hiddenStride = 0;
  let widest = widenFor(trunk);
  if (isPooled) widest = max<i32>(widest, widenFor(local));
  scratch.quantizedStride = max<usize>(activationBytes((widest + 31) & ~31),
    rowsAreTwo(kinds) ? activationBytes((widthMax() + 31) & ~31) * 2 : 0);
  scratch.normed = reserveRows(scratch.xStride);
  scratch.quantized = reserveRows(scratch.quantizedStride);
  scratch.attended = reserveRows(scratch.queryStride);
  // Nobody looks back any more when gates and ups are made: they lie where the queries lay.
  const looking = scratch.queryStride + scratch.keyStride * 2;
  scratch.queries = reserveRows(max<usize>(looking, scratch.hiddenStride * 2));
  scratch.keys = scratch.queries + scratch.queryStride * ROWS_MAX;
  scratch.values = scratch.keys + scratch.keyStride * ROWS_MAX;
  scratch.gates = scratch.queries;
  scratch.ups = scratch.gates + scratch.hiddenStride * ROWS_MAX;
  const quantizes = (kinds & QUANTIZED_KINDS) != 0;
  scratch.panelBytes = quantizes ? alignUp(panelBytes((widest + 31) & ~31), 64) : 0;
  scratch.panels = reserve(SCRATCH, <u64>scratch.panelBytes * threads);
  scratch.sums = reserveRows(stateBytes);
  layoutHeads(threads);
  layoutRows(tokenRows, tokenStack, rowArrays);
  if (isPooled) layoutRows(patchRows, trunk, rowArrays + 4 * 32 * 2);
  lastRows = 0;
}

/**
 * Whether products with matrices of these kinds want a row in two forms (blocks.ts). Only products
 * of several matrices can, whose columns are a stack's width.
 */
export function rowsAreTwo(kinds: i32): bool {
  return !ASC_FEATURE_RELAXED_SIMD && (kinds & QUANTIZED_KINDS) == QUANTIZED_KINDS;
}

function widthMax(): i32 {
  return isPooled ? max<i32>(trunk.width, local.width) : trunk.width;
}

function reserveRows(stride: usize): usize {
  return reserve(SCRATCH, <u64>stride * ROWS_MAX);
}

/** Makes the strides wide enough for a stack; returns its longest row of a product. */
function widenFor(stack: Stack): i32 {
  const queryWidth = stack.heads * stack.headSize;
  scratch.xStride = max<usize>(scratch.xStride, rowBytes(stack.width));
  scratch.queryStride = max<usize>(scratch.queryStride, rowBytes(queryWidth));
  const keyWidth = stack.kvHeads * stack.headSize;
  scratch.keyStride = max<usize>(scratch.keyStride, rowBytes(keyWidth));
  scratch.hiddenStride = max<usize>(scratch.hiddenStride, rowBytes(stack.feedForward));
  return max<i32>(max<i32>(stack.width, stack.feedForward), queryWidth);
}

function layoutHeads(threads: i32): void {
  const blocks = (<usize>context + 31) >> 5;
  const stride = max<i32>(trunk.stride, isPooled ? local.stride : 0);
  for (let thread: i32 = 0; thread < threads; thread++) {
    const own = headScratchOf(thread);
    own.scoresStride = blocks * 128;
    own.weightsStride = blocks * 64;
    own.blockScalesStride = blocks * 4;
    own.numbers = reserve(SCRATCH, 4 * 4 * 4);
    own.query = reserve(SCRATCH, <u64>stride * 2 * 3);
    own.scores = reserve(SCRATCH, <u64>own.scoresStride * 3);
    own.weights = reserve(SCRATCH, <u64>own.weightsStride * 3);
    own.blockScales = reserve(SCRATCH, <u64>own.blockScalesStride * 3);
  }
}

function layoutRows(rows: Rows, stack: Stack, arrays: usize): void {
  rows.stack = stack;
  rows.count = 0;
  rows.sessions = arrays;
  rows.positions = arrays + 4 * 32;
  rows.x = reserveRows(scratch.xStride);
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
