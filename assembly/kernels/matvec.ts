// Matrix times one vector, for each packed type. The whole cost of writing a token lies here: the
// weights are read once, front to back, from four places of the matrix at a time. One stream does
// not keep the memory busy, and what is done once for all places costs each of them less; more than
// four gained nothing in whole tokens.
//
//   out[r] = Σ over groups, ascending, of (scale_w · scale_x) · (integer sum of the group)
//
//   out        f32[rows padded to 4]
//   bands      rows / 4, rounded up
//   groups     columns / 32
//   from, to   which units: a unit is four bands, one from each quarter of the matrix, or one that
//              is left over when the bands do not divide by four

import {
  ACTIVATION_SCALE_BYTES, ACTIVATION_STEPS_BYTES, ACTIVATION_STEP_BYTES, Q4_BAND_BYTES,
  Q8_BAND_BYTES, Q8_RESULT_SCALE, RESULT_SCALE, SCALE_BAND_BYTES, START_BYTES,
} from "../blocks";
import {
  BYTE_MASK, HALF_MASK, ONES, dotBytes, dotNibbles, endNibbles, loadByteStart, loadEven,
  loadHalfScales, loadOdd, loadPart, nibbleMask, sumLanes, sumsAreWide,
} from "../simd";

/** Places of the matrix that are read at a time. */
const PLACES: i32 = 4;

/** Units of a matrix of so many bands. */
export function matvecUnits(bands: i32): i32 {
  return bands / PLACES + bands % PLACES;
}

/** The first band of a unit. */
// @ts-ignore: decorator
@inline function bandOf(unit: i32, quarter: i32): usize {
  return <usize>(unit < quarter ? unit : quarter * (PLACES - 1) + unit);
}

/** Adds one group: total + (scale_w · scale_x) · sums. */
// @ts-ignore: decorator
@inline function addGroup(
  total: v128, scales: usize, scale: v128, sums: v128, mask: v128,
): v128 {
  const factor = f32x4.mul(loadHalfScales(scales, mask), scale);
  return f32x4.add(total, f32x4.mul(factor, f32x4.convert_i32x4_s(sums)));
}

/** Q4 weights: x is an activation row (blocks.ts), quants and scales the packed matrix. */
export function matvecQ4(
  out: usize, x: usize, quants: usize, scales: usize, bands: i32, groups: i32,
  from: i32, to: i32,
): void {
  assert(((out | x | quants) & 15) == 0);
  if (sumsAreWide()) unitsQ4<i32>(out, x, quants, scales, bands, groups, from, to);
  else unitsQ4<i16>(out, x, quants, scales, bands, groups, from, to);
}

/** The same with sums of the type S (simd.ts). */
function unitsQ4<S>(
  out: usize, x: usize, quants: usize, scales: usize, bands: i32, groups: i32,
  from: i32, to: i32,
): void {
  const quarter = bands / PLACES;
  for (let unit = from; unit < to; unit++) {
    const band = bandOf(unit, quarter);
    const w = quants + band * <usize>groups * Q4_BAND_BYTES;
    const s = scales + band * <usize>groups * SCALE_BAND_BYTES;
    if (unit < quarter) fourBandsQ4<S>(out + (band << 4), x, w, s, <usize>quarter, groups);
    else oneBandQ4<S>(out + (band << 4), x, w, s, groups);
  }
}

/** Four bands, `apart` bands from one another. */
function fourBandsQ4<S>(
  out: usize, x: usize, w0: usize, s0: usize, apart: usize, groups: i32,
): void {
  const mask = nibbleMask();
  const ones = v128.load(ONES);
  const halves = v128.load(HALF_MASK);
  const step = apart * <usize>groups * Q4_BAND_BYTES;
  const w1 = w0 + step;
  const w2 = w1 + step;
  const w3 = w2 + step;
  const scaleStep = apart * <usize>groups * SCALE_BAND_BYTES;
  let t0 = f32x4.splat(0);
  let t1 = f32x4.splat(0);
  let t2 = f32x4.splat(0);
  let t3 = f32x4.splat(0);
  const end = <usize>groups * Q4_BAND_BYTES;
  for (let at: usize = 0; at < end; at += Q4_BAND_BYTES) {
    let a0 = v128.load32_splat(x);
    x += START_BYTES;
    let a1 = a0;
    let a2 = a0;
    let a3 = a0;
    for (let j: usize = at; j < at + Q4_BAND_BYTES; j += 16) {
      const p0 = loadPart(x, 0);
      const p1 = loadPart(x, 1);
      const p2 = loadPart(x, 2);
      const p3 = loadPart(x, 3);
      a0 = dotNibbles<S>(a0, v128.load(w0 + j), p0, p1, p2, p3, mask);
      a1 = dotNibbles<S>(a1, v128.load(w1 + j), p0, p1, p2, p3, mask);
      a2 = dotNibbles<S>(a2, v128.load(w2 + j), p0, p1, p2, p3, mask);
      a3 = dotNibbles<S>(a3, v128.load(w3 + j), p0, p1, p2, p3, mask);
      x += ACTIVATION_STEP_BYTES;
    }
    const scale = v128.load32_splat(x);
    let s = s0 + (at >> 3);
    t0 = addGroup(t0, s, scale, endNibbles<S>(a0, ones), halves);
    s += scaleStep;
    t1 = addGroup(t1, s, scale, endNibbles<S>(a1, ones), halves);
    s += scaleStep;
    t2 = addGroup(t2, s, scale, endNibbles<S>(a2, ones), halves);
    s += scaleStep;
    t3 = addGroup(t3, s, scale, endNibbles<S>(a3, ones), halves);
    x += ACTIVATION_SCALE_BYTES;
  }
  const result = f32x4.splat(RESULT_SCALE);
  const outStep = apart << 4;
  v128.store(out, f32x4.mul(t0, result));
  v128.store(out + outStep, f32x4.mul(t1, result));
  v128.store(out + outStep * 2, f32x4.mul(t2, result));
  v128.store(out + outStep * 3, f32x4.mul(t3, result));
}

/** One band: what is left over when the bands do not divide by four. */
function oneBandQ4<S>(out: usize, x: usize, w: usize, scales: usize, groups: i32): void {
  const mask = nibbleMask();
  const ones = v128.load(ONES);
  const halves = v128.load(HALF_MASK);
  let total = f32x4.splat(0);
  const end = <usize>groups * Q4_BAND_BYTES;
  for (let at: usize = 0; at < end; at += Q4_BAND_BYTES) {
    let sums = v128.load32_splat(x);
    x += START_BYTES;
    for (let j: usize = at; j < at + Q4_BAND_BYTES; j += 16) {
      sums = dotNibbles<S>(sums, v128.load(w + j),
        loadPart(x, 0), loadPart(x, 1), loadPart(x, 2), loadPart(x, 3), mask);
      x += ACTIVATION_STEP_BYTES;
    }
    total = addGroup(total, scales + (at >> 3), v128.load32_splat(x),
      endNibbles<S>(sums, ones), halves);
    x += ACTIVATION_SCALE_BYTES;
  }
  v128.store(out, f32x4.mul(total, f32x4.splat(RESULT_SCALE)));
}

/** Q8 weights, otherwise as `matvecQ4`. */
export function matvecQ8(
  out: usize, x: usize, quants: usize, scales: usize, bands: i32, groups: i32,
  from: i32, to: i32,
): void {
  assert(((out | x | quants) & 15) == 0);
  const quarter = bands / PLACES;
  for (let unit = from; unit < to; unit++) {
    const band = bandOf(unit, quarter);
    const w = quants + band * <usize>groups * Q8_BAND_BYTES;
    const s = scales + band * <usize>groups * SCALE_BAND_BYTES;
    if (unit < quarter) fourBandsQ8(out + (band << 4), x, w, s, <usize>quarter, groups);
    else oneBandQ8(out + (band << 4), x, w, s, groups);
  }
}

function fourBandsQ8(
  out: usize, x: usize, w0: usize, s0: usize, apart: usize, groups: i32,
): void {
  const mask = v128.load(BYTE_MASK);
  const halves = v128.load(HALF_MASK);
  const step = apart * <usize>groups * Q8_BAND_BYTES;
  const w1 = w0 + step;
  const w2 = w1 + step;
  const w3 = w2 + step;
  const scaleStep = apart * <usize>groups * SCALE_BAND_BYTES;
  let t0 = f32x4.splat(0);
  let t1 = f32x4.splat(0);
  let t2 = f32x4.splat(0);
  let t3 = f32x4.splat(0);
  const end = <usize>groups * Q8_BAND_BYTES;
  for (let at: usize = 0; at < end;) {
    let a0 = loadByteStart(x);
    let a1 = a0;
    let a2 = a0;
    let a3 = a0;
    x += START_BYTES;
    for (let half: usize = 0; half < 8; half += 4) {
      let p = x + half; // the first part for even bytes, or the second
      for (const stop = at + Q8_BAND_BYTES / 2; at < stop; at += 16) {
        const even = loadEven(p);
        const odd = loadOdd(p, 4);
        a0 = dotBytes(a0, v128.load(w0 + at), even, odd, mask);
        a1 = dotBytes(a1, v128.load(w1 + at), even, odd, mask);
        a2 = dotBytes(a2, v128.load(w2 + at), even, odd, mask);
        a3 = dotBytes(a3, v128.load(w3 + at), even, odd, mask);
        p += ACTIVATION_STEP_BYTES;
      }
    }
    x += ACTIVATION_STEPS_BYTES;
    const scale = v128.load32_splat(x);
    let s = s0 + (at >> 4) - SCALE_BAND_BYTES;
    t0 = addGroup(t0, s, scale, a0, halves);
    s += scaleStep;
    t1 = addGroup(t1, s, scale, a1, halves);
    s += scaleStep;
    t2 = addGroup(t2, s, scale, a2, halves);
    s += scaleStep;
    t3 = addGroup(t3, s, scale, a3, halves);
    x += ACTIVATION_SCALE_BYTES;
  }
  const result = f32x4.splat(Q8_RESULT_SCALE);
  const outStep = apart << 4;
  v128.store(out, f32x4.mul(t0, result));
  v128.store(out + outStep, f32x4.mul(t1, result));
  v128.store(out + outStep * 2, f32x4.mul(t2, result));
  v128.store(out + outStep * 3, f32x4.mul(t3, result));
}

function oneBandQ8(out: usize, x: usize, w: usize, scales: usize, groups: i32): void {
  const mask = v128.load(BYTE_MASK);
  const halves = v128.load(HALF_MASK);
  let total = f32x4.splat(0);
  for (const end = w + <usize>groups * Q8_BAND_BYTES; w < end;) {
    let sums = loadByteStart(x);
    x += START_BYTES;
    for (let half: usize = 0; half < 8; half += 4) {
      let p = x + half; // the first part for even bytes, or the second
      for (const stop = w + Q8_BAND_BYTES / 2; w < stop; w += 16) {
        sums = dotBytes(sums, v128.load(w), loadEven(p), loadOdd(p, 4), mask);
        p += ACTIVATION_STEP_BYTES;
      }
    }
    x += ACTIVATION_STEPS_BYTES;
    total = addGroup(total, scales, v128.load32_splat(x), sums, halves);
    x += ACTIVATION_SCALE_BYTES;
    scales += SCALE_BAND_BYTES;
  }
  v128.store(out, f32x4.mul(total, f32x4.splat(Q8_RESULT_SCALE)));
}

/** Columns of F32 that are summed by themselves: the longer a sum, the more its additions lose. */
// @ts-ignore: decorator
@inline const SUM_COLUMNS: usize = 96;

/**
 * F32 weights, nothing quantized: four lanes of partial sums over ascending columns, anew for every
 * SUM_COLUMNS, whose sums are added in order; then the normative lane sum.
 *   x         f32[stride], 16-byte aligned; what lies behind the real columns is zero
 *   weights   f32[4 · bands][stride]
 *   stride    columns rounded up to a multiple of 4
 *   from, to  which bands: here each one is a unit
 */
export function matvecF32(
  out: usize, x: usize, weights: usize, stride: i32, from: i32, to: i32,
): void {
  assert(stride % 4 == 0); // rows are padded to whole vectors
  const row = (<usize>stride) << 2;
  let w = weights + ((<usize>from) << 2) * row;
  const end = weights + ((<usize>to) << 2) * row;
  out += (<usize>from) << 4;
  while (w < end) {
    let t0 = f32x4.splat(0);
    let t1 = f32x4.splat(0);
    let t2 = f32x4.splat(0);
    let t3 = f32x4.splat(0);
    let i: usize = 0;
    while (i < row) {
      let s0 = f32x4.splat(0);
      let s1 = f32x4.splat(0);
      let s2 = f32x4.splat(0);
      let s3 = f32x4.splat(0);
      for (const stop = min<usize>(row, i + (SUM_COLUMNS << 2)); i < stop; i += 16) {
        const v = v128.load(x + i);
        const at = w + i;
        s0 = f32x4.add(s0, f32x4.mul(v, v128.load(at)));
        s1 = f32x4.add(s1, f32x4.mul(v, v128.load(at + row)));
        s2 = f32x4.add(s2, f32x4.mul(v, v128.load(at + row * 2)));
        s3 = f32x4.add(s3, f32x4.mul(v, v128.load(at + row * 3)));
      }
      t0 = f32x4.add(t0, s0);
      t1 = f32x4.add(t1, s1);
      t2 = f32x4.add(t2, s2);
      t3 = f32x4.add(t3, s3);
    }
    store<f32>(out, sumLanes(t0));
    store<f32>(out, sumLanes(t1), 4);
    store<f32>(out, sumLanes(t2), 8);
    store<f32>(out, sumLanes(t3), 12);
    w += row << 2;
    out += 16;
  }
}
