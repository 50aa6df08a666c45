// Judges embedding rows: code times scale is one rounding, so the bits are known.
// Does not know: tokens.

import { beforeEach, describe, it } from "vitest";
import {
  Random, concat, expectBits, makeBlock, openKernels, packMatrix, type QuantizedType,
} from "../kernels";
import { dequantize, ggmlType, quantize } from "../reference";

const arena = await openKernels();
beforeEach(() => arena.reset());

const KINDS: [name: string, type: QuantizedType][] = [["Q4", ggmlType.Q4_0], ["Q8", ggmlType.Q8_0]];

/** Every row of a matrix of file blocks against the oracle's reading of the same blocks. */
function judge(type: QuantizedType, blocks: Uint8Array, rows: number, columns: number): void {
  arena.reset();
  const packed = packMatrix(type, blocks, rows, columns);
  const quants = arena.putBytes(packed.quants);
  const scales = arena.putBytes(packed.scales);
  const out = arena.take(columns * 4);
  const expected = dequantize(type, blocks, rows * columns);
  const embed = type === ggmlType.Q4_0 ? arena.kernels.embedQ4 : arena.kernels.embedQ8;
  for (let row = 0; row < rows; row++) {
    embed(out, quants, scales, row, packed.groups);
    const wanted = expected.subarray(row * columns, (row + 1) * columns);
    // The oracle multiplies scale by code, the kernel code by scale: zeros have the same sign.
    expectBits(arena.getF32(out, columns), wanted, `row ${row} of ${rows} x ${columns}`);
  }
  arena.check();
}

describe.each(KINDS)("embed%s", (_, type) => {
  it("gives back every row of random matrices", () => {
    const random = new Random(2);
    for (const rows of [1, 2, 3, 4, 5, 7, 8, 9, 105]) {
      for (const groups of [1, 2, 3, 18]) {
        const values = random.floats(rows * groups * 32, 10 ** random.whole(-3, 2));
        judge(type, quantize(type, values), rows, groups * 32);
      }
    }
  });

  it("gives back every code under large, tiny, zero, subnormal and negative scales", () => {
    const codes = type === ggmlType.Q4_0
      ? Array.from({ length: 32 }, (_, i) => (i % 16) - 8)
      : Array.from({ length: 32 }, (_, i) => (i * 37 + 128) % 256 - 128);
    const bits = [0x0000, 0x8000, 0x0001, 0x8001, 0x03ff, 0x0400, 0x8400, 0x3c00, 0xbc00, 0x7bff,
      0xfbff, 0x2e66];
    judge(type, concat(bits.map((half) => makeBlock(type, half, codes))), bits.length, 32);
    judge(type, concat(bits.map((half) => makeBlock(type, half, codes))), 1, bits.length * 32);
  });
});

describe("embedF32", () => {
  it("copies a row with its padding", () => {
    const random = new Random(3);
    for (const [rows, stride] of [[1, 4], [5, 8], [9, 64], [3, 172]]) {
      arena.reset();
      const values = random.floats(rows * stride);
      const weights = arena.putF32(values);
      const out = arena.take(stride * 4);
      for (let row = 0; row < rows; row++) {
        arena.kernels.embedF32(out, weights, row, stride);
        expectBits(arena.getF32(out, stride), values.subarray(row * stride, (row + 1) * stride),
          `row ${row}`);
      }
      arena.check();
    }
  });
});
