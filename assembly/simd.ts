// The few SIMD idioms that every kernel shares, each in one fixed order.
// Knows nothing of layouts larger than one vector, nor of memory plans.
//
// The strict and the relaxed build come from one source, and part here and in the layouts of
// blocks.ts: activation rows, and a bit of each packed word. Only the relaxed one has a known
// answer (known.ts) and a form to choose (sums.ts). Both sum the same integers exactly, so no
// output can change with the build.

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

// Products with nibbles. The strict build multiplies pairs of 16-bit numbers into 32-bit sums, and
// needs no masks: a word of four nibbles is shifted down by 0, 4, 8 and 12 bits, keeping its sign,
// and what stands above the nibble that is meant, 16 × the word after the next shift, is made up
// for by activations that have 16 × the one before taken off (at most 17 · 127). That is exact:
//
//   n_i = (w >> 4i) - 16 (w >> 4i+4), n_3 = w >> 12      x_-1 = 0
//   Σ n_i · x_i = Σ (w >> 4i) · (x_i - 16 · x_{i-1})
//
// The words' top bits are turned (blocks.ts), so that n_3 is 8 less than the nibble.
//
// The relaxed build multiplies bytes, since a nibble, 0..15, is a sound 7-bit operand on every
// engine, and has two forms that give the same integers. S says which, as the type that sums are
// held in, and is known when a kernel is compiled:
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
 * stands for 8 less than it says; but for those of top nibbles, where the words' sign says so. `q0`
 * holds the first eight as 16-bit integers, and so on.
 */
// @ts-ignore: decorator
@inline export function startOf<S>(q0: v128, q1: v128, q2: v128, q3: v128): i32 {
  const ones = i16x8.splat(1);
  let upper = i16x8.add(q2, q3);
  if (!ASC_FEATURE_RELAXED_SIMD) upper = v128.and(upper, i32x4.splat(0xffff));
  const sums = i32x4.dot_i16x8_s(i16x8.add(i16x8.add(q0, q1), upper), ones);
  const even = i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 2);
  const odd = i32x4.extract_lane(sums, 1) + i32x4.extract_lane(sums, 3);
  if (sizeof<S>() == 4) return (even + odd) * -8;
  return (even * -8 & 0xffff) | (odd * -8) << 16;
}

/** What `dotNibbles` wants to be handed: kernels load it once. */
// @ts-ignore: decorator
@inline export function nibbleMask(): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? v128.load(NIBBLE_MASK) : i32x4.splat(0);
}

/**
 * One vector of packed nibbles (blocks.ts) against the parts of activations that meet it: every
 * lane is a row, and gains the sum of eight products. `mask` is `nibbleMask`.
 */
// @ts-ignore: decorator
@inline export function dotNibbles<S>(
  accumulator: v128, w: v128, p0: v128, p1: v128, p2: v128, p3: v128, mask: v128,
): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    const first = dotPanel<S>(accumulator, v128.and(w, mask), p0);
    return dotPanel<S>(first, v128.and(i16x8.shr_u(w, 4), mask), p1);
  }
  const first = dotPairs(dotPairs(accumulator, w, p0), i16x8.shr_s(w, 4), p1);
  return dotPairs(dotPairs(first, i16x8.shr_s(w, 8), p2), i16x8.shr_s(w, 12), p3);
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
@inline export function widenNibbles(panel: usize, w: v128, mask: v128): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    v128.store(panel, v128.and(w, mask));
    v128.store(panel, v128.and(i16x8.shr_u(w, 4), mask), 32);
    return;
  }
  v128.store(panel, w);
  v128.store(panel, i16x8.shr_s(w, 4), 32);
  v128.store(panel, i16x8.shr_s(w, 8), 64);
  v128.store(panel, i16x8.shr_s(w, 12), 96);
}

/** One vector of a panel against the part that meets it. */
// @ts-ignore: decorator
@inline export function dotPanel<S>(accumulator: v128, w: v128, part: v128): v128 {
  if (!ASC_FEATURE_RELAXED_SIMD) return dotPairs(accumulator, w, part);
  if (sizeof<S>() == 4) return i32x4.relaxed_dot_i8x16_i7x16_add_s(part, w, accumulator);
  return i16x8.add(accumulator, i16x8.relaxed_dot_i8x16_i7x16_s(part, w));
}

// Products with bytes, always of 16-bit pairs: eight bits of weight and eight of activation are one
// bit too many for the relaxed instruction, and splitting either costs more than it saves. All sums
// carry 256 ×. The strict build takes only the even byte, which has no sign there, out of its word,
// whose activation makes up for what the whole word brings along (|256 a - b| stays below 2^15):
//
//   w = even + 256 · odd     256 (even · a + odd · b)  =  w · b + even · (256 · a - b)

/** Where the sums of a group begin. */
// @ts-ignore: decorator
@inline export function loadByteStart(x: usize): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? i32x4.splat(0) : v128.load32_splat(x);
}

/** That number: -128 · 256 · (sum of what meets even bytes), since these say 128 more. */
// @ts-ignore: decorator
@inline export function byteStartOf(q0: v128, q1: v128, q2: v128, q3: v128): i32 {
  const four = i16x8.add(i16x8.add(q0, q1), i16x8.add(q2, q3));
  const sums = i32x4.dot_i16x8_s(four, i32x4.splat(1));
  return (i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1)
    + i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3)) * -32768;
}

/** The activations that meet the even bytes of a Q8 vector: the first or second part of a step. */
// @ts-ignore: decorator
@inline export function loadEven(part: usize): v128 {
  const both = v128.load32_splat(part);
  return ASC_FEATURE_RELAXED_SIMD ? i16x8.shr_s(i16x8.shl(both, 8), 8) : both;
}

/** The same for the odd bytes, where parts lie `apart` bytes from one another. */
// @ts-ignore: decorator
@inline export function loadOdd(part: usize, apart: usize): v128 {
  if (!ASC_FEATURE_RELAXED_SIMD) return v128.load32_splat(part + apart * 2);
  return i16x8.shr_s(v128.load32_splat(part), 8);
}

/**
 * One vector of packed bytes (blocks.ts) against the activations that meet it: every lane gains
 * 256 × the sum of four products. `mask` is what BYTE_MASK holds. The relaxed build keeps bytes in
 * the upper half of their 16 bits, which keeps the sign without a second shift.
 */
// @ts-ignore: decorator
@inline export function dotBytes(
  accumulator: v128, w: v128, even: v128, odd: v128, mask: v128,
): v128 {
  const masked = v128.and(w, mask);
  if (!ASC_FEATURE_RELAXED_SIMD) return dotPairs(dotPairs(accumulator, masked, even), w, odd);
  return dotPairs(dotPairs(accumulator, i16x8.shl(w, 8), even), masked, odd);
}

/** A vector of packed bytes, taken apart: what meets `loadEven`, then what meets `loadOdd`. */
// @ts-ignore: decorator
@inline export function widenBytes(panel: usize, w: v128, mask: v128): void {
  const masked = v128.and(w, mask);
  v128.store(panel, ASC_FEATURE_RELAXED_SIMD ? i16x8.shl(w, 8) : masked);
  v128.store(panel, ASC_FEATURE_RELAXED_SIMD ? masked : w, 32);
}

/** Four words, `apart` bytes from one to the next. */
// @ts-ignore: decorator
@inline function storeWords(target: usize, words: v128, apart: usize): void {
  if (apart == 4) return v128.store(target, words);
  v128.store_lane<u32>(target, words, 0);
  v128.store_lane<u32>(target + apart, words, 1);
  v128.store_lane<u32>(target + apart * 2, words, 2);
  v128.store_lane<u32>(target + apart * 3, words, 3);
}

/**
 * Stores 32 numbers as the steps of an activation group (blocks.ts), for nibbles or for bytes: `q0`
 * holds the first eight as 16-bit integers, and so on. Words lie `apart` bytes from one another.
 */
// @ts-ignore: decorator
@inline export function storeSteps(
  target: usize, q0: v128, q1: v128, q2: v128, q3: v128, forBytes: bool, apart: usize,
): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    const low = i8x16.narrow_i16x8_s(q0, q1);
    const high = i8x16.narrow_i16x8_s(q2, q3);
    storeWords(target, v128.shuffle<i32>(low, high, 0, 4, 1, 5), apart);
    storeWords(target + apart * 4, v128.shuffle<i32>(low, high, 2, 6, 3, 7), apart);
    return;
  }
  storePairs(target, q0, q2, forBytes, apart);
  storePairs(target + apart * 8, q1, q3, forBytes, apart);
}

/** Two steps of four pairs: even elements of four of `a`, those of `b`, odd ones, those of `b`. */
// @ts-ignore: decorator
@inline function storePairs(
  target: usize, a: v128, b: v128, forBytes: bool, apart: usize,
): void {
  // Nibbles: in a word, an element of b follows its a, and the next element of a follows that.
  const x = forBytes ? byteParts(a) : i16x8.sub(a, i16x8.shl(i32x4.shl(b, 16), 4));
  const y = forBytes ? byteParts(b) : i16x8.sub(b, i16x8.shl(a, 4));
  storeWords(target, v128.shuffle<i16>(x, y, 0, 2, 8, 10, 1, 3, 9, 11), apart);
  storeWords(target + apart * 4, v128.shuffle<i16>(x, y, 4, 6, 12, 14, 5, 7, 13, 15), apart);
}

/** Even elements 256 times, less the odd ones behind them; odd ones as they are. */
// @ts-ignore: decorator
@inline function byteParts(a: v128): v128 {
  const even = i16x8.sub(i16x8.shl(a, 8), i32x4.shr_u(a, 16));
  return v128.bitselect(even, a, i32x4.splat(0xffff));
}

// Constants, each repeated to a vector: engines rebuild one that is spelled at every use, so
// kernels load them once.

/** The low nibble of each byte. */
const NIBBLE_MASK: usize = memory.data<u16>([
  0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f,
], 16);

/** What `endNibbles` wants. */
export const ONES: usize = memory.data<u16>([1, 1, 1, 1, 1, 1, 1, 1], 16);

/** What `loadHalfScales` wants: the bits of an f32 that come from an f16. */
export const HALF_MASK: usize = memory.data<u32>(
  [0x8fffe000, 0x8fffe000, 0x8fffe000, 0x8fffe000], 16);

const BYTE: u16 = ASC_FEATURE_RELAXED_SIMD ? 0xff00 : 0x00ff;
/** The byte of each word that `dotBytes` takes out of it with a mask. */
export const BYTE_MASK: usize = memory.data<u16>(
  [BYTE, BYTE, BYTE, BYTE, BYTE, BYTE, BYTE, BYTE], 16);

/** Four f16 numbers as f32 times 2^-112 (callers fold 2^112 back in): exact, subnormals too. */
// @ts-ignore: decorator
@inline export function loadHalfScales(address: usize, mask: v128): v128 {
  return v128.and(i32x4.shl(v128.load16x4_s(address), 13), mask);
}
