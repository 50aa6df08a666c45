// RMSNorm: scale a row to unit root-mean-square, then by the learned gain (arXiv 1910.07467).
//
//   out[i] = x[i] · s · gain[i],  s = 1 / sqrt(mean(x²) + epsilon)
//
//   out, x, gain   f32[width rounded up to 4], 16-byte aligned, zeros behind width; out may be x

import { sumLanes } from "../simd";

export function rmsnorm(out: usize, x: usize, gain: usize, width: i32, epsilon: f32): void {
  const end = ((<usize>width + 3) & ~3) << 2;
  let squares = f32x4.splat(0);
  for (let i: usize = 0; i < end; i += 16) {
    const v = v128.load(x + i);
    squares = f32x4.add(squares, f32x4.mul(v, v));
  }
  const scale = f32x4.splat(1.0 / sqrt<f32>(sumLanes(squares) / <f32>width + epsilon));
  for (let i: usize = 0; i < end; i += 16) {
    v128.store(out + i, f32x4.mul(f32x4.mul(v128.load(x + i), scale), v128.load(gain + i)));
  }
}
