// SwiGLU (arXiv 2002.05202): the gate decides how much of each hidden value passes.
//
//   gate[i] = silu(gate[i]) · up[i]
//
//   gate, up   f32[count rounded up to 4], 16-byte aligned

import { silu4 } from "../math";

export function swiglu(gate: usize, up: usize, count: i32): void {
  const end = ((<usize>count + 3) & ~3) << 2;
  for (let i: usize = 0; i < end; i += 16) {
    v128.store(gate + i, f32x4.mul(silu4(v128.load(gate + i)), v128.load(up + i)));
  }
}
