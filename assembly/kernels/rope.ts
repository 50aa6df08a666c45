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

/** Turns all heads of one row in place. */
export function rope(x: usize, table: usize, heads: i32, headSize: i32, interleaved: bool): void {
  const pairs: usize = <usize>headSize >> 1;
  const far: usize = interleaved ? 4 : pairs << 2;
  const step: usize = interleaved ? 8 : 4;
  for (let head: i32 = 0; head < heads; head++) {
    let at = x + <usize>(head * headSize << 2);
    for (let i: usize = 0; i < pairs; i++) {
      const c = load<f32>(table + (i << 2));
      const s = load<f32>(table + ((pairs + i) << 2));
      const a = load<f32>(at);
      const b = load<f32>(at + far);
      store<f32>(at, a * c - b * s);
      store<f32>(at + far, a * s + b * c);
      at += step;
    }
  }
}
