// Attention of the rows of a pass: keys and values into the sessions' caches, then every query head
// looks back over its session. Knows nothing of where queries come from or where results go.
//
//   attended = softmax(q · K / sqrt(headSize)) · V

import {
  Rows, attended, blockScales, blockScalesStride, keyStride, keys, queries, query, queryStride,
  scores, scoresStride, values, weights, weightsStride,
} from "./batch";
import { Stack } from "./config";
import { scoresF32, scoresInt8, valuesF32, valuesInt8, weighValues } from "./kernels/attention";
import { scoresInt8x3, valuesInt8x3 } from "./kernels/attention3";
import { quantizeHead, quantizeKey, quantizeQuery } from "./kernels/quantize";
import { rope } from "./kernels/rope";
import { softmax } from "./kernels/softmax";
import {
  firstKeyOf, isInt8Cache, keyScalesOf, keysOf, valueScalesOf, valuesOf,
} from "./session";

// Numbers of up to three heads that are worked on together.
const factors = memory.data(16, 16); // f32[3]: scale of the query / sqrt(headSize)
const bases = memory.data(16, 16); //   f32[3]: score of the session's first key
const sums = memory.data(16, 16); //    f32[3]: Σ p

/** Turns a row's query and key, and puts key and value into the session's cache. */
export function remember(rows: Rows, row: i32, layer: i32): void {
  const stack = rows.stack;
  const session = rows.sessionOf(row);
  const position = rows.positionOf(row);
  const key = keys + <usize>row * keyStride;
  const value = values + <usize>row * keyStride;
  rope(queries + <usize>row * queryStride, rows.anglesOf(row), stack.heads, stack.headSize,
    stack.interleaved);
  rope(key, rows.anglesOf(row), stack.kvHeads, stack.headSize, stack.interleaved);
  for (let head: i32 = 0; head < stack.kvHeads; head++) {
    const offset = <usize>(head * stack.headSize) << 2;
    const slice = keysOf(session, stack, layer, head);
    if (isInt8Cache) storeInt8(stack, slice, key + offset, value + offset, position);
    else storeF32(stack, slice, key + offset, value + offset, position);
  }
}

function storeInt8(stack: Stack, slice: usize, key: usize, value: usize, position: i32): void {
  const at = <usize>position * <usize>stack.stride;
  const scaleAt = (<usize>position) << 2;
  const first = firstKeyOf(stack, slice);
  if (position == 0) memory.copy(first, key, (<usize>stack.headSize) << 2);
  // Nothing has been attended to yet, so that buffer is free for the difference.
  store<f32>(keyScalesOf(stack, slice) + scaleAt,
    quantizeKey(slice + at, key, first, attended, stack.headSize, stack.stride));
  store<f32>(valueScalesOf(stack, slice) + scaleAt,
    quantizeHead(valuesOf(stack, slice) + at, value, stack.headSize, stack.stride));
}

function storeF32(stack: Stack, slice: usize, key: usize, value: usize, position: i32): void {
  const at = (<usize>position * <usize>stack.stride) << 2;
  memory.copy(slice + at, key, (<usize>stack.headSize) << 2);
  memory.copy(valuesOf(stack, slice) + at, value, (<usize>stack.headSize) << 2);
}

/** Every head of a row looks back over its session, as far as the stack's window reaches. */
export function attend(rows: Rows, row: i32, layer: i32): void {
  const stack = rows.stack;
  const session = rows.sessionOf(row);
  const last = rows.positionOf(row);
  const first = max<i32>(0, last - stack.window + 1);
  const group = stack.heads / stack.kvHeads;
  for (let kvHead: i32 = 0; kvHead < stack.kvHeads; kvHead++) {
    const slice = keysOf(session, stack, layer, kvHead);
    for (let i: i32 = 0; i < group;) {
      const offset = <usize>((kvHead * group + i) * stack.headSize) << 2;
      const from = queries + <usize>row * queryStride + offset;
      const out = attended + <usize>row * queryStride + offset;
      // Three at a time where they share the cache and fill whole pieces of eight numbers.
      const count = isInt8Cache && group - i >= 3 && stack.headSize % 8 == 0 ? 3 : 1;
      if (isInt8Cache) attendInt8(stack, out, from, slice, first, last, count);
      else attendF32(stack, out, from, slice, first, last);
      i += count;
    }
  }
}

/** One or three heads over an int8 cache. */
function attendInt8(
  stack: Stack, out: usize, from: usize, slice: usize, first: i32, last: i32, count: i32,
): void {
  const headSize = stack.headSize;
  const stride = stack.stride;
  const scale: f32 = 1.0 / sqrt<f32>(<f32>headSize);
  const keyScales = keyScalesOf(stack, slice);
  const cached = valuesOf(stack, slice);
  for (let i: usize = 0; i < <usize>count; i++) {
    const head = from + ((i * <usize>headSize) << 2);
    const own = quantizeQuery(query + ((i * <usize>stride) << 1), head, headSize, stride);
    store<f32>(factors + (i << 2), own * scale);
    scoresF32(bases + (i << 2), head, scale, firstKeyOf(stack, slice), 0, 0, headSize);
  }
  if (count == 3) {
    scoresInt8x3(scores, scoresStride, query, factors, bases, slice, keyScales, first, last,
      stride);
  } else {
    scoresInt8(scores, query, load<f32>(factors), load<f32>(bases), slice, keyScales, first, last,
      stride);
  }
  for (let i: usize = 0; i < <usize>count; i++) {
    const p = scores + i * scoresStride;
    store<f32>(sums + (i << 2), softmax(p, first, last));
    weighValues(weights + i * weightsStride, blockScales + i * blockScalesStride, p,
      valueScalesOf(stack, slice), first, last);
  }
  if (count == 3) {
    valuesInt8x3(out, weights, weightsStride, blockScales, blockScalesStride, sums, cached, first,
      last, headSize, stride);
  } else {
    valuesInt8(out, weights, blockScales, load<f32>(sums), cached, first, last, stride);
  }
}

/** One head over an f32 cache. */
function attendF32(
  stack: Stack, out: usize, from: usize, slice: usize, first: i32, last: i32,
): void {
  const scale: f32 = 1.0 / sqrt<f32>(<f32>stack.headSize);
  scoresF32(scores, from, scale, slice, first, last, stack.stride);
  const sum = softmax(scores, first, last);
  valuesF32(out, scores, sum, valuesOf(stack, slice), first, last, stack.stride);
}
