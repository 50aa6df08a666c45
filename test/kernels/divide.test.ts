// Judges division of a row: one rounded quotient per number, so the bits are known.
// Does not know: what is divided.

import { beforeEach, expect, it } from "vitest";
import { Random, expectBits, openKernels } from "../kernels";

const arena = await openKernels();
beforeEach(() => arena.reset());

function divide(x: ArrayLike<number>, divisor: number, inPlace: boolean): Float32Array {
  arena.reset();
  const padded = Math.ceil(x.length / 4) * 4;
  const source = arena.putF32(x, padded);
  const target = inPlace ? source : arena.putF32(new Float32Array(x.length), padded);
  arena.kernels.divide(target, source, divisor, x.length);
  if (!inPlace) expectBits(arena.getF32(source, x.length), x, "the dividend");
  arena.check();
  return arena.getF32(target, x.length);
}

it("divides every length from 1 to 70 and some long ones, exactly, elsewhere and in place", () => {
  const random = new Random(2);
  for (const count of [...Array.from({ length: 70 }, (_, i) => i + 1), 192, 576]) {
    const x = random.floats(count, 10 ** random.whole(-30, 30));
    for (const divisor of [1, 3, 7, 16, 1024]) {
      const expected = x.map((value) => value / divisor);
      expectBits(divide(x, divisor, false), expected, `${count} numbers`);
      expectBits(divide(x, divisor, true), expected, `${count} numbers in place`);
    }
  }
});

it("keeps subnormals, zeros, infinity and NaN as IEEE has them", () => {
  const x = Float32Array.from([2 ** -149, 0, -0, 3e38, Infinity, -Infinity, NaN, 2 ** -148]);
  expectBits(divide(x, 2, false), x.map((value) => value / 2), "edges");
  expect(divide([], 3, false)).toHaveLength(0);
});
