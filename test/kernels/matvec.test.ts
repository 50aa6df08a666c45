// Judges matrix times vector: integer sums are exact and every float step is known, so the bits
// are; plain f64 sums show that the steps are the right ones.
// Does not know: which matrix of a model is multiplied.

import { beforeEach, describe, expect, it } from "vitest";
import {
  ACTIVATION_GROUP_BYTES, KINDS, ROUNDING, Random, concat, expectBits, expectNear, makeBlock,
  openKernels, packMatrix, quantizeF32, sumLanes, type PackedMatrix, type QuantizedType,
} from "../kernels";
import { dequantize, ggmlType, quantize } from "../reference";
import { rowPacker } from "../rows";

const arena = await openKernels();
const { kernels } = arena;
const round = Math.fround;
beforeEach(() => arena.reset());

/** The emulation of the header: groups ascending, (scale_w · scale_x) · sum, all in f32. */
function emulate(matrix: PackedMatrix, x: Float32Array, type: QuantizedType): number[] {
  const { bands, groups, codes, scaleValues } = matrix;
  // Scales carry 2^-112 and 2^56, integer sums themselves or 256 times; the end undoes both.
  const factor = type === ggmlType.Q4_0 ? 1 : 256;
  const activations = Array.from({ length: groups }, (_, g) =>
    quantizeF32(x.subarray(g * 32, g * 32 + 32)));
  return Array.from({ length: bands * 4 }, (_, row) => {
    let total = 0;
    activations.forEach(({ codes: xCodes, scale }, group) => {
      const at = (row * groups + group) * 32;
      const sum = xCodes.reduce((part, code, i) => part + code * codes[at + i], 0);
      const scales = round(scaleValues[row * groups + group] * 2 ** -112
        * round(scale * 2 ** 56));
      total = round(total + round(scales * (sum * factor)));
    });
    return round(total * (2 ** 56 / factor));
  });
}

function multiply(matrix: PackedMatrix, x: Float32Array, type: QuantizedType): Float32Array {
  arena.reset();
  const { bands, groups } = matrix;
  const source = arena.putF32(x);
  const row = arena.take(groups * ACTIVATION_GROUP_BYTES);
  rowPacker(kernels, type)(row, source, x.length, 4);
  const quants = arena.putBytes(matrix.quants);
  const scales = arena.putBytes(matrix.scales);
  const out = arena.take(bands * 16);
  const matvec = type === ggmlType.Q4_0 ? kernels.matvecQ4 : kernels.matvecQ8;
  // In two parts, as two threads would: what each writes is its own.
  const units = kernels.matvecUnits(bands);
  const middle = units >> 1;
  matvec(out, row, quants, scales, bands, groups, middle, units);
  matvec(out, row, quants, scales, bands, groups, 0, middle);
  arena.check();
  return arena.getF32(out, bands * 4);
}

/** Bits against the emulation, and the value against f64 over the exact weights. */
function judge(
  type: QuantizedType, blocks: Uint8Array, x: Float32Array, rows: number,
): Float32Array {
  const columns = x.length;
  const matrix = packMatrix(type, blocks, rows, columns);
  const actual = multiply(matrix, x, type);
  const what = `${rows} x ${columns}`;
  // A row of zeros sums +0 and -0 to either; the sign is not part of the contract.
  expectBits(actual.map((v) => v + 0), emulate(matrix, x, type).map((v) => v + 0), what);
  const weights = dequantize(type, blocks, rows * columns);
  const sums = new Float64Array(rows);
  const bounds = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    for (let group = 0; group < columns / 32; group++) {
      const { codes, scale } = quantizeF32(x.subarray(group * 32, group * 32 + 32));
      let sum = 0;
      codes.forEach((code, i) => {
        sum += weights[row * columns + group * 32 + i] * code * scale;
      });
      sums[row] += sum;
      bounds[row] += Math.abs(sum);
    }
  }
  // Each group meets two roundings of its own and one for every later addition.
  expectNear(actual.subarray(0, rows), sums,
    (row) => (columns / 32 + 3) * ROUNDING * bounds[row] + 2 ** -149, `${what} in f64`);
  return actual;
}

describe.each(KINDS)("matvec of %s", (_, type, bits) => {
  beforeEach(() => void kernels.sumBits(bits));

  it("multiplies random matrices of all shapes", () => {
    const random = new Random(7);
    const rowCounts = [1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 20, 23, 31, 64, 105, 172];
    for (const rows of rowCounts) {
      for (const groups of [1, 2, 3, random.whole(4, 48)]) {
        const columns = groups * 32;
        const blocks = quantize(type, random.floats(rows * columns, 10 ** random.whole(-3, 2)));
        judge(type, blocks, random.floats(columns, 10 ** random.whole(-4, 4)), rows);
      }
    }
    for (let groups = 1; groups <= 48; groups++) {
      const blocks = quantize(type, random.floats(9 * groups * 32, 0.05));
      judge(type, blocks, random.floats(groups * 32), 9);
    }
  });

  it("holds the largest integer sums there can be", () => {
    const lowest = type === ggmlType.Q4_0 ? -8 : -128;
    const highest = type === ggmlType.Q4_0 ? 7 : 127;
    for (const sign of [1, -1]) {
      for (const half of [0x7bff, 0xfbff, 0x3c00]) {
        const blocks = concat(Array.from({ length: 17 * 3 }, (_, i) =>
          makeBlock(type, half, Array<number>(32).fill(i % 2 ? lowest : highest))));
        judge(type, blocks, new Float32Array(96).fill(sign * 127), 17);
      }
    }
    // The largest of one sign in the first half, of the other in the second, and by turns.
    for (const pattern of [(i: number) => i < 16, (i: number) => i % 2 === 0]) {
      const codes = Array.from({ length: 32 }, (_, i) => (pattern(i) ? lowest : highest));
      const x = Float32Array.from({ length: 32 }, (_, i) => (pattern(i) ? -127 : 127));
      judge(type, concat(Array.from({ length: 5 }, () => makeBlock(type, 0x3c00, codes))), x, 5);
    }
  });

  it("takes subnormal, negative, zero and largest scales in one matrix", () => {
    const random = new Random(8);
    const halves = [0, 0x8000, 1, 0x8001, 0x3ff, 0x83ff, 0x400, 0x8400, 0x7bff, 0xfbff, 0x2e66];
    const limit = type === ggmlType.Q4_0 ? 8 : 128;
    for (const amplitude of [2 ** -32, 2 ** -31, 1e-5, 1, 1e5, 1e15]) {
      for (const groups of [1, 5]) {
        const blocks = concat(Array.from({ length: 21 * groups }, (_, i) => {
          const codes = Array.from({ length: 32 }, () => random.whole(-limit, limit - 1));
          return makeBlock(type, halves[i % halves.length], codes);
        }));
        judge(type, blocks, random.floats(groups * 32, amplitude), 21);
      }
    }
  });
});

describe.each(KINDS)("matvec of %s, one by one", (_, type, bits) => {
  beforeEach(() => void kernels.sumBits(bits));

  it("meets every element of a group with its own activation", () => {
    for (let i = 0; i < 32; i++) {
      const codes = Array<number>(32).fill(0);
      codes[i] = 3;
      const x = Float32Array.from({ length: 32 }, (_, j) => (j === 5 ? 127 : j + 1));
      const [value] = judge(type, makeBlock(type, 0x3c00, codes), x, 1);
      expect(value).toBe(3 * x[i]);
    }
  });

  it("gives zero for zeros and for what is too small, NaN for NaN and infinity", () => {
    const blocks = quantize(type, new Random(9).floats(9 * 64));
    for (const small of [0, 2 ** -33]) {
      expect([...judge(type, blocks, new Float32Array(64).fill(small), 9)].every((v) => v === 0))
        .toBe(true);
    }
    for (const bad of [NaN, Infinity, -Infinity]) {
      for (const place of [0, 31, 63]) {
        const x = new Random(10).floats(64);
        x[place] = bad;
        const actual = multiply(packMatrix(type, blocks, 9, 64), x, type);
        expect([...actual].some(Number.isFinite)).toBe(false);
      }
    }
  });
});

function emulateF32(weights: Float32Array, x: Float32Array, rows: number): number[] {
  const stride = x.length;
  return Array.from({ length: rows }, (_, row) => {
    const totals = [0, 0, 0, 0];
    for (let from = 0; from < stride; from += 96) {
      const lanes = [0, 0, 0, 0];
      for (let i = from; i < Math.min(stride, from + 96); i++) {
        lanes[i % 4] = round(lanes[i % 4] + round(weights[row * stride + i] * x[i]));
      }
      lanes.forEach((sum, lane) => { totals[lane] = round(totals[lane] + sum); });
    }
    return sumLanes(totals);
  });
}

describe("matvecF32", () => {
  function multiplyF32(weights: Float32Array, x: Float32Array, rows: number): Float32Array {
    arena.reset();
    const source = arena.putF32(x);
    const matrix = arena.putF32(weights);
    const out = arena.take(rows * 4);
    kernels.matvecF32(out, source, matrix, x.length, rows >> 3, rows / 4);
    kernels.matvecF32(out, source, matrix, x.length, 0, rows >> 3);
    arena.check();
    return arena.getF32(out, rows);
  }

  it("sums four lanes over ascending columns, anew after every 96", () => {
    const random = new Random(11);
    for (const rows of [4, 8, 12, 36, 108, 172]) {
      for (const stride of [4, 8, 12, 64, 96, 172, 192, random.whole(20, 200) * 4]) {
        const weights = random.floats(rows * stride, 10 ** random.whole(-10, 10));
        const x = random.floats(stride, 10 ** random.whole(-10, 10));
        const actual = multiplyF32(weights, x, rows);
        expectBits(actual, emulateF32(weights, x, rows), `${rows} x ${stride}`);
        const products = (row: number): number[] =>
          [...x].map((value, i) => value * weights[row * stride + i]);
        const wanted = Array.from({ length: rows }, (_, row) =>
          products(row).reduce((sum, value) => sum + value, 0));
        // One rounding for the product, 24 in its lane, one for each sum of 96, two for the lanes.
        expectNear(actual, wanted, (row) => (24 + Math.ceil(stride / 96) + 3) * ROUNDING
          * products(row).reduce((sum, value) => sum + Math.abs(value), 0), "in f64");
      }
    }
  });

  it("lets NaN and infinity through", () => {
    const weights = new Random(12).floats(8 * 8);
    for (const bad of [NaN, Infinity, -Infinity]) {
      const x = new Random(13).floats(8);
      x[3] = bad;
      expect([...multiplyF32(weights, x, 8)].some(Number.isFinite)).toBe(false);
    }
  });
});
