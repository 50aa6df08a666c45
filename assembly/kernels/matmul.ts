// Matrix times several vectors on the same packed layout as matvec.ts, with the same numbers: a
// row's result never depends on its neighbours. Tiles of two bands by two vectors reuse
// every unpacked weight; bands are short enough to stay in the first cache while all vectors pass.
//
//   out[v][r]   f32, `outStride` bytes from one vector's result to the next
//   x[v]        activation rows (blocks.ts), `xStride` bytes apart

import {
  ACTIVATION_GROUP_BYTES, Q4_BAND_BYTES, Q4_RESULT_SCALE, Q8_BAND_BYTES, Q8_RESULT_SCALE,
  SCALE_BAND_BYTES,
} from "../blocks";
import {
  HIGH_BYTE_MASK, NIBBLE_MASKS, dotBytes, dotNibbles, loadHalfScales,
} from "../simd";

// @ts-ignore: decorator
@inline function addGroup(total: v128, factor: v128, sums: v128): v128 {
  return f32x4.add(total, f32x4.mul(factor, f32x4.convert_i32x4_s(sums)));
}

/** Q4 weights; `vectors` is even. */
export function matmulQ4(
  out: usize, outStride: usize, x: usize, xStride: usize, vectors: i32,
  quants: usize, scales: usize, bands: i32, groups: i32,
): void {
  assert((vectors & 1) == 0); // tiles take two vectors
  const stride = <usize>groups * Q4_BAND_BYTES;
  const scaleStride = <usize>groups * SCALE_BAND_BYTES;
  for (let band: i32 = 0; band < bands; band += 2) {
    // The last of an odd number of bands is its own partner: it is computed twice, the same.
    const partner: usize = band + 1 < bands ? 1 : 0;
    const w = quants + <usize>band * stride;
    const s = scales + <usize>band * scaleStride;
    for (let v: i32 = 0; v < vectors; v += 2) {
      tileQ4(out + <usize>v * outStride + ((<usize>band) << 4), outStride, partner << 4,
        x + <usize>v * xStride, xStride, w, partner * stride, s, partner * scaleStride, groups);
    }
  }
}

function tileQ4(
  out: usize, outStride: usize, outStep: usize, x0: usize, xStride: usize,
  w0: usize, wStep: usize, s0: usize, sStep: usize, groups: i32,
): void {
  const low = v128.load(NIBBLE_MASKS);
  const high = v128.load(NIBBLE_MASKS, 16);
  const w1 = w0 + wStep;
  const x1 = x0 + xStride;
  let c0 = x0 + <usize>groups * ACTIVATION_GROUP_BYTES;
  const startOffset = (<usize>groups) << 2;
  let t00 = f32x4.splat(0);
  let t01 = f32x4.splat(0);
  let t10 = f32x4.splat(0);
  let t11 = f32x4.splat(0);
  const end = <usize>groups * Q4_BAND_BYTES;
  for (let at: usize = 0; at < end; at += Q4_BAND_BYTES) {
    let a00 = v128.load32_splat(c0 + startOffset);
    let a01 = v128.load32_splat(c0 + xStride + startOffset);
    let a10 = a00;
    let a11 = a01;
    for (let j: usize = at; j < at + Q4_BAND_BYTES; j += 16) {
      const u = v128.load(w0 + j);
      const v = v128.load(w1 + j);
      const p0 = v128.load32_splat(x0 + j);
      const p1 = v128.load32_splat(x0 + j, 4);
      const p2 = v128.load32_splat(x0 + j, 8);
      const p3 = v128.load32_splat(x0 + j, 12);
      a00 = dotNibbles(a00, u, p0, p1, p2, p3, low, high);
      a10 = dotNibbles(a10, v, p0, p1, p2, p3, low, high);
      const q0 = v128.load32_splat(x1 + j);
      const q1 = v128.load32_splat(x1 + j, 4);
      const q2 = v128.load32_splat(x1 + j, 8);
      const q3 = v128.load32_splat(x1 + j, 12);
      a01 = dotNibbles(a01, u, q0, q1, q2, q3, low, high);
      a11 = dotNibbles(a11, v, q0, q1, q2, q3, low, high);
    }
    const c = v128.load32_splat(c0);
    const d = v128.load32_splat(c0 + xStride);
    const e = loadHalfScales(s0 + (at >> 3));
    const f = loadHalfScales(s0 + sStep + (at >> 3));
    t00 = addGroup(t00, f32x4.mul(e, c), a00);
    t01 = addGroup(t01, f32x4.mul(e, d), a01);
    t10 = addGroup(t10, f32x4.mul(f, c), a10);
    t11 = addGroup(t11, f32x4.mul(f, d), a11);
    c0 += 4;
  }
  const result = f32x4.splat(Q4_RESULT_SCALE);
  v128.store(out, f32x4.mul(t00, result));
  v128.store(out + outStep, f32x4.mul(t10, result));
  v128.store(out + outStride, f32x4.mul(t01, result));
  v128.store(out + outStride + outStep, f32x4.mul(t11, result));
}

/** Q8 weights; `vectors` is even. */
export function matmulQ8(
  out: usize, outStride: usize, x: usize, xStride: usize, vectors: i32,
  quants: usize, scales: usize, bands: i32, groups: i32,
): void {
  assert((vectors & 1) == 0); // tiles take two vectors
  const stride = <usize>groups * Q8_BAND_BYTES;
  const scaleStride = <usize>groups * SCALE_BAND_BYTES;
  for (let band: i32 = 0; band < bands; band += 2) {
    const partner: usize = band + 1 < bands ? 1 : 0;
    const w = quants + <usize>band * stride;
    const s = scales + <usize>band * scaleStride;
    for (let v: i32 = 0; v < vectors; v += 2) {
      tileQ8(out + <usize>v * outStride + ((<usize>band) << 4), outStride, partner << 4,
        x + <usize>v * xStride, xStride, w, partner * stride, s, partner * scaleStride, groups);
    }
  }
}

function tileQ8(
  out: usize, outStride: usize, outStep: usize, x0: usize, xStride: usize,
  w0: usize, wStep: usize, s0: usize, sStep: usize, groups: i32,
): void {
  const mask = v128.load(HIGH_BYTE_MASK);
  const w1 = w0 + wStep;
  let c0 = x0 + <usize>groups * ACTIVATION_GROUP_BYTES;
  let t00 = f32x4.splat(0);
  let t01 = f32x4.splat(0);
  let t10 = f32x4.splat(0);
  let t11 = f32x4.splat(0);
  const end = <usize>groups * Q8_BAND_BYTES;
  for (let at: usize = 0; at < end; at += Q8_BAND_BYTES) {
    let a00 = i32x4.splat(0);
    let a01 = a00;
    let a10 = a00;
    let a11 = a00;
    // Elements 0..15 first, gathered at 4096 ×, then brought to the 256 × of elements 16..31.
    for (let half: usize = 0; half < 8; half += 4) {
      let x = x0 + (at >> 1) + half;
      for (let j: usize = at + (half << 4); j < at + (half << 4) + 64; j += 16) {
        const u = v128.load(w0 + j);
        const v = v128.load(w1 + j);
        let p = v128.load32_splat(x);
        let q = v128.load32_splat(x, 8);
        a00 = dotBytes(a00, u, p, q, mask);
        a10 = dotBytes(a10, v, p, q, mask);
        p = v128.load32_splat(x + xStride);
        q = v128.load32_splat(x + xStride, 8);
        a01 = dotBytes(a01, u, p, q, mask);
        a11 = dotBytes(a11, v, p, q, mask);
        x += 16;
      }
      const shift: i32 = half ? 0 : 4;
      a00 = i32x4.shr_s(a00, shift);
      a01 = i32x4.shr_s(a01, shift);
      a10 = i32x4.shr_s(a10, shift);
      a11 = i32x4.shr_s(a11, shift);
    }
    const c = v128.load32_splat(c0);
    const d = v128.load32_splat(c0 + xStride);
    const e = loadHalfScales(s0 + (at >> 4));
    const f = loadHalfScales(s0 + sStep + (at >> 4));
    t00 = addGroup(t00, f32x4.mul(e, c), a00);
    t01 = addGroup(t01, f32x4.mul(e, d), a01);
    t10 = addGroup(t10, f32x4.mul(f, c), a10);
    t11 = addGroup(t11, f32x4.mul(f, d), a11);
    c0 += 4;
  }
  const result = f32x4.splat(Q8_RESULT_SCALE);
  v128.store(out, f32x4.mul(t00, result));
  v128.store(out + outStep, f32x4.mul(t10, result));
  v128.store(out + outStride, f32x4.mul(t01, result));
  v128.store(out + outStride + outStep, f32x4.mul(t11, result));
}
