// The few SIMD idioms that every kernel shares, each in one fixed order.
// Knows nothing of layouts larger than one vector, nor of memory plans.
//
// This is the only file that may branch on ASC_FEATURE_RELAXED_SIMD. A relaxed build replaces the
// bodies of `dotPairs`, `dotNibbles` and `dotBytes`; integer sums are exact, so no output can
// change with it.

/** Sum of four float lanes in the normative order (0+2)+(1+3). */
// @ts-ignore: decorator
@inline export function sumLanes(v: v128): f32 {
  const high = v128.shuffle<i32>(v, v, 2, 3, 2, 3);
  const pairs = f32x4.add(v, high);
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/** Largest of four float lanes; NaN wins. */
// @ts-ignore: decorator
@inline export function maxLanes(v: v128): f32 {
  const pairs = f32x4.max(v, v128.shuffle<i32>(v, v, 2, 3, 2, 3));
  return max<f32>(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}

/** Sums of neighbouring integers: a0+a1, a2+a3, b0+b1, b2+b3. */
// @ts-ignore: decorator
@inline export function sumPairs(a: v128, b: v128): v128 {
  return i32x4.add(v128.shuffle<i32>(a, b, 0, 2, 4, 6), v128.shuffle<i32>(a, b, 1, 3, 5, 7));
}

/** Integer sums of four vectors: lane i of the result is the sum of the lanes of `vi`. */
// @ts-ignore: decorator
@inline export function sumFour(v0: v128, v1: v128, v2: v128, v3: v128): v128 {
  return sumPairs(sumPairs(v0, v1), sumPairs(v2, v3));
}

/** Bytes 0..7 of two vectors in turn: a0 b0 a1 b1 ... */
// @ts-ignore: decorator
@inline export function interleaveLow(a: v128, b: v128): v128 {
  return v128.shuffle<i8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

/** Bytes 8..15 of two vectors in turn. */
// @ts-ignore: decorator
@inline export function interleaveHigh(a: v128, b: v128): v128 {
  return v128.shuffle<i8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/** accumulator + the products of 16-bit pairs: lane i gains w[2i]·x[0] + w[2i+1]·x[1]. */
// @ts-ignore: decorator
@inline export function dotPairs(accumulator: v128, w: v128, pair: v128): v128 {
  return i32x4.add(accumulator, i32x4.dot_i16x8_s(w, pair));
}

/**
 * One vector of packed nibbles (blocks.ts) against the four pairs of activations that meet it:
 * every lane is a row, and gains 16 × the sum of eight products. The masks are passed in because
 * some engines rebuild a constant at every use; kernels load them from memory once.
 */
// @ts-ignore: decorator
@inline export function dotNibbles(
  accumulator: v128, w: v128, p0: v128, p1: v128, p2: v128, p3: v128, low: v128, high: v128,
): v128 {
  const even = dotPairs(dotPairs(accumulator, v128.and(w, low), p0), v128.and(w, high), p1);
  const odd = i16x8.shr_u(w, 8);
  return dotPairs(dotPairs(even, v128.and(odd, low), p2), v128.and(odd, high), p3);
}

/**
 * One vector of packed bytes (blocks.ts) against the two pairs of activations that meet it: every
 * lane gains 256 × the sum of four products. Bytes are kept in the upper half of their 16 bits,
 * which keeps the sign without a second shift.
 */
// @ts-ignore: decorator
@inline export function dotBytes(
  accumulator: v128, w: v128, p: v128, q: v128, highByte: v128,
): v128 {
  return dotPairs(dotPairs(accumulator, i16x8.shl(w, 8), p), v128.and(w, highByte), q);
}

/** The masks that `dotNibbles` wants: 0x000f eight times, then 0x00f0 eight times. */
export const NIBBLE_MASKS: usize = memory.data<u16>([
  0x000f, 0x000f, 0x000f, 0x000f, 0x000f, 0x000f, 0x000f, 0x000f,
  0x00f0, 0x00f0, 0x00f0, 0x00f0, 0x00f0, 0x00f0, 0x00f0, 0x00f0,
], 16);

/** The mask that keeps the upper byte of each 16-bit word, eight times. */
export const HIGH_BYTE_MASK: usize = memory.data<u16>([
  0xff00, 0xff00, 0xff00, 0xff00, 0xff00, 0xff00, 0xff00, 0xff00,
], 16);

/** Four f16 numbers as f32 times 2^-112 (callers fold 2^112 back in): exact, subnormals too. */
// @ts-ignore: decorator
@inline export function loadHalfScales(address: usize): v128 {
  const bits = i32x4.shl(v128.load16x4_s(address), 13);
  return v128.and(bits, i32x4.splat(0x8fffe000));
}
