// Judges rotary positions: the table against Math.sin and Math.cos, the turn bit for bit.
// Does not know: which files want which pairs.

import { beforeEach, describe, expect, it } from "vitest";
import { ROUNDING, Random, expectBits, expectNear, openKernels } from "../kernels";

const arena = await openKernels();
const { kernels } = arena;
beforeEach(() => arena.reset());
const round = Math.fround;

const HEAD_SIZES = [4, 8, 12, 64, 80, 128];
const POSITIONS = [0, 1, 2, 31, 32, 33, 127, 2047, 8191, 131071, 1048575];

function makeFrequencies(headSize: number, base: number): Float64Array {
  return Float64Array.from({ length: headSize / 2 }, (_, i) => base ** ((-2 * i) / headSize));
}

function makeTable(frequencies: Float64Array, position: number): Float32Array {
  const pairs = frequencies.length;
  const at = arena.take(pairs * 8);
  kernels.ropeAngles(at, arena.putF64(frequencies), position, pairs);
  arena.check();
  return arena.getF32(at, pairs * 2);
}

describe("ropeAngles", () => {
  it("rounds cosines and sines once, up to positions of 2^20", () => {
    for (const headSize of HEAD_SIZES) {
      for (const base of [10000, 500000]) {
        const frequencies = makeFrequencies(headSize, base);
        for (const position of POSITIONS) {
          arena.reset();
          const table = makeTable(frequencies, position);
          const angles = frequencies.map((frequency) => frequency * position);
          const exact = [...angles.map(Math.cos), ...angles.map(Math.sin)];
          // Half a unit in the last place of f32, and the 1e-15 that sinTurned promises.
          expectNear(table, exact, (i) => Math.abs(exact[i]) * ROUNDING + 1e-15,
            `position ${position}`);
        }
      }
    }
  });

  it("starts at angle zero", () => {
    expectBits(makeTable(makeFrequencies(8, 10000), 0), [1, 1, 1, 1, 0, 0, 0, 0], "position 0");
  });
});

function turn(
  x: Float32Array, table: Float32Array, heads: number, headSize: number, interleaved: boolean,
): Float32Array {
  arena.reset();
  const at = arena.putF32(x);
  kernels.rope(at, arena.putF32(table), heads, headSize, interleaved ? 1 : 0);
  arena.check();
  return arena.getF32(at, x.length);
}

function emulate(
  x: Float32Array, table: Float32Array, heads: number, headSize: number, interleaved: boolean,
): Float32Array {
  const pairs = headSize / 2;
  const result = x.slice();
  for (let start = 0; start < heads * headSize; start += headSize) {
    for (let i = 0; i < pairs; i++) {
      const first = start + (interleaved ? 2 * i : i);
      const second = interleaved ? first + 1 : first + pairs;
      const [cosine, sine] = [table[i], table[pairs + i]];
      result[first] = round(x[first] * cosine) - round(x[second] * sine);
      result[second] = round(x[first] * sine) + round(x[second] * cosine);
    }
  }
  return result;
}

describe.each([["interleaved", true], ["half-split", false]])("rope, %s", (_, interleaved) => {
  it("turns every head of every shape", () => {
    const random = new Random(60);
    for (const headSize of HEAD_SIZES) {
      for (const heads of [1, 2, 3, 9]) {
        for (const position of [0, 1, 33, 2047]) {
          arena.reset();
          const table = makeTable(makeFrequencies(headSize, 10000), position);
          const x = random.floats(heads * headSize, 10 ** random.whole(-10, 10));
          const actual = turn(x, table, heads, headSize, interleaved);
          const what = `${heads} heads of ${headSize} at ${position}`;
          expectBits(actual, emulate(x, table, heads, headSize, interleaved), what);
          if (position === 0) expectBits(actual, x, `${what}: no turn`);
        }
      }
    }
  });

  it("keeps lengths: the sum of squares moves by rounding alone", () => {
    const table = makeTable(makeFrequencies(64, 10000), 1234);
    const x = new Random(61).floats(64);
    const squares = (values: Float32Array): number =>
      Array.from(values).reduce((sum, value) => sum + value ** 2, 0);
    const before = squares(x);
    // Each number carries the table's rounding and two of its own, all doubled by the square.
    expect(Math.abs(squares(turn(x, table, 1, 64, interleaved)) - before))
      .toBeLessThanOrEqual(before * 8 * ROUNDING);
  });

  it("lets NaN and infinity through in their own pair only", () => {
    const table = makeTable(makeFrequencies(8, 10000), 5);
    for (const bad of [NaN, Infinity, -Infinity]) {
      const x = new Float32Array(16).fill(1);
      x[8] = bad;
      const actual = turn(x, table, 2, 8, interleaved);
      const wrong = [...actual.keys()].filter((i) => !Number.isFinite(actual[i]));
      expect(wrong).toEqual(interleaved ? [8, 9] : [8, 12]);
    }
  });
});
