// Matrix times one vector, for each packed type. The whole cost of writing a token lies here: the
// weights are read once, front to back, from four places of the matrix at a time, because one
// stream alone does not keep the memory busy.
//
//   out[r] = Σ over groups, ascending, of (scale_w · scale_x) · (integer sum of the group)
//
//   out      f32[rows padded to 4]
//   bands    rows / 4, rounded up
//   groups   columns / 32

import {
  ACTIVATION_GROUP_BYTES, Q4_BAND_BYTES, Q4_RESULT_SCALE, Q8_BAND_BYTES, Q8_RESULT_SCALE,
  SCALE_BAND_BYTES,
} from "../blocks";
import {
  HIGH_BYTE_MASK, NIBBLE_MASKS, dotBytes, dotNibbles, loadHalfScales, sumLanes,
} from "../simd";

/** Adds one group: total + (scale_w · scale_x) · sums. */
// @ts-ignore: decorator
@inline function addGroup(total: v128, scales: usize, scale: v128, sums: v128): v128 {
  const factor = f32x4.mul(loadHalfScales(scales), scale);
  return f32x4.add(total, f32x4.mul(factor, f32x4.convert_i32x4_s(sums)));
}

/** Q4 weights: x is an activation row (blocks.ts), quants and scales the packed matrix. */
export function matvecQ4(
  out: usize, x: usize, quants: usize, scales: usize, bands: i32, groups: i32,
): void {
  assert(((out | x | quants) & 15) == 0);
  const stride = <usize>groups * Q4_BAND_BYTES;
  const quarter = <usize>(bands >> 2);
  for (let band: usize = 0; band < quarter; band++) {
    fourBandsQ4(out + (band << 4), x, quants + band * stride,
      scales + band * <usize>groups * SCALE_BAND_BYTES, quarter, groups);
  }
  for (let band = quarter << 2; band < <usize>bands; band++) {
    oneBandQ4(out + (band << 4), x, quants + band * stride,
      scales + band * <usize>groups * SCALE_BAND_BYTES, groups);
  }
}

/** Four bands, `apart` bands from one another. */
function fourBandsQ4(
  out: usize, x: usize, w0: usize, s0: usize, apart: usize, groups: i32,
): void {
  const low = v128.load(NIBBLE_MASKS);
  const high = v128.load(NIBBLE_MASKS, 16);
  const step = apart * <usize>groups * Q4_BAND_BYTES;
  const w1 = w0 + step;
  const w2 = w1 + step;
  const w3 = w2 + step;
  const scaleStep = apart * <usize>groups * SCALE_BAND_BYTES;
  const s1 = s0 + scaleStep;
  const s2 = s1 + scaleStep;
  const s3 = s2 + scaleStep;
  let xScales = x + <usize>groups * ACTIVATION_GROUP_BYTES;
  let t0 = f32x4.splat(0);
  let t1 = f32x4.splat(0);
  let t2 = f32x4.splat(0);
  let t3 = f32x4.splat(0);
  const end = <usize>groups * Q4_BAND_BYTES;
  for (let at: usize = 0; at < end; at += Q4_BAND_BYTES) {
    let a0 = v128.load32_splat(xScales + ((<usize>groups) << 2));
    let a1 = a0;
    let a2 = a0;
    let a3 = a0;
    for (let j: usize = at; j < at + Q4_BAND_BYTES; j += 16) {
      const p0 = v128.load32_splat(x + j);
      const p1 = v128.load32_splat(x + j, 4);
      const p2 = v128.load32_splat(x + j, 8);
      const p3 = v128.load32_splat(x + j, 12);
      a0 = dotNibbles(a0, v128.load(w0 + j), p0, p1, p2, p3, low, high);
      a1 = dotNibbles(a1, v128.load(w1 + j), p0, p1, p2, p3, low, high);
      a2 = dotNibbles(a2, v128.load(w2 + j), p0, p1, p2, p3, low, high);
      a3 = dotNibbles(a3, v128.load(w3 + j), p0, p1, p2, p3, low, high);
    }
    const scale = v128.load32_splat(xScales);
    const s = at >> 3;
    t0 = addGroup(t0, s0 + s, scale, a0);
    t1 = addGroup(t1, s1 + s, scale, a1);
    t2 = addGroup(t2, s2 + s, scale, a2);
    t3 = addGroup(t3, s3 + s, scale, a3);
    xScales += 4;
  }
  const result = f32x4.splat(Q4_RESULT_SCALE);
  const outStep = apart << 4;
  v128.store(out, f32x4.mul(t0, result));
  v128.store(out + outStep, f32x4.mul(t1, result));
  v128.store(out + outStep * 2, f32x4.mul(t2, result));
  v128.store(out + outStep * 3, f32x4.mul(t3, result));
}

/** One band: what is left over when the bands do not divide by four. */
function oneBandQ4(out: usize, x: usize, w: usize, scales: usize, groups: i32): void {
  const low = v128.load(NIBBLE_MASKS);
  const high = v128.load(NIBBLE_MASKS, 16);
  let xScales = x + <usize>groups * ACTIVATION_GROUP_BYTES;
  let total = f32x4.splat(0);
  const end = <usize>groups * Q4_BAND_BYTES;
  for (let at: usize = 0; at < end; at += Q4_BAND_BYTES) {
    let sums = v128.load32_splat(xScales + ((<usize>groups) << 2));
    for (let j: usize = at; j < at + Q4_BAND_BYTES; j += 16) {
      sums = dotNibbles(sums, v128.load(w + j),
        v128.load32_splat(x + j), v128.load32_splat(x + j, 4),
        v128.load32_splat(x + j, 8), v128.load32_splat(x + j, 12), low, high);
    }
    total = addGroup(total, scales + (at >> 3), v128.load32_splat(xScales), sums);
    xScales += 4;
  }
  v128.store(out, f32x4.mul(total, f32x4.splat(Q4_RESULT_SCALE)));
}

/** Q8 weights, otherwise as `matvecQ4`. */
export function matvecQ8(
  out: usize, x: usize, quants: usize, scales: usize, bands: i32, groups: i32,
): void {
  const stride = <usize>groups * Q8_BAND_BYTES;
  const quarter = <usize>(bands >> 2);
  for (let band: usize = 0; band < quarter; band++) {
    fourBandsQ8(out + (band << 4), x, quants + band * stride,
      scales + band * <usize>groups * SCALE_BAND_BYTES, quarter, groups);
  }
  for (let band = quarter << 2; band < <usize>bands; band++) {
    oneBandQ8(out + (band << 4), x, quants + band * stride,
      scales + band * <usize>groups * SCALE_BAND_BYTES, groups);
  }
}

/** Sums that have gathered 4096 × elements 0..15 are brought to 256 ×, exactly. */
// @ts-ignore: decorator
@inline function halfway(sums: v128): v128 {
  return i32x4.shr_s(sums, 4);
}

function fourBandsQ8(
  out: usize, x: usize, w0: usize, s0: usize, apart: usize, groups: i32,
): void {
  const mask = v128.load(HIGH_BYTE_MASK);
  const step = apart * <usize>groups * Q8_BAND_BYTES;
  const w1 = w0 + step;
  const w2 = w1 + step;
  const w3 = w2 + step;
  const scaleStep = apart * <usize>groups * SCALE_BAND_BYTES;
  let xScales = x + <usize>groups * ACTIVATION_GROUP_BYTES;
  let t0 = f32x4.splat(0);
  let t1 = f32x4.splat(0);
  let t2 = f32x4.splat(0);
  let t3 = f32x4.splat(0);
  const end = <usize>groups * Q8_BAND_BYTES;
  for (let at: usize = 0; at < end; at += Q8_BAND_BYTES) {
    let a0 = i32x4.splat(0);
    let a1 = a0;
    let a2 = a0;
    let a3 = a0;
    let xj = x + (at >> 1);
    for (let j: usize = at; j < at + 64; j += 16) {
      const p = v128.load32_splat(xj);
      const q = v128.load32_splat(xj, 8);
      a0 = dotBytes(a0, v128.load(w0 + j), p, q, mask);
      a1 = dotBytes(a1, v128.load(w1 + j), p, q, mask);
      a2 = dotBytes(a2, v128.load(w2 + j), p, q, mask);
      a3 = dotBytes(a3, v128.load(w3 + j), p, q, mask);
      xj += 16;
    }
    a0 = halfway(a0);
    a1 = halfway(a1);
    a2 = halfway(a2);
    a3 = halfway(a3);
    xj = x + (at >> 1);
    for (let j: usize = at + 64; j < at + 128; j += 16) {
      const p = v128.load32_splat(xj, 4);
      const q = v128.load32_splat(xj, 12);
      a0 = dotBytes(a0, v128.load(w0 + j), p, q, mask);
      a1 = dotBytes(a1, v128.load(w1 + j), p, q, mask);
      a2 = dotBytes(a2, v128.load(w2 + j), p, q, mask);
      a3 = dotBytes(a3, v128.load(w3 + j), p, q, mask);
      xj += 16;
    }
    const scale = v128.load32_splat(xScales);
    const s = s0 + (at >> 4);
    t0 = addGroup(t0, s, scale, a0);
    t1 = addGroup(t1, s + scaleStep, scale, a1);
    t2 = addGroup(t2, s + scaleStep * 2, scale, a2);
    t3 = addGroup(t3, s + scaleStep * 3, scale, a3);
    xScales += 4;
  }
  const result = f32x4.splat(Q8_RESULT_SCALE);
  const outStep = apart << 4;
  v128.store(out, f32x4.mul(t0, result));
  v128.store(out + outStep, f32x4.mul(t1, result));
  v128.store(out + outStep * 2, f32x4.mul(t2, result));
  v128.store(out + outStep * 3, f32x4.mul(t3, result));
}

function oneBandQ8(out: usize, x: usize, w: usize, scales: usize, groups: i32): void {
  const mask = v128.load(HIGH_BYTE_MASK);
  let xScales = x + <usize>groups * ACTIVATION_GROUP_BYTES;
  let total = f32x4.splat(0);
  const end = <usize>groups * Q8_BAND_BYTES;
  for (let at: usize = 0; at < end; at += Q8_BAND_BYTES) {
    let sums = i32x4.splat(0);
    let xj = x + (at >> 1);
    for (let j: usize = at; j < at + 64; j += 16) {
      sums = dotBytes(sums, v128.load(w + j),
        v128.load32_splat(xj), v128.load32_splat(xj, 8), mask);
      xj += 16;
    }
    sums = halfway(sums);
    xj = x + (at >> 1);
    for (let j: usize = at + 64; j < at + 128; j += 16) {
      sums = dotBytes(sums, v128.load(w + j),
        v128.load32_splat(xj, 4), v128.load32_splat(xj, 12), mask);
      xj += 16;
    }
    total = addGroup(total, scales + (at >> 4), v128.load32_splat(xScales), sums);
    xScales += 4;
  }
  v128.store(out, f32x4.mul(total, f32x4.splat(Q8_RESULT_SCALE)));
}

/**
 * F32 weights, nothing quantized: four lanes of partial sums over ascending columns, then the
 * normative lane sum.
 *   x         f32[stride], 16-byte aligned; what lies behind the real columns is zero
 *   weights   f32[4 · bands][stride]
 *   stride    columns rounded up to a multiple of 4
 */
export function matvecF32(out: usize, x: usize, weights: usize, bands: i32, stride: i32): void {
  assert(stride % 4 == 0); // rows are padded to whole vectors
  const row = (<usize>stride) << 2;
  let w = weights;
  const end = weights + ((<usize>bands) << 2) * row;
  while (w < end) {
    let t0 = f32x4.splat(0);
    let t1 = f32x4.splat(0);
    let t2 = f32x4.splat(0);
    let t3 = f32x4.splat(0);
    for (let i: usize = 0; i < row; i += 16) {
      const v = v128.load(x + i);
      const at = w + i;
      t0 = f32x4.add(t0, f32x4.mul(v, v128.load(at)));
      t1 = f32x4.add(t1, f32x4.mul(v, v128.load(at + row)));
      t2 = f32x4.add(t2, f32x4.mul(v, v128.load(at + row * 2)));
      t3 = f32x4.add(t3, f32x4.mul(v, v128.load(at + row * 3)));
    }
    store<f32>(out, sumLanes(t0));
    store<f32>(out, sumLanes(t1), 4);
    store<f32>(out, sumLanes(t2), 8);
    store<f32>(out, sumLanes(t3), 12);
    w += row << 2;
    out += 16;
  }
}
