// Judges softmax and, through it, exp4 below zero: bits against an emulation in f32, and both
// against plain f64.
// Does not know: where scores come from.

import { beforeEach, describe, expect, it } from "vitest";
import {
  ROUNDING, Random, expF32, expectBits, expectNear, openKernels, sumLanes,
} from "../kernels";

const arena = await openKernels();
beforeEach(() => arena.reset());
const round = Math.fround;

interface Result { p: Float32Array; sum: number }

/** Scores of all positions 0..last; those before `first` are there to be ignored. */
function softmax(scores: ArrayLike<number>, first: number, last: number): Result {
  arena.reset();
  const room = (last + 32) & ~31;
  const padded = new Float32Array(room).fill(NaN);
  padded.set(scores);
  const at = arena.putF32(padded);
  const sum = arena.kernels.softmax(at, first, last);
  arena.check();
  return { p: arena.getF32(at, room), sum };
}

/** The header's order: the maximum, exp of the difference, blocks of eight vectors, the blocks. */
function emulate(scores: ArrayLike<number>, first: number, last: number): Result {
  const room = (last + 32) & ~31;
  const p = new Float32Array(room).fill(NaN);
  let largest = -Infinity;
  for (let t = first; t <= last; t++) largest = Math.max(largest, scores[t]);
  let sum = 0;
  for (let block = first & ~31; block < room; block += 32) {
    const lanes = [0, 0, 0, 0];
    for (let t = block; t < block + 32; t++) {
      const isInside = t >= first && t <= last;
      p[t] = isInside ? expF32(round(scores[t] - largest)) : 0;
      lanes[t % 4] = round(lanes[t % 4] + p[t]);
    }
    sum = round(sum + sumLanes(lanes));
  }
  return { p, sum };
}

function judge(scores: Float32Array, first: number, last: number): void {
  const actual = softmax(scores, first, last);
  const expected = emulate(scores, first, last);
  const what = `positions ${first}..${last}`;
  const begin = first & ~31;
  expectBits(actual.p.subarray(begin), expected.p.subarray(begin), what);
  expectBits(Float32Array.of(actual.sum), [expected.sum], `${what}: the sum`);
  const largest = Math.max(...scores.subarray(first, last + 1));
  let sum = 0;
  for (let t = first; t <= last; t++) {
    const difference = scores[t] - largest;
    const exact = Math.exp(difference);
    sum += exact;
    // exp4's 2 units in the last place (4 roundings), one rounding of the difference, which exp
    // multiplies by its size; 2^-126 for what is cut to zero.
    const tolerance = exact * ROUNDING * (4 + Math.abs(difference)) + 2 ** -126 * (1 + 2 ** -9);
    expectNear([actual.p[t]], [exact], () => tolerance, `${what}: position ${t}`);
  }
  // Every p is within (4 + 88) roundings; sums add 8 in a lane, 2 for lanes, 1 for each block.
  expectNear([actual.sum], [sum],
    () => sum * ROUNDING * (92 + 10 + (last - begin) / 32 + 1), `${what}: the sum in f64`);
}

describe("softmax", () => {
  it("holds for every number of positions to 140 and some beginnings", () => {
    const random = new Random(30);
    for (let last = 0; last < 140; last++) {
      for (const first of [0, random.whole(0, last), last]) {
        judge(random.floats(last + 1, random.whole(1, 30)), first, last);
      }
    }
    for (const last of [511, 512, 2047]) judge(random.floats(last + 1, 10), 7, last);
  });

  it("takes what stands outside first..last for nothing, and leaves earlier blocks alone", () => {
    const scores = new Random(31).floats(100);
    const wild = scores.map((score, t) => (t < 70 ? [1e30, NaN, Infinity][t % 3] : score));
    const { p, sum } = softmax(wild, 70, 99);
    expectBits(p.subarray(64), emulate(scores, 70, 99).p.subarray(64), "positions 70..99");
    expect(sum).toBe(emulate(scores, 70, 99).sum);
    expectBits(p.subarray(0, 64), wild.subarray(0, 64), "the blocks before");
  });

  it("gives 1 to the largest, and equal shares to equal scores of any size", () => {
    for (const score of [0, -0, 1e-40, 1e38, -1e38, 3e38, -3e38]) {
      const { p, sum } = softmax(new Float32Array(45).fill(score), 0, 44);
      expect(sum).toBe(45);
      expect([...p]).toEqual(Array.from({ length: 64 }, (_, t) => (t < 45 ? 1 : 0)));
    }
    expect([...softmax([3e38, -3e38], 0, 1).p.subarray(0, 2)]).toEqual([1, 0]);
  });

  it("cuts to exactly zero below -87.33", () => {
    const cut = round(-87.33);
    const { p } = softmax([0, cut, round(cut * (1 + 2 ** -23)), -1e30, -Infinity], 0, 4);
    expect(p[1]).toBeGreaterThan(2 ** -127);
    expect([...p.subarray(2, 5)]).toEqual([0, 0, 0]);
  });

  it("lets NaN and infinity through", () => {
    for (const bad of [NaN, Infinity]) {
      for (const place of [0, 5, 40]) {
        const scores = new Random(place).floats(41);
        scores[place] = bad;
        expect(softmax(scores, 0, 40).sum).toBeNaN();
      }
    }
    expect(softmax(new Float32Array(3).fill(-Infinity), 0, 2).sum).toBeNaN();
  });
});
