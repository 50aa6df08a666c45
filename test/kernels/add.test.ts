// Judges the residual addition: one rounded sum per number, so the bits are known.
// Does not know: what is added to what in a layer.

import { beforeEach, expect, it } from "vitest";
import { Random, expectBits, openKernels } from "../kernels";

const arena = await openKernels();
beforeEach(() => arena.reset());

function add(x: ArrayLike<number>, y: ArrayLike<number>, count = x.length): Float32Array {
  arena.reset();
  const padded = Math.ceil(count / 4) * 4;
  const target = arena.putF32(x, padded);
  const source = arena.putF32(y, padded);
  arena.kernels.add(target, source, count);
  expectBits(arena.getF32(source, y.length), y, "the addend");
  arena.check();
  return arena.getF32(target, x.length);
}

it("adds every length from 1 to 70 and some long ones, exactly", () => {
  const random = new Random(1);
  const counts = [...Array.from({ length: 70 }, (_, i) => i + 1), 105, 172, 576, 1536];
  for (const count of counts) {
    const x = random.floats(count, 10 ** random.whole(-30, 30));
    const y = random.floats(count, 10 ** random.whole(-30, 30));
    expectBits(add(x, y), x.map((value, i) => value + y[i]), `${count} numbers`);
  }
});

it("keeps subnormals, zeros, overflow, infinity and NaN as IEEE has them", () => {
  const x = Float32Array.from([2 ** -149, 0, -0, 3e38, Infinity, Infinity, NaN, 1]);
  const y = Float32Array.from([2 ** -149, -0, -0, 3e38, 1, -Infinity, 1, -1]);
  expectBits(add(x, y), [2 ** -148, 0, -0, Infinity, Infinity, NaN, NaN, 0], "edges");
});

it("leaves everything alone when there is nothing to add", () => {
  expect(add([], [])).toHaveLength(0);
});
