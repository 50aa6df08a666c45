// Attention of one query head over one head's cache: scores, and the weighted sum of values.
// What lies between the two is softmax.ts; which head reads which cache is the caller's business.
//
//   score[t] = (q · k[t]) / sqrt(headSize)          t = first .. last
//   out      = Σ p[t] · v[t] / Σ p
//
// Keys and values are [position][stride] (blocks.ts). In the int8 cache the query is int8 too, so
// that a score is one exact integer times its scales. Values are summed in ascending blocks of 32
// absolute positions, each block by itself, then the blocks in order.

import { POSITION_BLOCK } from "../blocks";
import { sumFour, sumLanes } from "../simd";

// @ts-ignore: decorator
@inline function dotKey(query: usize, key: usize, stride: usize): v128 {
  let sum = i32x4.splat(0);
  for (let i: usize = 0; i < stride; i += 16) {
    const k = v128.load(key + i);
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(k),
      v128.load(query + (i << 1))));
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(k),
      v128.load(query + (i << 1), 16)));
  }
  return sum;
}

/**
 * Scores against int8 keys, four positions at a time.
 *   scores   f32[]: indexed by absolute position; up to three scores outside first..last are
 *            written too, from whatever the cache holds there (softmax overwrites them)
 *   query    i16[stride]; `scale` is its scale / sqrt(headSize)
 *   scales   f32[position] of the keys
 */
export function scoresInt8(
  scores: usize, query: usize, scale: f32, keys: usize, scales: usize,
  first: i32, last: i32, stride: i32,
): void {
  const step = <usize>stride;
  const factor = f32x4.splat(scale);
  for (let t: usize = <usize>(first & ~3); t <= <usize>last; t += 4) {
    const key = keys + t * step;
    const sums = sumFour(dotKey(query, key, step), dotKey(query, key + step, step),
      dotKey(query, key + step * 2, step), dotKey(query, key + step * 3, step));
    const scaled = f32x4.mul(factor, v128.load(scales + (t << 2)));
    v128.store(scores + (t << 2), f32x4.mul(scaled, f32x4.convert_i32x4_s(sums)));
  }
}

/** Scores against f32 keys; query f32[stride], `scale` = 1 / sqrt(headSize). */
export function scoresF32(
  scores: usize, query: usize, scale: f32, keys: usize, first: i32, last: i32, stride: i32,
): void {
  const step = (<usize>stride) << 2;
  for (let t: usize = <usize>first; t <= <usize>last; t++) {
    const key = keys + t * step;
    let sum = f32x4.splat(0);
    for (let i: usize = 0; i < step; i += 16) {
      sum = f32x4.add(sum, f32x4.mul(v128.load(query + i), v128.load(key + i)));
    }
    store<f32>(scores + (t << 2), sumLanes(sum) * scale);
  }
}

/**
 * Values of the int8 cache, 16 of a head's numbers at a time.
 *   out     f32[stride]: all is written; what lies behind headSize becomes zero
 *   p       f32[]: indexed by absolute position; `sum` is their sum
 *   scales  f32[position] of the values
 */
export function valuesInt8(
  out: usize, p: usize, sum: f32, values: usize, scales: usize,
  first: i32, last: i32, stride: i32,
): void {
  const inverse = f32x4.splat(1.0 / sum);
  for (let i: usize = 0; i < <usize>stride; i += 16) {
    let t0 = f32x4.splat(0);
    let t1 = f32x4.splat(0);
    let t2 = f32x4.splat(0);
    let t3 = f32x4.splat(0);
    let t = first;
    while (t <= last) {
      const end = min<i32>(last + 1, (t & ~(POSITION_BLOCK - 1)) + POSITION_BLOCK);
      let b0 = f32x4.splat(0);
      let b1 = f32x4.splat(0);
      let b2 = f32x4.splat(0);
      let b3 = f32x4.splat(0);
      let value = values + <usize>t * <usize>stride + i;
      for (; t < end; t++) {
        const at = (<usize>t) << 2;
        const weight = f32x4.splat(load<f32>(p + at) * load<f32>(scales + at));
        const low = v128.load8x8_s(value);
        const high = v128.load8x8_s(value, 8);
        b0 = addValue(b0, weight, i32x4.extend_low_i16x8_s(low));
        b1 = addValue(b1, weight, i32x4.extend_high_i16x8_s(low));
        b2 = addValue(b2, weight, i32x4.extend_low_i16x8_s(high));
        b3 = addValue(b3, weight, i32x4.extend_high_i16x8_s(high));
        value += <usize>stride;
      }
      t0 = f32x4.add(t0, b0);
      t1 = f32x4.add(t1, b1);
      t2 = f32x4.add(t2, b2);
      t3 = f32x4.add(t3, b3);
    }
    const target = out + (i << 2);
    v128.store(target, f32x4.mul(t0, inverse));
    v128.store(target, f32x4.mul(t1, inverse), 16);
    v128.store(target, f32x4.mul(t2, inverse), 32);
    v128.store(target, f32x4.mul(t3, inverse), 48);
  }
}

// @ts-ignore: decorator
@inline function addValue(sum: v128, weight: v128, value: v128): v128 {
  return f32x4.add(sum, f32x4.mul(weight, f32x4.convert_i32x4_s(value)));
}

/** Values of the f32 cache, four of a head's numbers at a time. */
export function valuesF32(
  out: usize, p: usize, sum: f32, values: usize, first: i32, last: i32, stride: i32,
): void {
  const inverse = f32x4.splat(1.0 / sum);
  const step = (<usize>stride) << 2;
  for (let i: usize = 0; i < step; i += 16) {
    let total = f32x4.splat(0);
    let t = first;
    while (t <= last) {
      const end = min<i32>(last + 1, (t & ~(POSITION_BLOCK - 1)) + POSITION_BLOCK);
      let block = f32x4.splat(0);
      for (; t < end; t++) {
        const weight = v128.load32_splat(p + ((<usize>t) << 2));
        block = f32x4.add(block, f32x4.mul(weight, v128.load(values + <usize>t * step + i)));
      }
      total = f32x4.add(total, block);
    }
    v128.store(out + i, f32x4.mul(total, inverse));
  }
}
