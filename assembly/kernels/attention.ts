// Attention of one query head over one head's cache: scores, and the weighted sum of values.
// What lies between the two is softmax.ts; which head reads which cache is the caller's business.
//
//   score[t] = (q · k[t]) / sqrt(headSize)          t = first .. last
//   out      = Σ p[t] · v[t] / Σ p
//
// Keys and values are [position][stride] (blocks.ts). With the int8 cache the query is 16-bit
// integers, so that a score is one exact integer times its scales, and the probabilities of a block
// of 32 positions become 16-bit weights that share a scale, so that a block's sum of values is one
// too. Values are summed in ascending blocks of 32 absolute positions, each block by itself, then
// the blocks in order.

import { POSITION_BLOCK } from "../blocks";
import { dotPairs, interleaveHigh, interleaveLow, maxLanes, sumFour, sumLanes } from "../simd";

/** sum + the products of 16 bytes of a key with the query's two vectors of 16-bit numbers. */
// @ts-ignore: decorator
@inline function addKey(sum: v128, key: usize, low: v128, high: v128): v128 {
  const k = v128.load(key);
  const half = dotPairs(sum, i16x8.extend_low_i8x16_s(k), low);
  return dotPairs(half, i16x8.extend_high_i8x16_s(k), high);
}

/**
 * Scores against int8 keys, four positions at a time.
 *   scores   f32[]: indexed by absolute position; up to three scores outside first..last are
 *            written too, from whatever the cache holds there (softmax overwrites them)
 *   query    i16[stride]; `scale` is its scale / sqrt(headSize)
 *   base     the score of the first key, which belongs to keys kept as differences from it
 *   scales   f32[position] of the keys, negative for differences
 */
export function scoresInt8(
  scores: usize, query: usize, scale: f32, base: f32, keys: usize, scales: usize,
  first: i32, last: i32, stride: i32,
): void {
  const step = <usize>stride;
  const factor = f32x4.splat(scale);
  const firstScore = f32x4.splat(base);
  for (let t: usize = <usize>(first & ~3); t <= <usize>last; t += 4) {
    const key = keys + t * step;
    let s0 = i32x4.splat(0);
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    for (let i: usize = 0; i < step; i += 16) {
      const low = v128.load(query + (i << 1));
      const high = v128.load(query + (i << 1), 16);
      s0 = addKey(s0, key + i, low, high);
      s1 = addKey(s1, key + i + step, low, high);
      s2 = addKey(s2, key + i + step * 2, low, high);
      s3 = addKey(s3, key + i + step * 3, low, high);
    }
    const keyScales = v128.load(scales + (t << 2));
    const scaled = f32x4.mul(factor, f32x4.abs(keyScales));
    const score = f32x4.mul(scaled, f32x4.convert_i32x4_s(sumFour(s0, s1, s2, s3)));
    const added = v128.and(firstScore, i32x4.shr_s(keyScales, 31));
    v128.store(scores + (t << 2), f32x4.add(score, added));
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
 * Turns probabilities into 16-bit weights for int8 values: in each block of 32 positions
 *
 *   w[t] = round(p[t] · scale[t] · 32767 / m),  m = the block's largest p · scale
 *
 *   weights      i16[last + 1 rounded up to 32]: zero outside first..last
 *   blockScales  f32[blocks]: m / 32767; 0 for a block whose m is below 2^-100
 *   p            f32[], zero outside first..last in their blocks, as softmax leaves it
 *   scales       f32[position] of the values
 */
export function weighValues(
  weights: usize, blockScales: usize, p: usize, scales: usize, first: i32, last: i32,
): void {
  const rounder = f32x4.splat(12582912);
  for (let block = first >> 5; block <= last >> 5; block++) {
    const from = (<usize>block) << 7;
    let most = f32x4.splat(0);
    let total = most;
    for (let at = from; at < from + 128; at += 16) {
      const chance = v128.load(p + at);
      // Where p is 0 the cache may hold anything, even a NaN: the mask keeps the 0.
      const weight = v128.and(f32x4.mul(chance, v128.load(scales + at)),
        f32x4.gt(chance, f32x4.splat(0)));
      v128.store(p + at, weight);
      most = f32x4.pmax(most, weight);
      total = f32x4.add(total, weight);
    }
    // pmax passes a NaN over, the total does not: it becomes the block's scale, as in quantize.ts.
    const largest = maxLanes(most) + sumLanes(total) * 0;
    const isZero = largest < SMALLEST_WEIGHT;
    const inverse = f32x4.splat(isZero ? 0 : WEIGHT_LEVELS / largest);
    store<f32>(blockScales + ((<usize>block) << 2), isZero ? 0 : largest / WEIGHT_LEVELS);
    for (let at: usize = from; at < from + 128; at += 32) {
      // Adding 1.5 · 2^23 rounds half to even; the low 16 bits are the number.
      const low = f32x4.add(f32x4.mul(v128.load(p + at), inverse), rounder);
      const high = f32x4.add(f32x4.mul(v128.load(p + at, 16), inverse), rounder);
      v128.store(weights + (at >> 1),
        v128.shuffle<i16>(low, high, 0, 2, 4, 6, 8, 10, 12, 14));
    }
  }
}

const WEIGHT_LEVELS: f32 = 32767;
const SMALLEST_WEIGHT: f32 = 7.888609052210118e-31; // 2^-100

/**
 * The weighted sum of int8 values, 16 of a head's numbers and two positions at a time: exact
 * integers within a block of 32 positions, blocks added in order.
 *   out        f32[headSize]
 *   sum        Σ p
 *   headSize   a multiple of 4
 * Whole blocks are read: what the cache holds outside first..last meets weights of zero.
 */
export function valuesInt8(
  out: usize, weights: usize, blockScales: usize, sum: f32, values: usize,
  first: i32, last: i32, headSize: i32, stride: i32,
): void {
  const inverse = f32x4.splat(1.0 / sum);
  const step = <usize>stride;
  for (let i: usize = 0; i < step; i += 16) {
    let t0 = f32x4.splat(0);
    let t1 = t0;
    let t2 = t0;
    let t3 = t0;
    for (let block = <usize>(first >> 5); block <= <usize>(last >> 5); block++) {
      let b0 = i32x4.splat(0);
      let b1 = b0;
      let b2 = b0;
      let b3 = b0;
      let value = values + (block << 5) * step + i;
      const end = weights + ((block + 1) << 6);
      for (let w = weights + (block << 6); w < end; w += 4) {
        const pair = v128.load32_splat(w);
        const a = v128.load(value);
        const b = v128.load(value + step);
        const low = interleaveLow(a, b);
        const high = interleaveHigh(a, b);
        b0 = dotPairs(b0, i16x8.extend_low_i8x16_s(low), pair);
        b1 = dotPairs(b1, i16x8.extend_high_i8x16_s(low), pair);
        b2 = dotPairs(b2, i16x8.extend_low_i8x16_s(high), pair);
        b3 = dotPairs(b3, i16x8.extend_high_i8x16_s(high), pair);
        value += step << 1;
      }
      const scale = v128.load32_splat(blockScales + (block << 2));
      t0 = f32x4.add(t0, f32x4.mul(scale, f32x4.convert_i32x4_s(b0)));
      t1 = f32x4.add(t1, f32x4.mul(scale, f32x4.convert_i32x4_s(b1)));
      t2 = f32x4.add(t2, f32x4.mul(scale, f32x4.convert_i32x4_s(b2)));
      t3 = f32x4.add(t3, f32x4.mul(scale, f32x4.convert_i32x4_s(b3)));
    }
    const target = out + (i << 2);
    // Behind the head lies the next one, which may be another thread's.
    const rest = headSize - <i32>i;
    v128.store(target, f32x4.mul(t0, inverse));
    if (rest > 4) v128.store(target, f32x4.mul(t1, inverse), 16);
    if (rest > 8) v128.store(target, f32x4.mul(t2, inverse), 32);
    if (rest > 12) v128.store(target, f32x4.mul(t3, inverse), 48);
  }
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
