// Attention of the rows of a pass: keys and values into the sessions' caches, then every query head
// looks back over its session. Knows nothing of where queries come from or where results go.
//
//   attended = softmax(q · K / sqrt(headSize)) · V

import {
  anglesOf, attended, blockScales, blockScalesStride, keyStride, keys, positionOf, queries, query,
  queryStride, scores, scoresStride, sessionOf, values, weights, weightsStride,
} from "./batch";
import { shape } from "./config";
import { scoresF32, scoresInt8, valuesF32, valuesInt8, weighValues } from "./kernels/attention";
import { scoresInt8x3, valuesInt8x3 } from "./kernels/attention3";
import { quantizeHead, quantizeKey, quantizeQuery } from "./kernels/quantize";
import { rope } from "./kernels/rope";
import { softmax } from "./kernels/softmax";
import {
  firstKeyOf, isInt8Cache, keyScalesOf, keysOf, stride, valueScalesOf, valuesOf,
} from "./session";

// Numbers of up to three heads that are worked on together.
const factors = memory.data(16, 16); // f32[3]: scale of the query / sqrt(headSize)
const bases = memory.data(16, 16); //   f32[3]: score of the session's first key
const sums = memory.data(16, 16); //    f32[3]: Σ p

/** Turns a row's query and key, and puts key and value into the session's cache. */
export function remember(row: i32, layer: i32): void {
  const session = sessionOf(row);
  const key = keys + <usize>row * keyStride;
  const value = values + <usize>row * keyStride;
  rope(queries + <usize>row * queryStride, anglesOf(row), shape.heads, shape.headSize,
    shape.interleaved);
  rope(key, anglesOf(row), shape.kvHeads, shape.headSize, shape.interleaved);
  for (let head: i32 = 0; head < shape.kvHeads; head++) {
    const offset = <usize>(head * shape.headSize) << 2;
    const slice = keysOf(session, layer, head);
    if (isInt8Cache) storeInt8(slice, key + offset, value + offset, positionOf(row));
    else storeF32(slice, key + offset, value + offset, positionOf(row));
  }
}

function storeInt8(slice: usize, key: usize, value: usize, position: i32): void {
  const at = <usize>position * <usize>stride;
  const scaleAt = (<usize>position) << 2;
  const first = firstKeyOf(slice);
  if (position == 0) memory.copy(first, key, (<usize>shape.headSize) << 2);
  // Nothing has been attended to yet, so that buffer is free for the difference.
  store<f32>(keyScalesOf(slice) + scaleAt,
    quantizeKey(slice + at, key, first, attended, shape.headSize, stride));
  store<f32>(valueScalesOf(slice) + scaleAt,
    quantizeHead(valuesOf(slice) + at, value, shape.headSize, stride));
}

function storeF32(slice: usize, key: usize, value: usize, position: i32): void {
  const at = (<usize>position * <usize>stride) << 2;
  memory.copy(slice + at, key, (<usize>shape.headSize) << 2);
  memory.copy(valuesOf(slice) + at, value, (<usize>shape.headSize) << 2);
}

/** Every head of a row looks back over its session. */
export function attend(row: i32, layer: i32): void {
  const session = sessionOf(row);
  const last = positionOf(row);
  const group = shape.heads / shape.kvHeads;
  for (let kvHead: i32 = 0; kvHead < shape.kvHeads; kvHead++) {
    const slice = keysOf(session, layer, kvHead);
    for (let i: i32 = 0; i < group;) {
      const offset = <usize>((kvHead * group + i) * shape.headSize) << 2;
      const from = queries + <usize>row * queryStride + offset;
      const out = attended + <usize>row * queryStride + offset;
      // Three at a time where they share the cache and fill whole pieces of eight numbers.
      const count = isInt8Cache && group - i >= 3 && shape.headSize % 8 == 0 ? 3 : 1;
      if (isInt8Cache) attendInt8(out, from, slice, last, count);
      else attendF32(out, from, slice, last);
      i += count;
    }
  }
}

/** One or three heads over an int8 cache. */
function attendInt8(out: usize, from: usize, slice: usize, last: i32, count: i32): void {
  const scale: f32 = 1.0 / sqrt<f32>(<f32>shape.headSize);
  for (let i: usize = 0; i < <usize>count; i++) {
    const head = from + ((i * <usize>shape.headSize) << 2);
    const own = quantizeQuery(query + ((i * <usize>stride) << 1), head, shape.headSize, stride);
    store<f32>(factors + (i << 2), own * scale);
    scoresF32(bases + (i << 2), head, scale, firstKeyOf(slice), 0, 0, shape.headSize);
  }
  if (count == 3) {
    scoresInt8x3(scores, scoresStride, query, factors, bases, slice, keyScalesOf(slice), 0, last,
      stride);
  } else {
    scoresInt8(scores, query, load<f32>(factors), load<f32>(bases), slice, keyScalesOf(slice), 0,
      last, stride);
  }
  for (let i: usize = 0; i < <usize>count; i++) {
    const p = scores + i * scoresStride;
    store<f32>(sums + (i << 2), softmax(p, 0, last));
    weighValues(weights + i * weightsStride, blockScales + i * blockScalesStride, p,
      valueScalesOf(slice), 0, last);
  }
  if (count == 3) {
    valuesInt8x3(out, weights, weightsStride, blockScales, blockScalesStride, sums,
      valuesOf(slice), 0, last, shape.headSize, stride);
  } else {
    valuesInt8(out, weights, blockScales, load<f32>(sums), valuesOf(slice), 0, last, stride);
  }
}

/** One head over an f32 cache. */
function attendF32(out: usize, from: usize, slice: usize, last: i32): void {
  const scale: f32 = 1.0 / sqrt<f32>(<f32>shape.headSize);
  scoresF32(scores, from, scale, slice, 0, last, stride);
  const sum = softmax(scores, 0, last);
  valuesF32(out, scores, sum, valuesOf(slice), 0, last, stride);
}
