// Attention of the rows of a pass: keys and values into the sessions' caches, then every query head
// looks back over its session. Knows nothing of where queries come from or where results go.
//
//   attended = softmax(q · K / sqrt(headSize)) · V

import { HeadScratch, Rows, headScratchOf, scratch } from "./batch";
import { Stack } from "./config";
import { scoresF32, scoresInt8, valuesF32, valuesInt8, weighValues } from "./kernels/attention";
import { scoresInt8x3, valuesInt8x3 } from "./kernels/attention3";
import { quantizeHead, quantizeKey, quantizeQuery } from "./kernels/quantize";
import { rope } from "./kernels/rope";
import { softmax } from "./kernels/softmax";
import { firstKeyOf, keyScalesOf, keysOf, valueScalesOf, valuesOf } from "./session";
import { share } from "./threads";

/**
 * What all threads read (threads.ts). Rows of one session that follow each other look back
 * together: a CLUMP. It has up to three rows, so that its query heads can go by threes, however
 * many share a key head.
 */
// @ts-ignore: decorator
@unmanaged class Look {
  rows: Rows;
  layer: i32;
  clumps: i32;
}

const look: Look = changetype<Look>(memory.data(12, 4));
const clumpRows = memory.data(4 * 33, 4); // u32[ROWS_MAX + 1]: first row of each, then of none
const CLUMP_MAX: i32 = 3;

// @ts-ignore: decorator
@inline function firstRowOf(clump: i32): i32 {
  return load<i32>(clumpRows + ((<usize>clump) << 2));
}

/** Turns a row's query and key, and puts key and value into the session's cache. */
export function remember(rows: Rows, row: i32, layer: i32): void {
  const stack = rows.stack;
  const session = rows.sessionOf(row);
  const position = rows.positionOf(row);
  const key = scratch.keys + <usize>row * scratch.keyStride;
  const value = scratch.values + <usize>row * scratch.keyStride;
  // Nothing has been attended to yet, so that buffer is free for a difference.
  const free = scratch.attended + <usize>row * scratch.queryStride;
  rope(scratch.queries + <usize>row * scratch.queryStride, rows.anglesOf(row), stack.heads,
    stack.headSize, stack.interleaved);
  rope(key, rows.anglesOf(row), stack.kvHeads, stack.headSize, stack.interleaved);
  for (let head: i32 = 0; head < stack.kvHeads; head++) {
    const offset = <usize>(head * stack.headSize) << 2;
    const slice = keysOf(session, stack, layer, head);
    if (stack.isInt8) storeInt8(stack, slice, key + offset, value + offset, position, free);
    else storeF32(stack, slice, key + offset, value + offset, position);
  }
}

function storeInt8(
  stack: Stack, slice: usize, key: usize, value: usize, position: i32, free: usize,
): void {
  const at = <usize>position * <usize>stack.stride;
  const scaleAt = (<usize>position) << 2;
  const first = firstKeyOf(stack, slice);
  if (position == 0) memory.copy(first, key, (<usize>stack.headSize) << 2);
  store<f32>(keyScalesOf(stack, slice) + scaleAt,
    quantizeKey(slice + at, key, first, free, stack.headSize, stack.stride));
  store<f32>(valueScalesOf(stack, slice) + scaleAt,
    quantizeHead(valuesOf(stack, slice) + at, value, stack.headSize, stack.stride));
}

function storeF32(stack: Stack, slice: usize, key: usize, value: usize, position: i32): void {
  const at = (<usize>position * <usize>stack.stride) << 2;
  memory.copy(slice + at, key, (<usize>stack.headSize) << 2);
  memory.copy(valuesOf(stack, slice) + at, value, (<usize>stack.headSize) << 2);
}

/** Every head of every row looks back over its session. */
export function attend(rows: Rows, layer: i32): void {
  const stack = rows.stack;
  look.rows = rows;
  look.layer = layer;
  let positions: i32 = 0;
  let clumps: i32 = 0;
  let begin: i32 = 0;
  for (let row: i32 = 0; row < rows.count; row++) {
    positions += min<i32>(stack.window, rows.positionOf(row) + 1);
    const isNext = row > 0 && row < begin + CLUMP_MAX
      && rows.sessionIndexOf(row) == rows.sessionIndexOf(row - 1);
    if (isNext) continue;
    begin = row;
    store<i32>(clumpRows + ((<usize>clumps) << 2), row);
    clumps++;
  }
  store<i32>(clumpRows + ((<usize>clumps) << 2), rows.count);
  look.clumps = clumps;
  // Scores and values: about as much work as two products of that size.
  const cost = (positions / clumps) * stack.headSize * (stack.heads / stack.kvHeads) * 2;
  share(attendPart, clumps * stack.kvHeads, cost);
}

/** Units: the clumps at the first key head, then those at the second. */
function attendPart(thread: i32, from: i32, to: i32): void {
  const clumps = look.clumps;
  for (let unit = from; unit < to; unit++) attendClump(thread, unit % clumps, unit / clumps);
}

/** The query heads of a clump that share a key head: those of its first row, then the second's. */
function attendClump(thread: i32, clump: i32, kvHead: i32): void {
  const stack = look.rows.stack;
  const row = firstRowOf(clump);
  const queries = (firstRowOf(clump + 1) - row) * (stack.heads / stack.kvHeads);
  const own = headScratchOf(thread);
  own.row = row;
  own.kvHead = kvHead;
  const session = look.rows.sessionOf(row);
  const slice = keysOf(session, stack, look.layer, kvHead);
  // Three at a time where they fill whole pieces of eight numbers.
  const most: i32 = stack.isInt8 && stack.headSize % 8 == 0 ? 3 : 1;
  for (let i: i32 = 0; i < queries;) {
    const count = queries - i >= most ? most : 1;
    if (stack.isInt8) attendInt8(own, stack, slice, i, count);
    else attendF32(own, stack, slice, i);
    i += count;
  }
}

/** The row of a clump's query. */
// @ts-ignore: decorator
@inline function rowOf(own: HeadScratch, stack: Stack, query: i32): i32 {
  return own.row + query / (stack.heads / stack.kvHeads);
}

/** Where a clump's query lies among the queries, and its result among the results. */
function placeOf(own: HeadScratch, stack: Stack, query: i32): usize {
  const group = stack.heads / stack.kvHeads;
  return <usize>(own.row + query / group) * scratch.queryStride
    + (<usize>((own.kvHead * group + query % group) * stack.headSize) << 2);
}

/** The oldest position that a row at `last` attends to. */
// @ts-ignore: decorator
@inline function oldest(stack: Stack, last: i32): i32 {
  return max<i32>(0, last - stack.window + 1);
}

/** One or three queries over an int8 cache. */
function attendInt8(
  own: HeadScratch, stack: Stack, slice: usize, query: i32, count: i32,
): void {
  const headSize = stack.headSize;
  const stride = stack.stride;
  const scale: f32 = 1.0 / sqrt<f32>(<f32>headSize);
  const keyScales = keyScalesOf(stack, slice);
  const cached = valuesOf(stack, slice);
  const factors = own.factors();
  const bases = own.bases();
  const sums = own.sums();
  const outs = own.outs();
  for (let i: i32 = 0; i < count; i++) {
    const at = (<usize>i) << 2;
    const place = placeOf(own, stack, query + i);
    const head = scratch.queries + place;
    store<usize>(outs + at, scratch.attended + place);
    const target = own.query + ((<usize>(i * stride)) << 1);
    const itsScale = quantizeQuery(target, head, headSize, stride);
    store<f32>(factors + at, itsScale * scale);
    scoresF32(bases + at, head, scale, firstKeyOf(stack, slice), 0, 0, headSize);
  }
  // Rows ascend: the first query looks back farthest, the last one is the newest.
  const first = oldest(stack, look.rows.positionOf(rowOf(own, stack, query)));
  const last = look.rows.positionOf(rowOf(own, stack, query + count - 1));
  if (count == 3) {
    scoresInt8x3(own.scores, own.scoresStride, own.query, factors, bases, slice, keyScales, first,
      last, stride);
  } else {
    scoresInt8(own.scores, own.query, load<f32>(factors), load<f32>(bases), slice, keyScales, first,
      last, stride);
  }
  for (let i: i32 = 0; i < count; i++) {
    const itsLast = look.rows.positionOf(rowOf(own, stack, query + i));
    const itsFirst = oldest(stack, itsLast);
    const p = own.scores + <usize>i * own.scoresStride;
    const blockScales = own.blockScales + <usize>i * own.blockScalesStride;
    store<f32>(sums + ((<usize>i) << 2), softmax(p, itsFirst, itsLast));
    // Blocks that only its neighbours attend to count nothing, whatever weights they hold.
    store<f32>(blockScales + ((<usize>(first >> 5)) << 2), 0);
    store<f32>(blockScales + ((<usize>(last >> 5)) << 2), 0);
    weighValues(own.weights + <usize>i * own.weightsStride, blockScales, p,
      valueScalesOf(stack, slice), itsFirst, itsLast);
  }
  if (count == 3) {
    valuesInt8x3(outs, own.weights, own.weightsStride, own.blockScales, own.blockScalesStride,
      sums, cached, first, last, headSize, stride);
  } else {
    valuesInt8(load<usize>(outs), own.weights, own.blockScales, load<f32>(sums), cached, first,
      last, headSize, stride);
  }
}

/** One query over an f32 cache. */
function attendF32(own: HeadScratch, stack: Stack, slice: usize, query: i32): void {
  const scale: f32 = 1.0 / sqrt<f32>(<f32>stack.headSize);
  const place = placeOf(own, stack, query);
  const last = look.rows.positionOf(rowOf(own, stack, query));
  const first = oldest(stack, last);
  scoresF32(own.scores, scratch.queries + place, scale, slice, first, last, stack.stride);
  const sum = softmax(own.scores, first, last);
  valuesF32(scratch.attended + place, own.scores, sum, valuesOf(stack, slice), first, last,
    stack.stride);
}
