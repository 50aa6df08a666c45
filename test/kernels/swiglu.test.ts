// Judges the gate and, through it, exp4 on both sides of zero: bits against an emulation in f32,
// and both against plain f64.
// Does not know: what stands before and behind the gate.

import { beforeEach, describe, expect, it } from "vitest";
import { ROUNDING, Random, expF32, expectBits, expectNear, openKernels } from "../kernels";

const arena = await openKernels();
beforeEach(() => arena.reset());
const round = Math.fround;

function swiglu(gate: ArrayLike<number>, up: ArrayLike<number>): Float32Array {
  arena.reset();
  const count = gate.length;
  const padded = Math.ceil(count / 4) * 4;
  const target = arena.putF32(gate, padded);
  const source = arena.putF32(up, padded);
  arena.kernels.swiglu(target, source, count);
  expectBits(arena.getF32(source, count), up, "what is gated");
  arena.check();
  return arena.getF32(target, count);
}

const emulateSilu = (x: number): number => round(x / round(1 + expF32(-x)));

function judge(gate: Float32Array, up: Float32Array): void {
  const actual = swiglu(gate, up);
  expectBits(actual, gate.map((x, i) => emulateSilu(x) * up[i]), `${gate.length} numbers`);
  const exact = Float64Array.from(gate, (x, i) => (x / (1 + Math.exp(-x))) * up[i]);
  expectNear(actual, exact, (i) => {
    // exp4's 2 units (4 roundings), then a rounding each for sum, quotient and product. Below
    // -88.37 exp4 stays at 2.4e38, so what should vanish stays as x / 2.4e38.
    const stuck = gate[i] < -88.37 ? Math.abs(gate[i] * up[i]) / 2.3e38 : 0;
    return Math.abs(exact[i]) * ROUNDING * 7.1 + stuck + 2 ** -149 * (1 + Math.abs(up[i]));
  }, "in f64");
}

describe("swiglu", () => {
  it("holds for every length to 70 and some long ones", () => {
    const random = new Random(40);
    for (const count of [...Array.from({ length: 70 }, (_, i) => i + 1), 105, 172, 1536]) {
      judge(random.floats(count, 4), random.floats(count, 10 ** random.whole(-5, 5)));
    }
  });

  it("holds for gates from -100 to 100, and around every multiple of ln 2", () => {
    const ramp = Float32Array.from({ length: 20001 }, (_, i) => (i - 10000) / 100);
    judge(ramp, new Float32Array(ramp.length).fill(1));
    const edges: number[] = [];
    for (let half = -250; half <= 250; half++) {
      const middle = round(half * Math.LN2 / 2);
      edges.push(middle, middle * (1 + 2 ** -23), middle * (1 - 2 ** -23));
    }
    judge(Float32Array.from(edges), new Float32Array(edges.length).fill(1));
  });

  it("keeps zeros and tiny gates, and fades huge negative ones", () => {
    const gate = Float32Array.from([0, -0, 2 ** -149, 2 ** -33, -(2 ** -33), 1e30, -1e5, -200]);
    const up = Float32Array.from({ length: 8 }, () => 1);
    judge(gate, up);
    expectBits(swiglu(gate.subarray(0, 6), up.subarray(0, 6)),
      [0, -0, 0, 2 ** -34, -(2 ** -34), 1e30], "edges");
  });

  it("lets NaN and infinity through", () => {
    const gates = [NaN, Infinity, -Infinity, 1, 1, 1];
    const actual = swiglu(gates, [1, 1, 1, NaN, Infinity, -Infinity]);
    expectBits(actual.subarray(0, 4), [NaN, Infinity, -Infinity, NaN], "bad numbers");
    expect([...actual].some(Number.isFinite)).toBe(false);
  });
});
