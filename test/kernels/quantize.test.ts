// Judges the rounding of activations: all steps are single f32 operations, so the bits are known.
// Does not know: what the integers are multiplied with.

import { beforeEach, describe, expect, it } from "vitest";
import {
  ACTIVATION_GROUP_BYTES, Random, SMALLEST, expectBits, isRelaxed, openKernels, quantizeF32,
  type QuantizedType,
} from "../kernels";
import { ggmlType } from "../reference";
import { rowPacker } from "../rows";

const arena = await openKernels();
const { kernels } = arena;
beforeEach(() => arena.reset());

/** The activation row of blocks.ts. */
interface Row { words: number[]; scales: number[]; starts: number[] }

const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, code) => sum + code, 0);

/** The integers of one group in the order of a build, and where its sums start. */
function packed(codes: number[], type: QuantizedType): { words: number[]; starts: number[] } {
  const steps = [0, 4, 8, 12];
  if (isRelaxed) {
    const half = (first: number): number[] => codes.filter((_, i) => (i & 2) === first);
    return {
      words: steps.flatMap((at) => [...codes.slice(at, at + 4), ...codes.slice(at + 16, at + 20)]),
      starts: [half(0), half(2)].map((part) => -8 * sumOf(part)),
    };
  }
  const pairs = (first: number): number[][] => [0, 16, 1, 17].map((i) =>
    [codes[first + i], codes[first + i + 2]]);
  if (type === ggmlType.Q8_0) {
    // What meets a whole word, and 256 times what meets its lower byte, less that.
    const words = steps.map(pairs).flatMap(([a, b, c, d]) =>
      [...a.map((code, i) => 256 * code - c[i]), ...b.map((code, i) => 256 * code - d[i]), c, d]);
    return { words: words.flat(), starts: [-32768 * sumOf(codes.filter((_, i) => i % 2 === 0))] };
  }
  // Each less 16 times what meets the nibble below.
  const words = steps.map(pairs).flatMap((four) =>
    four.map((pair, n) => pair.map((code, i) => code - (n > 0 ? 16 * four[n - 1][i] : 0))));
  const isTop = (i: number): boolean => i >= 16 && i % 2 === 1;
  return { words: words.flat(), starts: [-8 * sumOf(codes.filter((_, i) => !isTop(i)))] };
}

function expectedRow(x: Float32Array, type: QuantizedType): Row {
  const row: Row = { words: [], scales: [], starts: [] };
  for (let first = 0; first < x.length; first += 32) {
    const { codes, scale } = quantizeF32(x.subarray(first, first + 32));
    const { words, starts } = packed(codes, type);
    row.words.push(...words);
    row.scales.push(Math.fround(scale * 2 ** 56));
    row.starts.push(...starts.map((start) => start + 0));
  }
  return row;
}

function actualRow(x: Float32Array, type: QuantizedType): Row & { scaleBits: Float32Array } {
  arena.reset();
  const groups = x.length / 32;
  const source = arena.putF32(x);
  const target = arena.take(groups * ACTIVATION_GROUP_BYTES);
  rowPacker(kernels, type)(target, source, x.length, 4);
  expectInTurn(source, x.length, type, target);
  arena.check();
  const row: Row = { words: [], scales: [], starts: [] };
  for (let at = target; row.scales.length < groups; at += ACTIVATION_GROUP_BYTES) {
    const scaleAt = at + ACTIVATION_GROUP_BYTES - 4;
    row.starts.push(...isRelaxed ? arena.getI16(at, 2) : arena.getI32(at, 1));
    row.words.push(...isRelaxed ? arena.getI8(at + 4, 32) : arena.getI16(at + 4, 32));
    row.scales.push(...arena.getF32(scaleAt, 1));
  }
  return { ...row, scaleBits: Float32Array.from(row.scales) };
}

/** The same row as the third of four whose words lie in turn: the same words, and no other. */
function expectInTurn(source: number, columns: number, type: QuantizedType, row: number): void {
  const words = (columns / 32) * ACTIVATION_GROUP_BYTES / 4;
  const four = arena.take(words * 16);
  rowPacker(kernels, type)(four + 8, source, columns, 16);
  const all = arena.getI32(four, words * 4);
  expect(all.filter((_, i) => i % 4 === 2)).toEqual(arena.getI32(row, words));
  expect(all.every((word, i) => i % 4 === 2 || word === -1)).toBe(true);
}

function judgeRow(x: Float32Array, type: QuantizedType, what: string): void {
  const actual = actualRow(x, type);
  const expected = expectedRow(x, type);
  expect(actual.words, what).toEqual(expected.words.map((word) => word + 0));
  expectBits(actual.scaleBits, expected.scales, what);
  expect(actual.starts, what).toEqual(expected.starts.map((start) => start + 0));
}

describe.each([["Q4", ggmlType.Q4_0], ["Q8", ggmlType.Q8_0]] as const)("rows for %s", (_, type) => {
  const judge = (x: Float32Array, what: string): void => judgeRow(x, type, what);

  it("packs rows of 1 to 48 groups of every magnitude", () => {
    const random = new Random(4);
    for (let groups = 1; groups <= 48; groups++) {
      judge(random.floats(groups * 32, 2 ** random.whole(-31, 60)), `${groups} groups`);
      const mixed = random.floats(groups * 32);
      judge(mixed.map((value, i) => value * 2 ** ((i >> 5) * 2 - 40)), `${groups} mixed groups`);
    }
  });

  it("finds the largest magnitude wherever it stands, of either sign", () => {
    for (let place = 0; place < 32; place++) {
      for (const sign of [1, -1]) {
        const x = Float32Array.from({ length: 32 }, (_, i) => (i === place ? sign * 127 : i));
        judge(x, `place ${place}`);
        expect(actualRow(x, type).scales).toEqual([2 ** 56]);
      }
    }
  });

  it("rounds halves to the even neighbour", () => {
    const x = Float32Array.from({ length: 32 }, (_, i) => i - 15.5);
    x[31] = 127;
    judge(x, "halves");
    const { codes } = quantizeF32(x);
    expect(codes.slice(13, 20).map((code) => code + 0)).toEqual([-2, -2, 0, 0, 2, 2, 4]);
  });

  it("counts groups below 2^-32 as zero, and 2^-32 itself not", () => {
    judge(new Float32Array(32), "zeros");
    judge(new Float32Array(32).fill(-0), "negative zeros");
    const below = Math.fround(SMALLEST * (1 - 2 ** -24));
    for (const value of [2 ** -149, below, SMALLEST]) {
      const x = new Float32Array(32).fill(value);
      judge(x, `all ${value}`);
      expect(actualRow(x, type).scales[0] > 0).toBe(value >= SMALLEST);
    }
  });

  it("hands NaN and infinity to the scale of their own group only", () => {
    for (const bad of [NaN, Infinity, -Infinity]) {
      for (const place of [32, 37, 63]) {
        const x = new Random(place).floats(96);
        x[place] = bad;
        const { scales, words } = actualRow(x, type);
        expect(Number.isFinite(scales[1])).toBe(false);
        expect(words.slice(32, 64).every((word) => word === 0)).toBe(true);
        expect(Number.isFinite(scales[0]) && Number.isFinite(scales[2])).toBe(true);
      }
    }
  });

  it("loses at most half a step, and 2^-15 of one to rounding", () => {
    const random = new Random(5);
    for (let round = 0; round < 200; round++) {
      const x = random.floats(32, 10 ** random.whole(-8, 8));
      const { codes, scale } = quantizeF32(x);
      // x · inverse carries three roundings of a number up to 127: 127 · 3 · 2^-24 < 2^-15.
      x.forEach((value, i) => {
        expect(Math.abs(value - scale * codes[i])).toBeLessThanOrEqual(scale * (0.5 + 2 ** -15));
      });
      judge(x, `round ${round}`);
    }
  });
});

/** [headSize, headStride] */
const HEADS = [[4, 16], [8, 16], [12, 16], [16, 16], [64, 64], [80, 80], [100, 112]];

describe("quantizeHead and quantizeQuery", () => {
  function both(x: Float32Array, stride: number): { codes: number[][]; scales: number[] } {
    arena.reset();
    const source = arena.putF32(x);
    const head = arena.take(stride);
    const query = arena.take(stride * 2);
    const scales = [kernels.quantizeHead(head, source, x.length, stride),
      kernels.quantizeQuery(query, source, x.length, stride)];
    arena.check();
    return { codes: [[...arena.getI8(head, stride)], [...arena.getI16(query, stride)]], scales };
  }

  it("round whole head vectors and zero what lies behind", () => {
    const random = new Random(6);
    for (const [size, stride] of HEADS) {
      for (const x of [random.floats(size, 10 ** random.whole(-6, 6)), new Float32Array(size),
        new Float32Array(size).fill(-(2 ** -33)), new Float32Array(size).fill(SMALLEST)]) {
        const wanted = [127, 32767].map((levels) => quantizeF32(x, levels));
        const padding = Array<number>(stride - size).fill(0);
        expect(both(x, stride)).toEqual({
          codes: wanted.map(({ codes }) => [...codes.map((code) => code + 0), ...padding]),
          scales: wanted.map(({ scale }) => scale),
        });
      }
    }
  });

  it("return a scale that is not finite for NaN and infinity, without a trap", () => {
    for (const [size, stride] of HEADS) {
      for (const bad of [NaN, Infinity, -Infinity]) {
        const x = new Random(size).floats(size);
        x[size - 1] = bad;
        const { codes, scales } = both(x, stride);
        expect(scales.some(Number.isFinite)).toBe(false);
        expect(codes.flat().every((code) => code === 0)).toBe(true);
      }
    }
  });
});

describe("quantizeKey", () => {
  function keep(x: Float32Array, first: Float32Array, stride: number) {
    arena.reset();
    const target = arena.take(stride);
    const scale = kernels.quantizeKey(target, arena.putF32(x), arena.putF32(first),
      arena.take(x.length * 4), x.length, stride);
    arena.check();
    return { codes: [...arena.getI8(target, stride)], scale };
  }

  it("keeps the smaller of the key and its difference from the first", () => {
    const random = new Random(8);
    const kept = { plain: 0, difference: 0 };
    for (const [size, stride] of HEADS) {
      for (let round = 0; round < 20; round++) {
        const constant = random.floats(size, round % 2 === 0 ? 10 : 0.1);
        const [first, x] = [0, 1].map(() => random.floats(size).map((v, i) => v + constant[i]));
        const difference = x.map((value, i) => value - first[i]);
        const largest = (values: Float32Array): number => Math.max(...values.map(Math.abs));
        const isNear = largest(difference) < largest(x);
        kept[isNear ? "difference" : "plain"]++;
        const { codes, scale } = quantizeF32(isNear ? difference : x);
        const wanted = [...codes.map((code) => code + 0), ...Array<number>(stride - size).fill(0)];
        expect(keep(x, first, stride)).toEqual({ codes: wanted, scale: isNear ? -scale : scale });
      }
    }
    expect(Math.min(kept.plain, kept.difference)).toBeGreaterThan(20);
  });

  it("marks the first key itself with a scale of -0", () => {
    const x = new Random(9).floats(64);
    expect(Object.is(keep(x, x, 64).scale, -0)).toBe(true);
  });

  it("returns a scale that is not finite for NaN and infinity", () => {
    for (const bad of [NaN, Infinity, -Infinity]) {
      const x = new Random(10).floats(8);
      const first = x.slice();
      x[3] = bad;
      expect(Number.isFinite(keep(x, first, 16).scale)).toBe(false);
    }
  });
});
