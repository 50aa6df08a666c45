// The few SIMD idioms that every kernel shares, each in one fixed order.
// Knows nothing of layouts larger than one vector, nor of memory plans.
//
// The strict and the relaxed build come from one source, and part here and in the layout of
// activation rows (blocks.ts); only the relaxed one has a known answer (known.ts) and a form to
// choose (sums.ts). Both sum the same integers exactly, so no output can change with the build.

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

// Products with nibbles. The strict build multiplies pairs of 16-bit numbers into 32-bit sums that
// carry 16 ×. The relaxed one multiplies bytes, since a nibble, 0..15, is a sound 7-bit operand on
// every engine, and has two forms that give the same integers. S says which, as the type that sums
// are held in, and is known when a kernel is compiled:
//
//   i16   two instructions on x86, four on arm64. What a lane gathers in a group, eight pairs of
//         products from their start on, ends within ±8 · 16 · 127 = 16,256; it may wrap on the way.
//   i32   one instruction where a processor sums products of four bytes at once (arm64 with dot
//         products, x86 with AVX-VNNI) and the engine knows it; five elsewhere, which is slower
//         (sums.ts chooses). The strict build's sums are of this type, too.

/** Not 0 where nibbles are summed in 32 bits. In memory, since all threads read it. */
const WIDE: usize = memory.data(4, 4);

/** Whether kernels are to take the form of 32-bit sums. */
// @ts-ignore: decorator
@inline export function sumsAreWide(): bool {
  return !ASC_FEATURE_RELAXED_SIMD || load<i32>(WIDE) != 0;
}

/** Chooses the form; activation rows that are packed already have starts of the other one. */
export function setWide(wide: bool): void {
  store<i32>(WIDE, wide);
}

/** One of the parts of an activation step that meet a vector of nibbles (blocks.ts). */
// @ts-ignore: decorator
@inline export function loadPart(step: usize, part: i32): v128 {
  if (ASC_FEATURE_RELAXED_SIMD && part > 1) return i32x4.splat(0); // there are only two
  return v128.load32_splat(step + (<usize>part << 2));
}

/**
 * Where the sums of a group begin (blocks.ts): -8 times the sum of its activations, since a nibble
 * stands for 8 less than it says. `sums` holds that of elements 0, 1, 8, 9, 16 ... in its first
 * lane, of 2, 3, 10, 11 ... in its second, and so on.
 */
// @ts-ignore: decorator
@inline export function startOf<S>(sums: v128): i32 {
  const even = i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 2);
  const odd = i32x4.extract_lane(sums, 1) + i32x4.extract_lane(sums, 3);
  if (!ASC_FEATURE_RELAXED_SIMD) return (even + odd) * -128;
  if (sizeof<S>() == 4) return (even + odd) * -8;
  return (even * -8 & 0xffff) | (odd * -8) << 16;
}

/**
 * One vector of packed nibbles (blocks.ts) against the parts of activations that meet it: every
 * lane is a row, and gains the sum of eight products.
 */
// @ts-ignore: decorator
@inline export function dotNibbles<S>(
  accumulator: v128, w: v128, p0: v128, p1: v128, p2: v128, p3: v128, low: v128, high: v128,
): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    const first = dotPanel<S>(accumulator, v128.and(w, low), p0);
    return dotPanel<S>(first, v128.and(i16x8.shr_u(w, 4), low), p1);
  }
  const even = dotPairs(dotPairs(accumulator, v128.and(w, low), p0), v128.and(w, high), p1);
  const odd = i16x8.shr_u(w, 8);
  return dotPairs(dotPairs(even, v128.and(odd, low), p2), v128.and(odd, high), p3);
}

/** The group's sums as four 32-bit numbers. `ones` holds 1 eight times. */
// @ts-ignore: decorator
@inline export function endNibbles<S>(sums: v128, ones: v128): v128 {
  return sizeof<S>() == 4 ? sums : i32x4.dot_i16x8_s(sums, ones);
}

/**
 * A vector of packed nibbles, taken apart once for many activation rows: a step of a panel, of
 * which every other vector is another band's.
 */
// @ts-ignore: decorator
@inline export function widenNibbles(panel: usize, w: v128, low: v128, high: v128): void {
  v128.store(panel, v128.and(w, low));
  if (ASC_FEATURE_RELAXED_SIMD) {
    v128.store(panel, v128.and(i16x8.shr_u(w, 4), low), 32);
    return;
  }
  const odd = i16x8.shr_u(w, 8);
  v128.store(panel, v128.and(w, high), 32);
  v128.store(panel, v128.and(odd, low), 64);
  v128.store(panel, v128.and(odd, high), 96);
}

/** One vector of a panel against the part that meets it. */
// @ts-ignore: decorator
@inline export function dotPanel<S>(accumulator: v128, w: v128, part: v128): v128 {
  if (!ASC_FEATURE_RELAXED_SIMD) return dotPairs(accumulator, w, part);
  if (sizeof<S>() == 4) return i32x4.relaxed_dot_i8x16_i7x16_add_s(part, w, accumulator);
  return i16x8.add(accumulator, i16x8.relaxed_dot_i8x16_i7x16_s(part, w));
}

// Products with bytes, always of 16-bit pairs: eight bits of weight and eight of activation are one
// bit too many for the relaxed instruction, and splitting either costs more than it saves.

/** The activations that meet the even bytes of a Q8 vector: of the step's first or second half. */
// @ts-ignore: decorator
@inline export function loadEven(step: usize, half: i32): v128 {
  const part = v128.load32_splat(step + (<usize>half << 2));
  return ASC_FEATURE_RELAXED_SIMD ? i16x8.shr_s(i16x8.shl(part, 8), 8) : part;
}

/** The same for the odd bytes. */
// @ts-ignore: decorator
@inline export function loadOdd(step: usize, half: i32): v128 {
  if (!ASC_FEATURE_RELAXED_SIMD) return v128.load32_splat(step + (<usize>half << 2), 8);
  return i16x8.shr_s(v128.load32_splat(step + (<usize>half << 2)), 8);
}

/**
 * One vector of packed bytes (blocks.ts) against the activations that meet it: every lane gains
 * 256 × the sum of four products. Bytes are kept in the upper half of their 16 bits, which keeps
 * the sign without a second shift.
 */
// @ts-ignore: decorator
@inline export function dotBytes(
  accumulator: v128, w: v128, even: v128, odd: v128, highByte: v128,
): v128 {
  return dotPairs(dotPairs(accumulator, i16x8.shl(w, 8), even), v128.and(w, highByte), odd);
}

/** Sums of the first half of a group of bytes, brought to the scale of the second, exactly. */
// @ts-ignore: decorator
@inline export function endHalf(sums: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? sums : i32x4.shr_s(sums, 4);
}

/** A vector of packed bytes of the given half, taken apart: even bytes, then odd ones. */
// @ts-ignore: decorator
@inline export function widenBytes(panel: usize, w: v128, half: i32): void {
  // Where activations of the first half carry 16, the weights of the second one do.
  const shift = !ASC_FEATURE_RELAXED_SIMD && half == 1 ? 4 : 8;
  v128.store(panel, i16x8.shr_s(i16x8.shl(w, 8), shift));
  v128.store(panel, i16x8.shl(i16x8.shr_s(w, 8), 8 - shift), 32);
}

/**
 * Stores 32 numbers as the steps of an activation group (blocks.ts): `q0` holds the first eight as
 * 16-bit integers, and so on.
 */
// @ts-ignore: decorator
@inline export function storeSteps(target: usize, q0: v128, q1: v128, q2: v128, q3: v128): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    const low = i8x16.narrow_i16x8_s(q0, q1);
    const high = i8x16.narrow_i16x8_s(q2, q3);
    v128.store(target, v128.shuffle<i32>(low, high, 0, 4, 1, 5));
    v128.store(target, v128.shuffle<i32>(low, high, 2, 6, 3, 7), 16);
    return;
  }
  storePairs(target, q0, q2);
  storePairs(target + 32, q1, q3);
}

/** Two steps of pairs: elements `a`, times 16, and `a + 16`. */
// @ts-ignore: decorator
@inline function storePairs(target: usize, a: v128, b: v128): void {
  const a16 = i16x8.shl(a, 4);
  v128.store(target, v128.shuffle<i16>(a16, b, 0, 2, 8, 10, 1, 3, 9, 11));
  v128.store(target, v128.shuffle<i16>(a16, b, 4, 6, 12, 14, 5, 7, 13, 15), 16);
}

const LOW: u16 = ASC_FEATURE_RELAXED_SIMD ? 0x0f0f : 0x000f;

// Constants, each repeated to a vector: engines rebuild one that is spelled at every use, so
// kernels load them once.

/** The masks that `dotNibbles` wants, the low one and the high one. */
export const NIBBLE_MASKS: usize = memory.data<u16>([
  LOW, LOW, LOW, LOW, LOW, LOW, LOW, LOW,
  0x00f0, 0x00f0, 0x00f0, 0x00f0, 0x00f0, 0x00f0, 0x00f0, 0x00f0,
], 16);

/** What `endNibbles` wants. */
export const ONES: usize = memory.data<u16>([1, 1, 1, 1, 1, 1, 1, 1], 16);

/** What `loadHalfScales` wants: the bits of an f32 that come from an f16. */
export const HALF_MASK: usize = memory.data<u32>(
  [0x8fffe000, 0x8fffe000, 0x8fffe000, 0x8fffe000], 16);

/** The mask that keeps the upper byte of each 16-bit word, eight times. */
export const HIGH_BYTE_MASK: usize = memory.data<u16>([
  0xff00, 0xff00, 0xff00, 0xff00, 0xff00, 0xff00, 0xff00, 0xff00,
], 16);

/** Four f16 numbers as f32 times 2^-112 (callers fold 2^112 back in): exact, subnormals too. */
// @ts-ignore: decorator
@inline export function loadHalfScales(address: usize, mask: v128): v128 {
  return v128.and(i32x4.shl(v128.load16x4_s(address), 13), mask);
}
