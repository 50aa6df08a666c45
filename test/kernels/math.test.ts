// Judges exp, log and sinTurned against Math's, and exp4 and silu4 against Math.exp by way of
// softmax and swiglu. Math's are within one unit in the last place on this platform, so each
// tolerance has one unit more than what math.ts states.
// Does not know: who needs these functions.

import { beforeEach, describe, expect, it } from "vitest";
import { Random, expF32, expectBits, expectNear, openKernels } from "../kernels";

const arena = await openKernels();
const { kernels } = arena;
beforeEach(() => arena.reset());

/** One unit in the last place of f64, relative. */
const UNIT = 2 ** -52;

const near = (actual: number, expected: number, tolerance: number, what: string): void =>
  expectNear([actual], [expected], () => tolerance, what);

describe("exp", () => {
  it("is within three units from -700 to 700", () => {
    const random = new Random(70);
    for (let i = 0; i < 20000; i++) {
      const x = i % 2 ? (random.uniform() - 0.5) * 1400 : (random.uniform() - 0.5) * 4;
      const exact = Math.exp(x);
      near(kernels.exp(x), exact, 3 * UNIT * exact, `exp(${x})`);
    }
  });

  it("is exact at zero, zero below -700, and keeps NaN", () => {
    expect(kernels.exp(0)).toBe(1);
    expect(kernels.exp(-0)).toBe(1);
    expect(kernels.exp(2 ** -60)).toBe(1);
    expect([kernels.exp(-700.1), kernels.exp(-1e300), kernels.exp(-Infinity)]).toEqual([0, 0, 0]);
    expect(kernels.exp(NaN)).toBeNaN();
  });
});

describe("log", () => {
  it("is within three units for normal numbers of all sizes", () => {
    const random = new Random(71);
    for (let i = 0; i < 20000; i++) {
      const x = (1 + random.uniform()) * 2 ** random.whole(i % 2 ? -2 : -1022, i % 2 ? 2 : 1023);
      const exact = Math.log(x);
      near(kernels.log(x), exact, 3 * UNIT * Math.abs(exact), `log(${x})`);
    }
  });

  it("is exact at 1 and within three units at powers of two and around the root of two", () => {
    expect(kernels.log(1)).toBe(0);
    const root = Math.SQRT2;
    for (const x of [2, 0.5, 1024, 10000, 500000, root, root * (1 + UNIT), root * (1 - UNIT),
      1 + UNIT, 1 - UNIT, 2 ** -1022, Number.MAX_VALUE]) {
      const exact = Math.log(x);
      near(kernels.log(x), exact, 3 * UNIT * Math.abs(exact), `log(${x})`);
    }
  });

  it("undoes exp", () => {
    for (let x = -600; x <= 600; x += 7.3) {
      // The error of exp(x), relative, is absolute in the logarithm.
      near(kernels.log(kernels.exp(x)), x, UNIT * (3 + 3 * Math.abs(x)), `log(exp(${x}))`);
    }
  });
});

describe("sinTurned", () => {
  it("is within 1e-15 of sin and cos up to 2^20", () => {
    const random = new Random(72);
    for (let i = 0; i < 20000; i++) {
      const x = random.uniform() * 2 ** random.whole(-10, 20);
      near(kernels.sinTurned(x, 0), Math.sin(x), 1e-15 + UNIT, `sin(${x})`);
      near(kernels.sinTurned(x, 1), Math.cos(x), 1e-15 + UNIT, `cos(${x})`);
      near(kernels.sinTurned(x, 2), -Math.sin(x), 1e-15 + UNIT, `-sin(${x})`);
      near(kernels.sinTurned(x, 3), -Math.cos(x), 1e-15 + UNIT, `-cos(${x})`);
    }
  });

  it("holds at whole angles and beside multiples of a quarter of pi", () => {
    for (let n = 0; n < 4000; n++) {
      for (const x of [n, n * 262, (n * Math.PI) / 4, ((n * 150 + 1) * Math.PI) / 2]) {
        near(kernels.sinTurned(x, 0), Math.sin(x), 1e-15 + UNIT, `sin(${x})`);
        near(kernels.sinTurned(x, 1), Math.cos(x), 1e-15 + UNIT, `cos(${x})`);
      }
    }
    expect([0, 1, 2, 3].map((turns) => kernels.sinTurned(0, turns) + 0)).toEqual([0, 1, 0, -1]);
  });
});

/** exp4 of numbers from -88 to 0: softmax beside a score of 0. */
function expBelowZero(values: Float32Array): Float32Array {
  arena.reset();
  const scores = new Float32Array((values.length + 32) & ~31);
  scores.set(values, 1);
  const at = arena.putF32(scores);
  kernels.softmax(at, 0, values.length);
  return arena.getF32(at, values.length + 1).subarray(1);
}

describe("exp4", () => {
  it("is the emulation, and within two units of exp, from -87.33 to 0", () => {
    const random = new Random(73);
    const values = Float32Array.from({ length: 50000 }, (_, i) =>
      -random.uniform() * (i % 3 ? 87.33 : 1)).filter((x) => x >= -87.33);
    const actual = expBelowZero(values);
    expectBits(actual, values.map(expF32), "exp4");
    const unit = (x: number): number => 2 ** (Math.floor(Math.log2(x)) - 23);
    expectNear(actual, Float64Array.from(values, Math.exp), (i) => 2 * unit(Math.exp(values[i])),
      "exp4 in f64");
  });
});

describe("silu4", () => {
  it("is odd about x / 2: silu(x) - silu(-x) = x", () => {
    const x = new Random(74).floats(4096, 10);
    const at = arena.putF32(x);
    const negative = arena.putF32(x.map((value) => -value));
    const ones = arena.putF32(new Float32Array(4096).fill(1));
    kernels.swiglu(at, ones, 4096);
    kernels.swiglu(negative, ones, 4096);
    const right = arena.getF32(negative, 4096);
    const difference = arena.getF32(at, 4096).map((value, i) => value - right[i]);
    // Both carry at most 7 roundings of numbers whose magnitudes sum to |x|, the difference one.
    expectNear(difference, x, (i) => 8 * 2 ** -24 * Math.abs(x[i]), "silu(x) - silu(-x)");
  });
});
