// The best Q4_0 block for 32 numbers, instead of the first that comes to mind: the scale that makes
// the weighted error smallest, Σ w[i] · (x[i] - scale · code[i])². Knows nothing of where the
// weights come from; without any, all numbers count alike.
//
// For a given scale the nearest codes are the best, and for given codes the best scale is
// Σwxc / Σwcc. What is left to try is where the search begins: a block has its largest number at
// code -8 or at +7, or somewhat beyond either end, so that it is cut off and the others gain.

import { floatToHalf, halfToFloat } from "./half";
import { quantizeQ4 } from "./quantize";

/** Beginnings tried at either end: the largest number at 5.7 to 9.6 steps. */
const TRIES: i32 = 40;
const FIRST_TRY: f32 = 5.7;
const STEP: f32 = 0.1;
/** Numbers with less than this share of the mean weight do not decide where a search begins. */
const WEIGHT_LEAST: f32 = 0.05;
/** Times that codes and scale are improved in turn; more than two hardly ever change anything. */
const ROUNDS: i32 = 3;

/** Of the last `fit`: Σwxc and Σwcc. */
let sumXC: f32 = 0;
let sumCC: f32 = 0;

/** Four codes as floats. */
// @ts-ignore: decorator
@inline function codesOf(x: usize, inverse: v128): v128 {
  const nearest = f32x4.nearest(f32x4.mul(v128.load(x), inverse));
  return f32x4.min(f32x4.max(nearest, f32x4.splat(-8)), f32x4.splat(7));
}

// @ts-ignore: decorator
@inline function total(v: v128): f32 {
  return (f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 2))
    + (f32x4.extract_lane(v, 1) + f32x4.extract_lane(v, 3));
}

/** The sums for the codes that an inverse scale gives. x and w are f32[32]. */
function fit(x: usize, w: usize, inverse: f32): void {
  const factor = f32x4.splat(inverse);
  let xc = f32x4.splat(0);
  let cc = f32x4.splat(0);
  for (let i: usize = 0; i < 128; i += 16) {
    const codes = codesOf(x + i, factor);
    const weighted = f32x4.mul(v128.load(w + i), codes);
    xc = f32x4.add(xc, f32x4.mul(weighted, v128.load(x + i)));
    cc = f32x4.add(cc, f32x4.mul(weighted, codes));
  }
  sumXC = total(xc);
  sumCC = total(cc);
}

/** The weighted error of a block as it will be read. */
function errorOf(x: usize, w: usize, scale: f32, inverse: f32): f32 {
  const step = f32x4.splat(scale);
  const factor = f32x4.splat(inverse);
  let sum = f32x4.splat(0);
  for (let i: usize = 0; i < 128; i += 16) {
    const off = f32x4.sub(v128.load(x + i), f32x4.mul(codesOf(x + i, factor), step));
    sum = f32x4.add(sum, f32x4.mul(f32x4.mul(off, off), v128.load(w + i)));
  }
  return total(sum);
}

/** The inverse of the scale with the least error before rounding to f16, from all beginnings. */
function bestInverse(x: usize, w: usize, largest: f32): f32 {
  let best: f32 = 0;
  let most: f32 = -1;
  for (let sign: f32 = -1; sign <= 1; sign += 2) {
    for (let i: i32 = 0; i < TRIES; i++) {
      const inverse = sign * (FIRST_TRY + STEP * <f32>i) / largest;
      fit(x, w, inverse);
      // The error is Σwxx - (Σwxc)² / Σwcc.
      const gain: f32 = sumCC > 0 ? sumXC * sumXC / sumCC : 0;
      if (gain > most) {
        most = gain;
        best = inverse;
      }
    }
  }
  return best;
}

/**
 * 32 floats -> one Q4_0 block of the least weighted error found; never a worse one than the plain
 * quantizer's.
 *   block   18 bytes
 *   x, w    f32[32]: the numbers, and how much each one's error counts, not negative
 */
export function searchQ4(block: usize, x: usize, w: usize): void {
  quantizeQ4(block, x);
  const largest = largestThatCounts(x, w);
  const plain = halfToFloat(load<u16>(block));
  if (plain == 0 || largest == 0) return;
  let scale = plain;
  let least = plainError(block, x, w, plain);
  let inverse = bestInverse(x, w, largest);
  let round: i32 = 0;
  while (round < ROUNDS) {
    fit(x, w, inverse);
    const rounded: f32 = sumCC > 0 ? halfToFloat(floatToHalf(sumXC / sumCC)) : 0;
    if (rounded == 0) break;
    inverse = 1.0 / rounded;
    const error = errorOf(x, w, rounded, inverse);
    if (error >= least) break;
    least = error;
    scale = rounded;
    round++;
  }
  if (scale != plain) writeBlock(block, x, scale);
}

/** The largest magnitude among the numbers that weigh something: others may well be cut off. */
function largestThatCounts(x: usize, w: usize): f32 {
  let sum: f32 = 0;
  for (let i: usize = 0; i < 128; i += 4) sum += load<f32>(w + i);
  const least = WEIGHT_LEAST * sum / 32;
  let largest: f32 = 0;
  for (let i: usize = 0; i < 128; i += 4) {
    if (load<f32>(w + i) >= least) largest = max<f32>(largest, abs(load<f32>(x + i)));
  }
  return largest;
}

/** The weighted error of a block that is written already. */
function plainError(block: usize, x: usize, w: usize, scale: f32): f32 {
  let sum: f32 = 0;
  for (let i: usize = 0; i < 32; i++) {
    const byte = <i32>load<u8>(block + (i & 15), 2);
    const code = (i < 16 ? byte & 15 : byte >> 4) - 8;
    const off = load<f32>(x + (i << 2)) - scale * <f32>code;
    sum += off * off * load<f32>(w + (i << 2));
  }
  return sum;
}

/** The block of a scale and the codes nearest to it. */
function writeBlock(block: usize, x: usize, scale: f32): void {
  const inverse: f32 = 1.0 / scale;
  store<u16>(block, floatToHalf(scale));
  for (let i: usize = 0; i < 16; i++) {
    const low = codeOf(load<f32>(x + (i << 2)) * inverse);
    const high = codeOf(load<f32>(x + (i << 2), 64) * inverse);
    store<u8>(block + i, <u8>(low | (high << 4)), 2);
  }
}

// @ts-ignore: decorator
@inline function codeOf(steps: f32): i32 {
  return <i32>min<f32>(max<f32>(nearest<f32>(steps), -8), 7) + 8;
}
