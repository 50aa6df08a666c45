// Matrix times several vectors on the same packed layout as matvec.ts, with the same numbers: a
// row's result never depends on its neighbours. Two bands at a time are unpacked into a panel, side
// by side, which stays in the first cache while all vectors pass it, four at a time.
//
//   outs[v]     address of vector v's result, f32[rows padded to 4]
//   x           activation rows by fours (blocks.ts), each four 4 · `xStride` bytes behind the last
//   panel       scratch, `panelBytes`
//   from, to    which pairs of bands

import {
  ACTIVATION_SCALE_BYTES, ACTIVATION_STEPS_BYTES, ACTIVATION_STEP_BYTES, Q4_BAND_BYTES,
  Q8_BAND_BYTES, Q8_PANEL_BYTES, Q8_RESULT_SCALE, RESULT_SCALE, SCALE_BAND_BYTES, START_BYTES,
} from "../blocks";
import {
  BYTE_MASK, HALF_MASK, ONES, dotPairs, dotPanel, endNibbles, loadByteStart, loadEven,
  loadHalfScales, loadOdd, nibbleMask, sumsAreWide, widenBytes, widenNibbles,
} from "../simd";

/** Vectors of a tile, whose activations lie word by word in turn. */
const FOUR: usize = 4;

/** Pairs of bands. */
export function matmulUnits(bands: i32): i32 {
  return (bands + 1) >> 1;
}

/** Bytes of the panel for rows of so many columns. */
export function panelBytes(columns: i32): usize {
  return (<usize>columns >> 5) * Q8_PANEL_BYTES * 2;
}

// @ts-ignore: decorator
@inline function addGroup(total: v128, scale: v128, xScale: v128, sums: v128): v128 {
  const factor = f32x4.mul(scale, xScale);
  return f32x4.add(total, f32x4.mul(factor, f32x4.convert_i32x4_s(sums)));
}

/**
 * Reads from the lines of what is unpacked next, 128 or 256 bytes, so that they come into the
 * cache: memory has nothing else to do while a tile computes. Returns what comes behind.
 * (WebAssembly has no prefetch, and engines keep a load whose value nobody wants: it might trap.)
 */
// @ts-ignore: decorator
@inline function touch(at: usize, bytes: usize): usize {
  load<i32>(at);
  load<i32>(at, 64);
  if (bytes > 128) {
    load<i32>(at, 128);
    load<i32>(at, 192);
  }
  return at + bytes;
}

/**
 * Where the n-th of a tile's vectors wants its results. Those that are missing have the place of
 * the last that is there; they are stored before it.
 */
// @ts-ignore: decorator
@inline function placeOf(outs: usize, n: i32, rows: i32): usize {
  return load<usize>(outs + ((<usize>min<i32>(n, rows - 1)) << 2));
}

/** One vector's results for two bands, `step` bytes apart. */
// @ts-ignore: decorator
@inline function storeTotals(
  out: usize, step: usize, first: v128, second: v128, scale: f32,
): void {
  const result = f32x4.splat(scale);
  v128.store(out, f32x4.mul(first, result));
  v128.store(out + step, f32x4.mul(second, result));
}

/** Q4 weights. */
export function matmulQ4(
  outs: usize, x: usize, xStride: usize, vectors: i32,
  quants: usize, scales: usize, bands: i32, groups: i32, panel: usize, from: i32, to: i32,
): void {
  if (sumsAreWide()) {
    unitsQ4<i32>(outs, x, xStride, vectors, quants, scales, bands, groups, panel, from, to);
  } else {
    unitsQ4<i16>(outs, x, xStride, vectors, quants, scales, bands, groups, panel, from, to);
  }
}

/** The same with sums of the type S (simd.ts). */
function unitsQ4<S>(
  outs: usize, x: usize, xStride: usize, vectors: i32,
  quants: usize, scales: usize, bands: i32, groups: i32, panel: usize, from: i32, to: i32,
): void {
  const bandBytes = <usize>groups * Q4_BAND_BYTES;
  const scaleBytes = <usize>groups * SCALE_BAND_BYTES;
  for (let unit = from; unit < to; unit++) {
    const band = <usize>unit << 1;
    // The last of an odd number of bands is its own partner: it is computed twice, the same.
    const partner: usize = unit * 2 + 1 < bands ? 1 : 0;
    const first = quants + band * bandBytes;
    const next = first + (bandBytes << 1);
    const hasNext = unit + 1 < to && unit * 2 + 3 < bands; // two whole bands
    unpackQ4(panel, first, bandBytes);
    unpackQ4(panel + 16, first + partner * bandBytes, bandBytes);
    for (let v: i32 = 0; v < vectors; v += 4) {
      const rows = min<i32>(4, vectors - v);
      const ahead = v == 0 && hasNext ? next : panel; // which is there anyway
      tileQ4<S>(outs + ((<usize>v) << 2), band << 4, partner << 4, x + <usize>v * xStride, rows,
        panel, scales + band * scaleBytes, partner * scaleBytes, groups, ahead);
    }
  }
}

/** One band of the panel's two: every other vector. */
function unpackQ4(panel: usize, quants: usize, bytes: usize): void {
  const mask = nibbleMask();
  for (const end = quants + bytes; quants < end; quants += 16) {
    widenNibbles(panel, v128.load(quants), mask);
    panel += ACTIVATION_STEP_BYTES * 8;
  }
}

/**
 * Two bands by up to four vectors; results go `at` bytes behind their beginnings. Of what lies
 * `ahead` as much as two bands is touched meanwhile.
 */
function tileQ4<S>(
  outs: usize, at: usize, step: usize, x: usize, rows: i32,
  w: usize, s0: usize, sStep: usize, groups: i32, ahead: usize,
): void {
  let t00 = f32x4.splat(0);
  let t01 = f32x4.splat(0);
  let t02 = f32x4.splat(0);
  let t03 = f32x4.splat(0);
  let t10 = f32x4.splat(0);
  let t11 = f32x4.splat(0);
  let t12 = f32x4.splat(0);
  let t13 = f32x4.splat(0);
  for (const end = s0 + <usize>groups * SCALE_BAND_BYTES; s0 < end; s0 += SCALE_BAND_BYTES) {
    let a00 = v128.load32_splat(x);
    let a01 = v128.load32_splat(x, 4);
    let a02 = v128.load32_splat(x, 8);
    let a03 = v128.load32_splat(x, 12);
    let a10 = a00;
    let a11 = a01;
    let a12 = a02;
    let a13 = a03;
    x += FOUR * START_BYTES;
    for (const stop = x + FOUR * ACTIVATION_STEPS_BYTES; x < stop; x += FOUR * 4) {
      const u = v128.load(w);
      const v = v128.load(w, 16);
      const p0 = v128.load32_splat(x);
      a00 = dotPanel<S>(a00, u, p0);
      a10 = dotPanel<S>(a10, v, p0);
      const p1 = v128.load32_splat(x, 4);
      a01 = dotPanel<S>(a01, u, p1);
      a11 = dotPanel<S>(a11, v, p1);
      const p2 = v128.load32_splat(x, 8);
      a02 = dotPanel<S>(a02, u, p2);
      a12 = dotPanel<S>(a12, v, p2);
      const p3 = v128.load32_splat(x, 12);
      a03 = dotPanel<S>(a03, u, p3);
      a13 = dotPanel<S>(a13, v, p3);
      w += 32;
    }
    ahead = touch(ahead, Q4_BAND_BYTES * 2);
    const ones = v128.load(ONES);
    const halves = v128.load(HALF_MASK);
    const e = loadHalfScales(s0, halves);
    const f = loadHalfScales(s0 + sStep, halves);
    t00 = addGroup(t00, e, v128.load32_splat(x), endNibbles<S>(a00, ones));
    t10 = addGroup(t10, f, v128.load32_splat(x), endNibbles<S>(a10, ones));
    t01 = addGroup(t01, e, v128.load32_splat(x, 4), endNibbles<S>(a01, ones));
    t11 = addGroup(t11, f, v128.load32_splat(x, 4), endNibbles<S>(a11, ones));
    t02 = addGroup(t02, e, v128.load32_splat(x, 8), endNibbles<S>(a02, ones));
    t12 = addGroup(t12, f, v128.load32_splat(x, 8), endNibbles<S>(a12, ones));
    t03 = addGroup(t03, e, v128.load32_splat(x, 12), endNibbles<S>(a03, ones));
    t13 = addGroup(t13, f, v128.load32_splat(x, 12), endNibbles<S>(a13, ones));
    x += FOUR * ACTIVATION_SCALE_BYTES;
  }
  storeTotals(placeOf(outs, 3, rows) + at, step, t03, t13, RESULT_SCALE);
  storeTotals(placeOf(outs, 2, rows) + at, step, t02, t12, RESULT_SCALE);
  storeTotals(placeOf(outs, 1, rows) + at, step, t01, t11, RESULT_SCALE);
  storeTotals(placeOf(outs, 0, rows) + at, step, t00, t10, RESULT_SCALE);
}

/** Q8 weights, otherwise as `matmulQ4`. */
export function matmulQ8(
  outs: usize, x: usize, xStride: usize, vectors: i32,
  quants: usize, scales: usize, bands: i32, groups: i32, panel: usize, from: i32, to: i32,
): void {
  const bandBytes = <usize>groups * Q8_BAND_BYTES;
  const scaleBytes = <usize>groups * SCALE_BAND_BYTES;
  for (let unit = from; unit < to; unit++) {
    const band = <usize>unit << 1;
    const partner: usize = unit * 2 + 1 < bands ? 1 : 0;
    const first = quants + band * bandBytes;
    const next = first + (bandBytes << 1);
    const hasNext = unit + 1 < to && unit * 2 + 3 < bands; // two whole bands
    unpackQ8(panel, first, bandBytes);
    unpackQ8(panel + 16, first + partner * bandBytes, bandBytes);
    for (let v: i32 = 0; v < vectors; v += 4) {
      const rows = min<i32>(4, vectors - v);
      const ahead = v == 0 && hasNext ? next : panel; // which is there anyway
      tileQ8(outs + ((<usize>v) << 2), band << 4, partner << 4, x + <usize>v * xStride, rows,
        panel, scales + band * scaleBytes, partner * scaleBytes, groups, ahead);
    }
  }
}

/** The two halves of a group in turn, as a step of activations holds them. */
function unpackQ8(panel: usize, quants: usize, bytes: usize): void {
  const mask = v128.load(BYTE_MASK);
  for (const end = quants + bytes; quants < end; quants += Q8_BAND_BYTES) {
    for (let j: usize = 0; j < 64; j += 16) {
      widenBytes(panel, v128.load(quants + j), mask);
      widenBytes(panel + 64, v128.load(quants + j, 64), mask);
      panel += 128;
    }
  }
}

function tileQ8(
  outs: usize, at: usize, step: usize, x: usize, rows: i32,
  w: usize, s0: usize, sStep: usize, groups: i32, ahead: usize,
): void {
  let t00 = f32x4.splat(0);
  let t01 = f32x4.splat(0);
  let t02 = f32x4.splat(0);
  let t03 = f32x4.splat(0);
  let t10 = f32x4.splat(0);
  let t11 = f32x4.splat(0);
  let t12 = f32x4.splat(0);
  let t13 = f32x4.splat(0);
  for (const end = s0 + <usize>groups * SCALE_BAND_BYTES; s0 < end; s0 += SCALE_BAND_BYTES) {
    let a00 = loadByteStart(x);
    let a01 = loadByteStart(x + 4);
    let a02 = loadByteStart(x + 8);
    let a03 = loadByteStart(x + 12);
    let a10 = a00;
    let a11 = a01;
    let a12 = a02;
    let a13 = a03;
    x += FOUR * START_BYTES;
    let half = false;
    for (const stop = w + Q8_PANEL_BYTES * 2; w < stop; w += 64) {
      const u0 = v128.load(w);
      const v0 = v128.load(w, 16);
      const u1 = v128.load(w, 32);
      const v1 = v128.load(w, 48);
      let even = loadEven(x);
      let odd = loadOdd(x, FOUR * 4);
      a00 = dotPairs(dotPairs(a00, u0, even), u1, odd);
      a10 = dotPairs(dotPairs(a10, v0, even), v1, odd);
      even = loadEven(x + 4);
      odd = loadOdd(x + 4, FOUR * 4);
      a01 = dotPairs(dotPairs(a01, u0, even), u1, odd);
      a11 = dotPairs(dotPairs(a11, v0, even), v1, odd);
      even = loadEven(x + 8);
      odd = loadOdd(x + 8, FOUR * 4);
      a02 = dotPairs(dotPairs(a02, u0, even), u1, odd);
      a12 = dotPairs(dotPairs(a12, v0, even), v1, odd);
      even = loadEven(x + 12);
      odd = loadOdd(x + 12, FOUR * 4);
      a03 = dotPairs(dotPairs(a03, u0, even), u1, odd);
      a13 = dotPairs(dotPairs(a13, v0, even), v1, odd);
      // The second half's parts follow those of the first, for even bytes and then for odd ones.
      x += !ASC_FEATURE_RELAXED_SIMD && half ? FOUR * 12 : FOUR * 4;
      half = !half;
    }
    ahead = touch(ahead, Q8_BAND_BYTES * 2);
    const halves = v128.load(HALF_MASK);
    const e = loadHalfScales(s0, halves);
    const f = loadHalfScales(s0 + sStep, halves);
    t00 = addGroup(t00, e, v128.load32_splat(x), a00);
    t10 = addGroup(t10, f, v128.load32_splat(x), a10);
    t01 = addGroup(t01, e, v128.load32_splat(x, 4), a01);
    t11 = addGroup(t11, f, v128.load32_splat(x, 4), a11);
    t02 = addGroup(t02, e, v128.load32_splat(x, 8), a02);
    t12 = addGroup(t12, f, v128.load32_splat(x, 8), a12);
    t03 = addGroup(t03, e, v128.load32_splat(x, 12), a03);
    t13 = addGroup(t13, f, v128.load32_splat(x, 12), a13);
    x += FOUR * ACTIVATION_SCALE_BYTES;
  }
  storeTotals(placeOf(outs, 3, rows) + at, step, t03, t13, Q8_RESULT_SCALE);
  storeTotals(placeOf(outs, 2, rows) + at, step, t02, t12, Q8_RESULT_SCALE);
  storeTotals(placeOf(outs, 1, rows) + at, step, t01, t11, Q8_RESULT_SCALE);
  storeTotals(placeOf(outs, 0, rows) + at, step, t00, t10, Q8_RESULT_SCALE);
}
