// Activations to integers: rows to int8 in groups of 32 for the quantized products, whole head
// vectors to int8 for the cache, queries to 16 bits. Rounding is half to even everywhere.
//
//   scale = max|x| / 127,  q = round(x · (127 / max|x|)),  x ≈ scale · q
//
// A group whose largest magnitude is below 2^-32 counts as zero: this keeps every later product of
// scales clear of underflow. A NaN or infinity becomes the scale, so it reaches the logits, where
// it is refused.

import { ACTIVATION_REBIAS, ACTIVATION_STEPS_BYTES } from "../blocks";
import { byteStartOf, maxLanes, startOf, storeSteps, sumsAreWide } from "../simd";

const SMALLEST: f32 = 2.3283064365386963e-10; // 2^-32
const LARGEST: f32 = 302231454903657293676544.0; // 2^78: from here a group counts as infinite

// @ts-ignore: decorator
@inline function absMax(most: v128, x: usize): v128 {
  return f32x4.max(most, f32x4.abs(v128.load(x)));
}

/**
 * Four numbers to integers in the low 16 bits of each lane. Adding 1.5 · 2^23 rounds half to even
 * and leaves the integer there: truncation, which must mind NaN, takes several times as long.
 */
// @ts-ignore: decorator
@inline function round4(x: usize, inverse: v128): v128 {
  return f32x4.add(f32x4.mul(v128.load(x), inverse), f32x4.splat(12582912));
}

/** Eight numbers to 16-bit integers. */
// @ts-ignore: decorator
@inline function round8(x: usize, inverse: v128): v128 {
  return v128.shuffle<i16>(round4(x, inverse), round4(x + 16, inverse), 0, 2, 4, 6, 8, 10, 12, 14);
}

/**
 * Packs one row for products with Q4 weights.
 *   target    an activation row (blocks.ts): its first word
 *   x         f32[columns], 16-byte aligned; columns a multiple of 32
 *   apart     bytes from one word to the next: 4, or 16 where four rows lie in turn
 */
export function quantizeRow(target: usize, x: usize, columns: i32, apart: usize): void {
  packRow(target, x, columns, apart, false);
}

/** The same for Q8 weights. In the relaxed build one row serves both. */
export function quantizeRowQ8(target: usize, x: usize, columns: i32, apart: usize): void {
  packRow(target, x, columns, apart, true);
}

// @ts-ignore: decorator
@inline function packRow(
  target: usize, x: usize, columns: i32, apart: usize, forBytes: bool,
): void {
  assert(columns % 32 == 0); // groups are whole
  assert((x & 15) == 0);
  const end = x + ((<usize>columns) << 2);
  const isWide = sumsAreWide();
  while (x < end) {
    let most = absMax(absMax(absMax(absMax(f32x4.splat(0), x), x + 16), x + 32), x + 48);
    most = absMax(absMax(absMax(absMax(most, x + 64), x + 80), x + 96), x + 112);
    const largest = maxLanes(most);
    const isZero = largest < SMALLEST;
    const inverse = f32x4.splat(isZero ? 0 : 127.0 / largest);
    const q0 = round8(x, inverse);
    const q1 = round8(x + 32, inverse);
    const q2 = round8(x + 64, inverse);
    const q3 = round8(x + 96, inverse);
    storeSteps(target + apart, q0, q1, q2, q3, forBytes, apart);
    const scale: f32 = largest >= LARGEST ? Infinity : (largest / 127.0) * ACTIVATION_REBIAS;
    const start = isWide ? startOf<i32>(q0, q1, q2, q3) : startOf<i16>(q0, q1, q2, q3);
    store<i32>(target, !ASC_FEATURE_RELAXED_SIMD && forBytes ? byteStartOf(q0, q1, q2, q3) : start);
    target += apart * (1 + ACTIVATION_STEPS_BYTES / 4);
    store<f32>(target, isZero ? 0 : scale);
    x += 128;
    target += apart;
  }
}

// @ts-ignore: decorator
@inline function headMax(x: usize, headSize: i32): f32 {
  let most = f32x4.splat(0);
  for (let end = x + ((<usize>headSize) << 2); x < end; x += 16) most = absMax(most, x);
  return maxLanes(most);
}

/**
 * One head's key or value for the int8 cache. Returns the scale.
 *   target   i8[headStride]; what lies behind headSize is set to zero
 *   x        f32[headSize], 16-byte aligned
 */
export function quantizeHead(target: usize, x: usize, headSize: i32, headStride: i32): f32 {
  assert(headSize % 4 == 0 && headStride >= headSize); // whole vectors are read
  const largest = headMax(x, headSize);
  const isZero = largest < SMALLEST;
  const inverse: f32 = isZero ? 0 : 127.0 / largest;
  const factor = f32x4.splat(inverse);
  for (let i: usize = 0; i < <usize>headSize; i += 4) {
    const four = round4(x + (i << 2), factor);
    v128.store32_lane(target + i,
      v128.shuffle<i8>(four, four, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12), 0);
  }
  for (let i = headSize; i < headStride; i += 4) store<i32>(target + i, 0);
  return isZero ? 0 : largest / 127.0;
}

/**
 * One head's key for the int8 cache: either itself or its difference from the session's first key,
 * whichever is smaller. Keys have a large constant part (in slowly turning RoPE pairs), which says
 * nothing and would take most of the 8 bits. Returns the scale, negative (-0 too) for a difference.
 *   target      i8[headStride]; what lies behind headSize is set to zero
 *   x           f32[headSize], 16-byte aligned
 *   first       f32[headSize]: the first key, 16-byte aligned
 *   difference  f32[headSize]: scratch
 */
export function quantizeKey(
  target: usize, x: usize, first: usize, difference: usize, headSize: i32, headStride: i32,
): f32 {
  for (let i: usize = 0; i < (<usize>headSize) << 2; i += 16) {
    v128.store(difference + i, f32x4.sub(v128.load(x + i), v128.load(first + i)));
  }
  const isNear = headMax(difference, headSize) < headMax(x, headSize);
  if (isNear) return -quantizeHead(target, difference, headSize, headStride);
  return quantizeHead(target, x, headSize, headStride);
}

/**
 * One head's query, as i16[headStride] with 16-bit precision, which the products with the keys have
 * room for: 256 numbers of 32767 · 127 stay below 2^31.
 */
export function quantizeQuery(target: usize, x: usize, headSize: i32, headStride: i32): f32 {
  const largest = headMax(x, headSize);
  const isZero = largest < SMALLEST;
  const inverse: f32 = isZero ? 0 : 32767.0 / largest;
  const factor = f32x4.splat(inverse);
  for (let i: usize = 0; i < <usize>headSize; i += 4) {
    const four = round4(x + (i << 2), factor);
    v128.store64_lane(target + (i << 1),
      v128.shuffle<i16>(four, four, 0, 2, 4, 6, 0, 2, 4, 6), 0);
  }
  for (let i = headSize; i < headStride; i += 4) store<i64>(target + ((<usize>i) << 1), 0);
  return isZero ? 0 : largest / 32767.0;
}
