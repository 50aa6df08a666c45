// Judges the kernels of three heads by those of one: the same bits, whatever the shape.
// Does not know: what the bits should be, which attention.test.ts does.

import { beforeEach, describe, expect, it } from "vitest";
import { Random, bytesOf, expectBits, openKernels } from "../kernels";

const arena = await openKernels();
const { kernels } = arena;
beforeEach(() => arena.reset());

/** [headSize, stride of the cache] */
const HEADS = [[8, 16], [16, 16], [24, 32], [64, 64], [80, 80]];
const RANGES = [[0, 0], [0, 3], [0, 31], [0, 32], [5, 70], [33, 95], [40, 200]];
const roomFor = (last: number): number => (last + 32) & ~31;

/** int8 keys or values of one head, [position][stride], anything in the padding and behind last. */
function makeCache(random: Random, positions: number, stride: number): Int8Array {
  return Int8Array.from({ length: positions * stride }, () => random.whole(-127, 127));
}

describe("scoresInt8x3", () => {
  it("gives three heads the scores that each has alone", () => {
    for (const [size, stride] of HEADS) {
      for (const [first, last] of RANGES) {
        arena.reset();
        const random = new Random(size + last);
        const positions = roomFor(last);
        const keys = arena.putBytes(bytesOf(makeCache(random, positions, stride)));
        const scales = arena.putF32(Float32Array.from({ length: positions },
          () => random.uniform() * (random.whole(0, 1) === 0 ? 0.1 : -0.1)));
        const queries = Int16Array.from({ length: 3 * stride },
          (_, i) => (i % stride < size ? random.whole(-32767, 32767) : 0));
        const query = arena.putBytes(bytesOf(queries));
        const factors = Float32Array.from({ length: 3 }, () => random.uniform() / 1000);
        const bases = Float32Array.from({ length: 3 }, () => random.uniform() * 8 - 4);
        const together = arena.take(positions * 12);
        kernels.scoresInt8x3(together, positions * 4, query, arena.putF32(factors),
          arena.putF32(bases), keys, scales, first, last, stride);
        for (let head = 0; head < 3; head++) {
          const alone = arena.take(positions * 4);
          kernels.scoresInt8(alone, query + head * stride * 2, factors[head], bases[head], keys,
            scales, first, last, stride);
          expectBits(
            arena.getF32(together + head * positions * 4, positions).slice(first, last + 1),
            arena.getF32(alone, positions).slice(first, last + 1), `head ${head} of ${size}`);
        }
        arena.check();
      }
    }
  });
});

describe("valuesInt8x3", () => {
  it("gives three heads the values that each has alone", () => {
    for (const [size, stride] of HEADS) {
      for (const [first, last] of RANGES) {
        arena.reset();
        const random = new Random(size * last + 1);
        const positions = roomFor(last);
        const blocks = positions / 32;
        const values = arena.putBytes(bytesOf(makeCache(random, positions, stride)));
        const weights = arena.putBytes(bytesOf(Int16Array.from({ length: 3 * positions }, (_, i) =>
          (i % positions < first || i % positions > last ? 0 : random.whole(0, 32767)))));
        const scales = arena.putF32(Float32Array.from({ length: 3 * blocks },
          () => random.uniform()));
        const sums = Float32Array.from({ length: 3 }, () => 1 + random.uniform() * 9);
        const together = Array.from({ length: 3 }, () => arena.take(size * 4));
        const outs = arena.putBytes(bytesOf(Uint32Array.from(together)));
        kernels.valuesInt8x3(outs, weights, positions * 2, scales, blocks * 4,
          arena.putF32(sums), values, first, last, size, stride);
        for (let head = 0; head < 3; head++) {
          const alone = arena.take(stride * 4);
          kernels.valuesInt8(alone, weights + head * positions * 2, scales + head * blocks * 4,
            sums[head], values, first, last, size, stride);
          const own = arena.getF32(together[head], size);
          expectBits(own, arena.getF32(alone, size), `head ${head} of ${size}`);
          expect(own.some((value) => value !== 0)).toBe(true);
        }
        arena.check();
      }
    }
  });
});
