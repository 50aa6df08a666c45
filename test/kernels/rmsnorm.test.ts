// Judges RMSNorm: bits against the order of the kernel, and the value against plain f64.
// Does not know: which gain belongs to which layer.

import { beforeEach, describe, expect, it } from "vitest";
import {
  ROUNDING, Random, expectBits, expectNear, openKernels, sumLanes,
} from "../kernels";

const arena = await openKernels();
beforeEach(() => arena.reset());
const round = Math.fround;
const EPSILON = round(1e-5);

/** inPlace: the result goes where the input stands. */
function rmsnorm(
  x: ArrayLike<number>, gain: ArrayLike<number>, epsilon = EPSILON, inPlace = false,
): Float32Array {
  arena.reset();
  const padded = Math.ceil(x.length / 4) * 4;
  const source = arena.putF32(x, padded);
  const out = inPlace ? source : arena.take(padded * 4);
  arena.kernels.rmsnorm(out, source, arena.putF32(gain, padded), x.length, epsilon);
  arena.check();
  const behind = arena.getF32(out + x.length * 4, padded - x.length);
  if (Number.isFinite(arena.getF32(out, 1)[0])) {
    expect(behind.every((value) => value === 0), "the padding").toBe(true);
  }
  return arena.getF32(out, x.length);
}

/** Four lanes of squares over ascending columns, the lanes, then one scale for all. */
function emulate(x: Float32Array, gain: Float32Array, epsilon: number): number[] {
  const lanes = [0, 0, 0, 0];
  x.forEach((value, i) => { lanes[i % 4] = round(lanes[i % 4] + round(value * value)); });
  const mean = round(sumLanes(lanes) / x.length);
  const scale = round(1 / round(Math.sqrt(round(mean + epsilon))));
  return Array.from(x, (value, i) => round(round(value * scale) * gain[i]));
}

function judge(x: Float32Array, gain: Float32Array, epsilon = EPSILON): void {
  const actual = rmsnorm(x, gain, epsilon);
  expectBits(actual, emulate(x, gain, epsilon), `width ${x.length}`);
  expectBits(rmsnorm(x, gain, epsilon, true), actual, `width ${x.length} in place`);
  const mean = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  const exact = Array.from(x, (value, i) => (value / Math.sqrt(mean + epsilon)) * gain[i]);
  // The mean: a rounding for the square, width / 4 in its lane, two for the lanes, the division
  // and epsilon; the root halves all that. Then root, inverse and two products.
  const roundings = (x.length / 4 + 5) / 2 + 4;
  expectNear(actual, exact, (i) => Math.abs(exact[i]) * roundings * ROUNDING + 2 ** -148,
    `width ${x.length} in f64`);
}

describe("rmsnorm", () => {
  it("holds for every width to 70 and some larger ones", () => {
    const random = new Random(50);
    for (const width of [...Array.from({ length: 70 }, (_, i) => i + 1), 105, 172, 576, 2048]) {
      const gain = random.floats(width).map((value) => 1 + value / 10);
      // Magnitudes whose squares are all normal: that is what the bound above counts on.
      judge(random.floats(width, 10 ** random.whole(-3, 15)), gain);
      judge(random.floats(width), gain, round(1e-6));
    }
  });

  it("gives zeros for zeros, and almost nothing for numbers far below epsilon", () => {
    judge(new Float32Array(9), new Float32Array(9).fill(1));
    judge(new Float32Array(9).fill(2 ** -40), new Float32Array(9).fill(1));
    // Five roundings: the input, epsilon's root and its inverse, and two products.
    const exact = 1e-30 / Math.sqrt(EPSILON);
    expectNear(rmsnorm([1e-30], [1]), [exact], () => 5 * ROUNDING * exact, "tiny");
  });

  it("takes negative and zero gains", () => {
    const x = new Random(51).floats(16, 3);
    judge(x, Float32Array.from(x, (_, i) => [0, -1, 100, -0.5][i % 4]));
  });

  it("lets NaN and infinity reach the row", () => {
    for (const [bad, gains] of [[NaN, 1], [Infinity, 1], [-Infinity, 1]]) {
      const x = new Random(52).floats(12);
      x[7] = bad;
      const actual = rmsnorm(x, new Float32Array(12).fill(gains));
      expect(actual[7], "infinity times zero, or NaN").toBeNaN();
    }
    // Squares overflow above 1.8e19: the scale is then zero. Nothing finite is made of NaN.
    expect([...rmsnorm([1, NaN, 1, 1, 1], [1, 1, 1, 1, 1])].every(Number.isNaN)).toBe(true);
  });
});
