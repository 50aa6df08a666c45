// Attention of three queries over one head's int8 cache: the same numbers as three calls of
// attention.ts, for two thirds of the work, since every key and value is widened only once. They
// are heads that share a key head, or rows of a prompt, or both.

import { dotPairs, interleaveLow, sumPairs } from "../simd";

/**
 * Scores of three queries, four positions at a time, as `scoresInt8`.
 *   scores   f32[3][], `scoresStride` bytes apart
 *   query    i16[3][stride]
 *   factors  f32[3]: each query's scale / sqrt(headSize)
 *   bases    f32[3]: each query's score of the first key
 */
export function scoresInt8x3(
  scores: usize, scoresStride: usize, query: usize, factors: usize, bases: usize,
  keys: usize, scales: usize, first: i32, last: i32, stride: i32,
): void {
  const step = <usize>stride;
  for (let t: usize = <usize>(first & ~3); t <= <usize>last; t += 4) {
    let s0 = i32x4.splat(0);
    let s1 = s0;
    let s2 = s0;
    for (let half: usize = 0; half < 2; half++) {
      const key = keys + (t + (half << 1)) * step;
      let a0 = i32x4.splat(0);
      let a1 = a0;
      let b0 = a0;
      let b1 = a0;
      let c0 = a0;
      let c1 = a0;
      for (let i: usize = 0; i < step; i += 8) {
        const k0 = v128.load8x8_s(key + i);
        const k1 = v128.load8x8_s(key + step + i);
        const at = query + (i << 1);
        let q = v128.load(at);
        a0 = dotPairs(a0, k0, q);
        a1 = dotPairs(a1, k1, q);
        q = v128.load(at + (step << 1));
        b0 = dotPairs(b0, k0, q);
        b1 = dotPairs(b1, k1, q);
        q = v128.load(at + (step << 2));
        c0 = dotPairs(c0, k0, q);
        c1 = dotPairs(c1, k1, q);
      }
      // After the first half s holds two positions' pair sums; after the second four positions'.
      const a = sumPairs(a0, a1);
      const b = sumPairs(b0, b1);
      const c = sumPairs(c0, c1);
      s0 = half ? sumPairs(s0, a) : a;
      s1 = half ? sumPairs(s1, b) : b;
      s2 = half ? sumPairs(s2, c) : c;
    }
    const keyScales = v128.load(scales + (t << 2));
    const out = scores + (t << 2);
    v128.store(out, scoreOf(s0, keyScales, factors, bases));
    v128.store(out + scoresStride, scoreOf(s1, keyScales, factors + 4, bases + 4));
    v128.store(out + scoresStride * 2, scoreOf(s2, keyScales, factors + 8, bases + 8));
  }
}

/** factor · |scale| · sum, plus the base where the scale's sign says so. */
// @ts-ignore: decorator
@inline function scoreOf(sums: v128, scales: v128, factor: usize, base: usize): v128 {
  const scaled = f32x4.mul(v128.load32_splat(factor), f32x4.abs(scales));
  const added = v128.and(v128.load32_splat(base), i32x4.shr_s(scales, 31));
  return f32x4.add(f32x4.mul(scaled, f32x4.convert_i32x4_s(sums)), added);
}

/**
 * Weighted values of three queries, eight of a head's numbers and two positions at a time, as
 * `valuesInt8`.
 *   outs          u32[3]: addresses of the results, f32[headSize] each
 *   weights       i16[3][], `weightsStride` bytes apart
 *   blockScales   f32[3][], `scalesStride` bytes apart
 *   sums          f32[3]: each query's Σ p
 *   headSize      a multiple of 8
 */
export function valuesInt8x3(
  outs: usize, weights: usize, weightsStride: usize, blockScales: usize, scalesStride: usize,
  sums: usize, values: usize, first: i32, last: i32, headSize: i32, stride: i32,
): void {
  assert(headSize % 8 == 0); // pieces of eight must not hang over into the next head
  const step = <usize>stride;
  for (let i: usize = 0; i < <usize>headSize; i += 8) {
    let t0 = f32x4.splat(0);
    let t1 = t0;
    let t2 = t0;
    let t3 = t0;
    let t4 = t0;
    let t5 = t0;
    for (let block = <usize>(first >> 5); block <= <usize>(last >> 5); block++) {
      let b0 = i32x4.splat(0);
      let b1 = b0;
      let b2 = b0;
      let b3 = b0;
      let b4 = b0;
      let b5 = b0;
      let value = values + (block << 5) * step + i;
      const end = weights + ((block + 1) << 6);
      for (let w = weights + (block << 6); w < end; w += 4) {
        const both = interleaveLow(v128.load64_zero(value), v128.load64_zero(value + step));
        const low = i16x8.extend_low_i8x16_s(both);
        const high = i16x8.extend_high_i8x16_s(both);
        let pair = v128.load32_splat(w);
        b0 = dotPairs(b0, low, pair);
        b1 = dotPairs(b1, high, pair);
        pair = v128.load32_splat(w + weightsStride);
        b2 = dotPairs(b2, low, pair);
        b3 = dotPairs(b3, high, pair);
        pair = v128.load32_splat(w + weightsStride * 2);
        b4 = dotPairs(b4, low, pair);
        b5 = dotPairs(b5, high, pair);
        value += step << 1;
      }
      const scale = blockScales + (block << 2);
      t0 = addBlock(t0, scale, b0);
      t1 = addBlock(t1, scale, b1);
      t2 = addBlock(t2, scale + scalesStride, b2);
      t3 = addBlock(t3, scale + scalesStride, b3);
      t4 = addBlock(t4, scale + scalesStride * 2, b4);
      t5 = addBlock(t5, scale + scalesStride * 2, b5);
    }
    const at = i << 2;
    storeShare(load<usize>(outs) + at, sums, t0, t1);
    storeShare(load<usize>(outs, 4) + at, sums + 4, t2, t3);
    storeShare(load<usize>(outs, 8) + at, sums + 8, t4, t5);
  }
}

/** total + scale · the block's integer sums. */
// @ts-ignore: decorator
@inline function addBlock(total: v128, scale: usize, sums: v128): v128 {
  return f32x4.add(total, f32x4.mul(v128.load32_splat(scale), f32x4.convert_i32x4_s(sums)));
}

/** Eight numbers of a result, times 1 / Σp. */
// @ts-ignore: decorator
@inline function storeShare(target: usize, sum: usize, low: v128, high: v128): void {
  const inverse = f32x4.splat(1.0 / load<f32>(sum));
  v128.store(target, f32x4.mul(low, inverse));
  v128.store(target, f32x4.mul(high, inverse), 16);
}
