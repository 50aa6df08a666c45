// Judges matrix times several vectors: bit for bit what matvec gives for each of them alone.
// Does not know: whether matvec is right; its own test does.

import { beforeEach, describe, expect, it } from "vitest";
import {
  ACTIVATION_GROUP_BYTES, KINDS, Random, concat, expectBits, makeBlock, openKernels, packMatrix,
  type PackedMatrix, type QuantizedType,
} from "../kernels";
import { ggmlType, quantize } from "../reference";
import { putTiles, rowPacker } from "../rows";

const arena = await openKernels();
const { kernels } = arena;
beforeEach(() => arena.reset());

/** How far apart rows stand beyond what they need, in bytes. */
interface Gaps { x: number; out: number }

function judge(
  type: QuantizedType, matrix: PackedMatrix, vectors: readonly Float32Array[], gaps: Gaps,
): void {
  arena.reset();
  const { bands, groups } = matrix;
  const xStride = Math.ceil((groups * ACTIVATION_GROUP_BYTES) / 16) * 16 + gaps.x;
  const outStride = bands * 16 + gaps.out;
  const x = putTiles(arena, type, vectors, xStride);
  const row = arena.take(xStride);
  const quants = arena.putBytes(matrix.quants);
  const scales = arena.putBytes(matrix.scales);
  const out = arena.take(outStride * vectors.length);
  const outs = arena.putU32(vectors.map((_, v) => out + v * outStride));
  const alone = arena.take(bands * 16);
  const isNibbles = type === ggmlType.Q4_0;
  const matmul = isNibbles ? kernels.matmulQ4 : kernels.matmulQ8;
  const matvec = isNibbles ? kernels.matvecQ4 : kernels.matvecQ8;
  const panel = arena.take(kernels.panelBytes(groups * 32));
  const units = kernels.matmulUnits(bands);
  // In two parts, as two threads would.
  for (const [from, to] of [[units >> 1, units], [0, units >> 1]] as const) {
    matmul(outs, x, xStride, vectors.length, quants, scales, bands, groups, panel, from, to);
  }
  for (let v = 0; v < vectors.length; v++) {
    rowPacker(kernels, type)(row, arena.putF32(vectors[v]), groups * 32, 4);
    matvec(alone, row, quants, scales, bands, groups, 0, kernels.matvecUnits(bands));
    const what = `vector ${v} of ${vectors.length}, ${bands} bands, ${groups} groups`;
    expectBits(arena.getF32(out + v * outStride, bands * 4), arena.getF32(alone, bands * 4), what);
    const gap = arena.getBytes(out + v * outStride + bands * 16, gaps.out);
    expect(gap.every((byte) => byte === 0xff), `${what}: the gap behind`).toBe(true);
  }
  arena.check();
}

describe.each(KINDS)("matmul of %s", (_, type, bits) => {
  beforeEach(() => void kernels.sumBits(bits));

  it("equals matvec for all shapes and every number of vectors", () => {
    const random = new Random(14);
    for (const rows of [1, 3, 4, 5, 8, 9, 12, 13, 17, 32, 105, 172]) {
      for (const groups of [1, 2, random.whole(3, 48)]) {
        const columns = groups * 32;
        const blocks = quantize(type, random.floats(rows * columns));
        const count = random.whole(1, 10);
        const vectors = Array.from({ length: count }, () =>
          random.floats(columns, 10 ** random.whole(-6, 6)));
        const gaps = { x: random.whole(0, 3) * 16, out: random.whole(0, 3) * 16 };
        judge(type, packMatrix(type, blocks, rows, columns), vectors, gaps);
      }
    }
    for (let count = 1; count <= 32; count++) {
      const blocks = quantize(type, random.floats(9 * 64));
      const vectors = Array.from({ length: count }, () => random.floats(64));
      judge(type, packMatrix(type, blocks, 9, 64), vectors, { x: 0, out: 16 });
    }
  });

  it("equals matvec for the largest sums, odd scales, zeros, NaN and infinity", () => {
    const lowest = type === ggmlType.Q4_0 ? -8 : -128;
    const halves = [0, 0x8000, 1, 0x8001, 0x3ff, 0x8400, 0x7bff, 0xfbff];
    const blocks = concat(Array.from({ length: 9 * 2 }, (_, i) =>
      makeBlock(type, halves[i % halves.length], Array<number>(32).fill(lowest))));
    const vectors = [127, -127, 0, 2 ** -33, 2 ** -32, 1e20].map((value) =>
      new Float32Array(64).fill(value));
    for (const bad of [NaN, Infinity]) {
      const vector = new Float32Array(64).fill(1);
      vector[40] = bad;
      vectors.push(vector);
    }
    judge(type, packMatrix(type, blocks, 9, 64), vectors, { x: 0, out: 0 });
  });

  it("keeps a vector's NaN out of its neighbour", () => {
    const blocks = quantize(type, new Random(15).floats(5 * 32));
    const matrix = packMatrix(type, blocks, 5, 32);
    const clean = new Random(16).floats(32);
    judge(type, matrix, [clean, new Float32Array(32).fill(NaN)], { x: 0, out: 0 });
  });
});
