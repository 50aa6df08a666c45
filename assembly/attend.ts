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

/** What all threads read (threads.ts). */
// @ts-ignore: decorator
@unmanaged class Look {
  rows: Rows;
  layer: i32;
}

const look: Look = changetype<Look>(memory.data(8, 4));

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
  for (let row: i32 = 0; row < rows.count; row++) {
    positions += min<i32>(stack.window, rows.positionOf(row) + 1);
  }
  // Scores and values: about as much work as two products of that size.
  const cost = (positions / rows.count) * stack.headSize * (stack.heads / stack.kvHeads) * 2;
  share(attendPart, rows.count * stack.kvHeads, cost);
}

/** Units: the rows of the first key head, then those of the second. */
function attendPart(thread: i32, from: i32, to: i32): void {
  const count = look.rows.count;
  for (let unit = from; unit < to; unit++) attendGroup(thread, unit % count, unit / count);
}

/** The query heads of a row that share a key head, as far back as the stack's window reaches. */
function attendGroup(thread: i32, row: i32, kvHead: i32): void {
  const stack = look.rows.stack;
  const session = look.rows.sessionOf(row);
  const last = look.rows.positionOf(row);
  const first = max<i32>(0, last - stack.window + 1);
  const group = stack.heads / stack.kvHeads;
  const slice = keysOf(session, stack, look.layer, kvHead);
  const own = headScratchOf(thread);
  for (let i: i32 = 0; i < group;) {
    const offset = <usize>row * scratch.queryStride
      + (<usize>((kvHead * group + i) * stack.headSize) << 2);
    const from = scratch.queries + offset;
    const out = scratch.attended + offset;
    // Three at a time where they share the cache and fill whole pieces of eight numbers.
    const count = stack.isInt8 && group - i >= 3 && stack.headSize % 8 == 0 ? 3 : 1;
    if (stack.isInt8) attendInt8(own, stack, out, from, slice, first, last, count);
    else attendF32(own, stack, out, from, slice, first, last);
    i += count;
  }
}

/** One or three heads over an int8 cache. */
function attendInt8(
  own: HeadScratch, stack: Stack, out: usize, from: usize, slice: usize, first: i32, last: i32,
  count: i32,
): void {
  const headSize = stack.headSize;
  const stride = stack.stride;
  const scale: f32 = 1.0 / sqrt<f32>(<f32>headSize);
  const keyScales = keyScalesOf(stack, slice);
  const cached = valuesOf(stack, slice);
  const query = own.query;
  const factors = own.factors();
  const bases = own.bases();
  const sums = own.sums();
  for (let i: usize = 0; i < <usize>count; i++) {
    const head = from + ((i * <usize>headSize) << 2);
    const itsScale = quantizeQuery(query + ((i * <usize>stride) << 1), head, headSize, stride);
    store<f32>(factors + (i << 2), itsScale * scale);
    scoresF32(bases + (i << 2), head, scale, firstKeyOf(stack, slice), 0, 0, headSize);
  }
  if (count == 3) {
    scoresInt8x3(own.scores, own.scoresStride, query, factors, bases, slice, keyScales, first,
      last, stride);
  } else {
    scoresInt8(own.scores, query, load<f32>(factors), load<f32>(bases), slice, keyScales, first,
      last, stride);
  }
  for (let i: usize = 0; i < <usize>count; i++) {
    const p = own.scores + i * own.scoresStride;
    store<f32>(sums + (i << 2), softmax(p, first, last));
    weighValues(own.weights + i * own.weightsStride, own.blockScales + i * own.blockScalesStride,
      p, valueScalesOf(stack, slice), first, last);
  }
  if (count == 3) {
    valuesInt8x3(out, own.weights, own.weightsStride, own.blockScales, own.blockScalesStride,
      sums, cached, first, last, headSize, stride);
  } else {
    valuesInt8(out, own.weights, own.blockScales, load<f32>(sums), cached, first, last, headSize,
      stride);
  }
}

/** One head over an f32 cache. */
function attendF32(
  own: HeadScratch, stack: Stack, out: usize, from: usize, slice: usize, first: i32, last: i32,
): void {
  const scale: f32 = 1.0 / sqrt<f32>(<f32>stack.headSize);
  scoresF32(own.scores, from, scale, slice, first, last, stack.stride);
  const sum = softmax(own.scores, first, last);
  valuesF32(out, own.scores, sum, valuesOf(stack, slice), first, last, stack.stride);
}
