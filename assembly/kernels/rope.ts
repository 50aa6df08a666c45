// Rotary position embedding (arXiv 2104.09864): pairs of each head turn by position · frequency.
//
//   a' = a·cos - b·sin,  b' = a·sin + b·cos
//
// Interleaved pairs are (2i, 2i+1), as files of architecture `llama` store them; half-split pairs
// are (i, i + headSize/2). Angles and their sin and cos come from f64, rounded once to f32.

import { sinTurned } from "../math";

/**
 * The table of one position: f32[pairs] cosines, then f32[pairs] sines.
 *   frequencies   f64[pairs]: base^(-2i / headSize)
 */
export function ropeAngles(table: usize, frequencies: usize, position: i32, pairs: i32): void {
  const sines = table + ((<usize>pairs) << 2);
  for (let i: usize = 0; i < <usize>pairs; i++) {
    const angle = <f64>position * load<f64>(frequencies + (i << 3));
    store<f32>(table + (i << 2), <f32>sinTurned(angle, 1));
    store<f32>(sines + (i << 2), <f32>sinTurned(angle, 0));
  }
}

/** Turns all heads of one row in place. Heads are a multiple of 4 numbers long. */
export function rope(x: usize, table: usize, heads: i32, headSize: i32, interleaved: bool): void {
  const bytes = (<usize>headSize) << 2;
  for (const end = x + <usize>heads * bytes; x < end; x += bytes) {
    if (interleaved) ropeInterleaved(x, table, headSize);
    else ropeHalfSplit(x, table, headSize);
  }
}

/** Two pairs at a time: (a, b) · cos + (b, a) · (-sin, sin). */
function ropeInterleaved(x: usize, table: usize, headSize: i32): void {
  const half = (<usize>headSize) << 1; // bytes of the cosines
  const signs = i64x2.splat(0x80000000); // of the first of each pair
  for (let i: usize = 0; i < half; i += 8) {
    const c = v128.load64_zero(table + i);
    const s = v128.load64_zero(table + half + i);
    const v = v128.load(x + (i << 1));
    const straight = f32x4.mul(v, v128.shuffle<i32>(c, c, 0, 0, 1, 1));
    const crossed = f32x4.mul(v128.shuffle<i32>(v, v, 1, 0, 3, 2),
      v128.xor(v128.shuffle<i32>(s, s, 0, 0, 1, 1), signs));
    v128.store(x + (i << 1), f32x4.add(straight, crossed));
  }
}

function ropeHalfSplit(x: usize, table: usize, headSize: i32): void {
  const half = (<usize>headSize) << 1;
  let i: usize = 0;
  for (; i + 16 <= half; i += 16) {
    const c = v128.load(table + i);
    const s = v128.load(table + half + i);
    const a = v128.load(x + i);
    const b = v128.load(x + half + i);
    v128.store(x + i, f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s)));
    v128.store(x + half + i, f32x4.add(f32x4.mul(a, s), f32x4.mul(b, c)));
  }
  for (; i < half; i += 4) {
    const c = load<f32>(table + i);
    const s = load<f32>(table + half + i);
    const a = load<f32>(x + i);
    const b = load<f32>(x + half + i);
    store<f32>(x + i, a * c - b * s);
    store<f32>(x + half + i, a * s + b * c);
  }
}
