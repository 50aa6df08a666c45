// Judges the two forms of the relaxed build's products, sums of 16 and of 32 bits: each against
// plain integers, for every sum that a group of activations can have; and what chooses one.
// Does not know: what a processor makes of either.

import { beforeEach, describe, expect, it } from "vitest";
import {
  ACTIVATION_GROUP_BYTES, Random, concat, isRelaxed, kernelBytes, makeBlock, openKernels,
  packMatrix, type Kernels,
} from "../kernels";
import { ggmlType } from "../reference";
import { putTiles } from "../rows";

const arena = await openKernels();
const { kernels } = arena;
beforeEach(() => arena.reset());

const ROWS = 22; // six bands: four together, and two that are left over
const HALF_ONE = 0x3c00;

/** Weights of a group of each row: the smallest, the largest, both in each way, then any. */
const random = new Random(31);
const codes = Array.from({ length: ROWS }, (_, row) => Array.from({ length: 32 }, (_, i) => {
  const isHigh = [() => false, () => true, () => i % 2 === 0, () => i % 2 === 1, () => i < 16,
    () => i >= 16, () => i % 4 < 2, () => i % 8 < 4][row];
  if (isHigh) return isHigh() ? 7 : -8;
  return random.whole(-8, 7);
}));
const matrix = packMatrix(ggmlType.Q4_0,
  concat(codes.map((row) => makeBlock(ggmlType.Q4_0, HALF_ONE, row))), ROWS, 32);

/** A group of this sum: ±127 as far as that goes, then what is left, then zeros. */
function groupOf(sum: number): number[] {
  const sign = Math.sign(sum) || 1;
  let rest = Math.abs(sum);
  const group = Array.from({ length: 32 }, () => {
    const part = Math.min(127, rest);
    rest -= part;
    return part * sign;
  });
  // One of the largest size keeps the scale at 1: with another of the other sign nothing changes.
  if (Math.abs(sum) < 127) group.splice(30, 2, 127, -127);
  return group;
}

/** Results for vectors of one group each: by matvec one by one, and by matmul. */
function products(vectors: readonly (readonly number[])[]): [alone: number[][], tiled: number[][]] {
  arena.reset();
  const { bands } = matrix;
  const stride = Math.ceil(ACTIVATION_GROUP_BYTES / 16) * 16;
  const floats = vectors.map((vector) => Float32Array.from(vector));
  const x = putTiles(arena, ggmlType.Q4_0, floats, stride);
  const row = arena.take(stride);
  const quants = arena.putBytes(matrix.quants);
  const scales = arena.putBytes(matrix.scales);
  const panel = arena.take(kernels.panelBytes(32));
  const out = arena.take(bands * 16 * vectors.length);
  const outs = arena.putU32(vectors.map((_, v) => out + v * bands * 16));
  kernels.matmulQ4(outs, x, stride, vectors.length, quants, scales, bands, 1, panel, 0,
    kernels.matmulUnits(bands));
  const tiled = vectors.map((_, v) => [...arena.getF32(out + v * bands * 16, ROWS)]);
  const alone = floats.map((vector) => {
    kernels.quantizeRow(row, arena.putF32(vector), 32, 4);
    kernels.matvecQ4(out, row, quants, scales, bands, 1, 0, kernels.matvecUnits(bands));
    return [...arena.getF32(out, ROWS)];
  });
  arena.check();
  return [alone, tiled];
}

describe.each(isRelaxed ? [16, 32] : [32])("sums of %i bits", (bits) => {
  beforeEach(() => void kernels.sumBits(bits));

  it("are the integers', whatever a group's sum, for 1 to 32 vectors", () => {
    const limit = 32 * 127;
    let count = 1;
    for (let sum = -limit; sum <= limit; sum += count, count = (count % 32) + 1) {
      const vectors = Array.from({ length: Math.min(count, limit - sum + 1) }, (_, i) => {
        const group = groupOf(sum + i);
        return i % 2 ? group.reverse() : group;
      });
      const wanted = vectors.map((vector) => codes.map((row) =>
        row.reduce((total, code, i) => total + code * vector[i], 0)));
      const [alone, tiled] = products(vectors);
      if (JSON.stringify(alone) !== JSON.stringify(wanted)) expect(alone).toEqual(wanted);
      if (JSON.stringify(tiled) !== JSON.stringify(wanted)) expect(tiled).toEqual(wanted);
    }
  });

  it("are the integers' for the largest products of either sign in every pattern", () => {
    const vectors = codes.map((row) => row.map((code): number => (code < 0 ? -127 : 127)));
    vectors.push(...vectors.map((vector) => vector.map((x) => -x)));
    const wanted = vectors.map((vector) => codes.map((row) =>
      row.reduce((total, code, i) => total + code * vector[i], 0)));
    for (let from = 0; from < vectors.length; from += 32) {
      const [alone, tiled] = products(vectors.slice(from, from + 32));
      expect(alone).toEqual(wanted.slice(from, from + 32));
      expect(tiled).toEqual(wanted.slice(from, from + 32));
    }
  });

  it("stay when they were asked for, and their known answer is right", () => {
    expect(kernels.areSumsRight()).toBe(1);
    expect(kernels.sumBits(0)).toBe(bits);
  });
});

it("have 32 bits where four products are summed at once", () => {
  // Activations 127, 127, -128, -128 against weights 255, 255, 128, 128, with and without a sign.
  const sum = (weights: [number, number], limit: (pair: number) => number): number =>
    limit(2 * 127 * weights[0]) + limit(2 * -128 * weights[1]);
  const exactly = (pair: number): number => pair;
  const wrapped = (pair: number): number => (pair << 16) >> 16;
  const saturated = (pair: number): number => Math.max(-32768, Math.min(32767, pair));
  const isTaken = (result: number): boolean => kernels.isExact(result) === 1;
  expect(isTaken(sum([-1, -128], exactly))).toBe(true); // sdot
  expect(isTaken(sum([255, 128], exactly))).toBe(true); // vpdpbusd
  expect(isTaken(sum([255, 128], saturated))).toBe(false); // vpmaddubsw, vpmaddwd
  expect(isTaken(sum([-1, -128], wrapped))).toBe(false); // smull, addp, saddlp
  expect(isTaken(sum([-1, -128], saturated))).toBe(false);
  expect(isTaken(2 * sum([-1, -128], exactly))).toBe(false);
});

describe.skipIf(!isRelaxed)("an engine", () => {
  /** The kernels with other bytes in these bytes' place, as if an engine erred in them. */
  async function withBytes(old: string, changed: string): Promise<Kernels> {
    const program = Buffer.from(await kernelBytes()).toString("hex");
    // Bytes begin at even places.
    const pieces = program.match(/../g)!.join(" ").split(old);
    expect(pieces.length).toBeGreaterThan(1);
    const bytes = Buffer.from(pieces.join(changed).replaceAll(" ", ""), "hex");
    return (await WebAssembly.instantiate(bytes)).instance.exports as unknown as Kernels;
  }

  it("that errs in the product with 32-bit sums gets the other one", async () => {
    const wrong = await withBytes("fd 93 02", "fd 85 02"); // into f32x4.relaxed_madd
    expect(wrong.areSumsRight()).toBe(1);
    wrong.chooseSums();
    expect(wrong.sumBits(0)).toBe(16);
    wrong.sumBits(32);
    expect(wrong.areSumsRight()).toBe(0);
  });

  it("that errs in the product with 16-bit sums is refused when it takes that", async () => {
    const wrong = await withBytes("fd 92 02", "fd 91 02"); // into i16x8.relaxed_q15mulr_s
    wrong.sumBits(16);
    expect(wrong.areSumsRight()).toBe(0);
    wrong.sumBits(32);
    expect(wrong.areSumsRight()).toBe(1);
  });

  it("that sums at once gets sums of 32 bits", async () => {
    // What sdot answers is taken to be what others do: -1 or, at first on arm64, -33,022.
    const bits = await Promise.all(["41 ff ff 7f", "41 82 fe 7d"].map(async (answer) => {
      const other = await withBytes("41 82 fe 01", answer);
      expect(other.areSumsRight()).toBe(1);
      return other.sumBits(0);
    }));
    expect(Math.max(...bits)).toBe(32);
  });
});
