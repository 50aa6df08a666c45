// Judges scores and weighted values of one head: bits against the order that the headers state,
// and plain f64 sums to show that the order is one of the right numbers.
// Does not know: softmax, which lies between the two, nor which head reads which cache.

import { beforeEach, describe, expect, it } from "vitest";
import {
  ROUNDING, Random, bytesOf, expectBits, expectNear, openKernels, sumLanes,
} from "../kernels";
import { roundHalfToEven } from "../reference";

const arena = await openKernels();
const { kernels } = arena;
const round = Math.fround;
beforeEach(() => arena.reset());

/** [headSize, stride of the int8 cache, stride of the f32 cache] */
const HEADS = [[4, 16, 4], [8, 16, 8], [12, 16, 12], [64, 64, 64], [80, 80, 80], [100, 112, 100]];
/** [first, last]: single positions, both sides of a block's end, later beginnings. */
const RANGES = [[0, 0], [0, 1], [0, 2], [0, 3], [0, 4], [0, 30], [0, 31], [0, 32], [0, 63], [0, 64],
  [0, 100], [1, 1], [3, 40], [5, 5], [31, 31], [31, 32], [32, 32], [33, 95], [40, 200], [64, 127]];

/** The cache has room for whole blocks of 32 positions. */
const roomFor = (last: number): number => (last + 32) & ~31;

/** What a cache of one head holds: plain numbers [position][stride], zeros behind headSize. */
interface Head { headSize: number; stride: number; positions: number; numbers: Float32Array }

function makeHead(
  headSize: number, stride: number, last: number, make: () => number,
): Head {
  const positions = roomFor(last);
  const numbers = new Float32Array(positions * stride);
  for (let t = 0; t < positions; t++) {
    for (let i = 0; i < headSize; i++) numbers[t * stride + i] = make();
  }
  return { headSize, stride, positions, numbers };
}

function everyShape(
  isInt8: boolean, judge: (size: number, stride: number, first: number, last: number) => void,
): void {
  for (const [size, int8Stride, f32Stride] of HEADS) {
    for (const [first, last] of RANGES) judge(size, isInt8 ? int8Stride : f32Stride, first, last);
  }
}

describe("scoresInt8", () => {
  function judge(head: Head, query: number[], scale: number, first: number, last: number): void {
    arena.reset();
    const { stride, positions, numbers } = head;
    const random = new Random(last);
    const base = round(random.uniform() * 8 - 4);
    // About half of the keys are differences from the first one: their scales are negative.
    const scales = Float32Array.from({ length: positions },
      () => random.uniform() * (random.whole(0, 1) === 0 ? 0.1 : -0.1));
    scales[last] = -0;
    const padded = new Int16Array(stride);
    padded.set(query);
    const at = arena.putF32(new Float32Array(positions).fill(NaN));
    kernels.scoresInt8(at, arena.putBytes(bytesOf(padded)), scale, base,
      arena.putBytes(bytesOf(Int8Array.from(numbers))), arena.putF32(scales), first, last, stride);
    arena.check();
    const wanted: number[] = [];
    for (let t = first; t <= last; t++) {
      let sum = 0;
      query.forEach((code, i) => { sum += code * numbers[t * stride + i]; });
      const score = round(round(round(scale) * Math.abs(scales[t])) * round(sum));
      const isDifference = scales[t] < 0 || Object.is(scales[t], -0);
      wanted.push(round(score + (isDifference ? base : 0)));
    }
    const scores = arena.getF32(at, positions);
    expectBits(scores.subarray(first, last + 1), wanted, `positions ${first}..${last}`);
    // Up to three neighbours on each side may be written, no more.
    const isUntouched = (t: number): boolean => t >= (first & ~3) && t <= (last | 3)
      || Number.isNaN(scores[t]);
    expect([...scores.keys()].every(isUntouched)).toBe(true);
  }

  it("gives one exact integer times its scales", () => {
    const random = new Random(20);
    everyShape(true, (size, stride, first, last) => {
      const head = makeHead(size, stride, last, () => random.whole(-127, 127));
      const query = Array.from({ length: size }, () => random.whole(-32767, 32767));
      judge(head, query, random.uniform() / size, first, last);
    });
  });

  it("holds the largest sums", () => {
    for (const [size, stride] of HEADS) {
      const query = Array<number>(size).fill(-32767);
      judge(makeHead(size, stride, 33, () => 127), query, 1, 0, 33);
      judge(makeHead(size, stride, 33, () => -127), query, 1e-30, 5, 33);
    }
  });

  it("lets a query's or a key's scale that is not finite through", () => {
    for (const [scale, keyScale] of [[NaN, 1], [1, NaN], [Infinity, 1], [1, Infinity]]) {
      arena.reset();
      const scores = arena.take(128);
      kernels.scoresInt8(scores, arena.putBytes(new Uint8Array(32)), scale, 0,
        arena.putBytes(new Uint8Array(16 * 32)),
        arena.putF32(new Float32Array(32).fill(keyScale)), 0, 6, 16);
      expect([...arena.getF32(scores, 7)].some(Number.isFinite)).toBe(false);
    }
  });
});

describe("scoresF32", () => {
  it("sums four lanes over the head, then scales", () => {
    const random = new Random(21);
    everyShape(false, (size, stride, first, last) => {
      arena.reset();
      const head = makeHead(size, stride, last, () => random.bell());
      const query = random.floats(stride);
      const scale = round(1 / Math.sqrt(size));
      const at = arena.take(head.positions * 4);
      kernels.scoresF32(at, arena.putF32(query), scale, arena.putF32(head.numbers),
        first, last, stride);
      arena.check();
      const scores = arena.getF32(at, head.positions);
      for (let t = first; t <= last; t++) {
        const lanes = [0, 0, 0, 0];
        let exact = 0;
        let bound = 0;
        for (let i = 0; i < stride; i++) {
          const product = query[i] * head.numbers[t * stride + i];
          lanes[i % 4] = round(lanes[i % 4] + round(product));
          exact += product * scale;
          bound += Math.abs(product * scale);
        }
        expectBits(scores.subarray(t, t + 1), [sumLanes(lanes) * scale], `position ${t}`);
        // A rounding for the product, stride / 4 in the lane, two for the lanes, one for the scale.
        expectNear([scores[t]], [exact], () => (stride / 4 + 4) * ROUNDING * bound, "in f64");
      }
      const outside = scores.filter((_, t) => t < first || t > last);
      expect(outside.every(Number.isNaN)).toBe(true);
    });
  });
});

/** What a kernel of values starts from: as softmax leaves it, zero outside first..last. */
function makeChances(head: Head, first: number, last: number, random: Random): Float32Array {
  return Float32Array.from({ length: head.positions }, (_, t) =>
    (t < first || t > last ? 0 : Math.exp(-8 * random.uniform())));
}

const sumOf = (values: Float32Array): number => round(values.reduce((a, b) => a + b, 0));

/** Σ weights · values / sum in f64, and the same with all magnitudes. */
function exactValues(
  head: Head, weights: ArrayLike<number>, sum: number, first: number, last: number,
): { exact: Float64Array; bounds: Float64Array } {
  const exact = new Float64Array(head.stride);
  const bounds = new Float64Array(head.stride);
  for (let i = 0; i < head.stride; i++) {
    for (let t = first; t <= last; t++) {
      const term = (weights[t] * head.numbers[t * head.stride + i]) / sum;
      exact[i] += term;
      bounds[i] += Math.abs(term);
    }
  }
  return { exact, bounds };
}

/** One block of weighValues: w = round(p · scale · 32767 / m), and m / 32767. */
function weighBlock(
  p: Float32Array, scales: Float32Array,
): { weights: number[]; scale: number } {
  const products = Array.from(p, (chance, t) => (chance > 0 ? round(chance * scales[t]) : 0));
  const largest = Math.max(...products);
  if (largest < 2 ** -100) return { weights: products.map(() => 0), scale: 0 };
  const inverse = round(32767 / largest);
  const weights = products.map((product) => roundHalfToEven(round(product * inverse)));
  return { weights, scale: round(largest / 32767) };
}

interface Weighed { weights: number[]; blockScales: number[] }

function weigh(
  p: Float32Array, scales: Float32Array, first: number, last: number,
): { actual: Weighed; expected: Weighed; weightsAt: number; blockScalesAt: number } {
  const blocks = p.length / 32;
  const weightsAt = arena.take(p.length * 2);
  const blockScalesAt = arena.take(blocks * 4);
  kernels.weighValues(weightsAt, blockScalesAt, arena.putF32(p), arena.putF32(scales),
    first, last);
  arena.check();
  const expected: Weighed = { weights: [], blockScales: [] };
  for (let at = first & ~31; at < p.length; at += 32) {
    const block = weighBlock(p.subarray(at, at + 32), scales.subarray(at, at + 32));
    expected.weights.push(...block.weights);
    expected.blockScales.push(block.scale);
  }
  const actual = {
    weights: [...arena.getI16(weightsAt, p.length)].slice(first & ~31),
    blockScales: [...arena.getF32(blockScalesAt, blocks)].slice(first >> 5),
  };
  return { actual, expected, weightsAt, blockScalesAt };
}

describe("weighValues", () => {
  it("gives each block 16-bit weights and a scale, exactly", () => {
    const random = new Random(24);
    for (const [first, last] of RANGES) {
      for (const exponent of [-149, -110, -100, -30, 0, 30]) {
        arena.reset();
        const head = makeHead(1, 1, last, () => 0);
        const p = makeChances(head, first, last, random);
        const scales = p.map(() => random.uniform() * 2 ** exponent);
        const { actual, expected } = weigh(p, scales, first, last);
        expect(actual).toEqual(expected);
      }
    }
  });

  it("takes cache beyond the last position for nothing, even NaN", () => {
    const p = new Float32Array(32).fill(0.5, 3, 9);
    const scales = new Float32Array(32).fill(NaN).fill(0.25, 3, 9);
    const { actual } = weigh(p, scales, 3, 8);
    expect(actual.weights).toEqual(Array.from(p, (chance) => (chance > 0 ? 32767 : 0)));
    expect(actual.blockScales).toEqual([round(0.125 / 32767)]);
  });
});

/** Exact integers in a block, one rounding to f32, blocks in order; at last 1 / sum. */
function emulateInt8(
  head: Head, { weights, blockScales }: Weighed, sum: number, first: number,
): number[] {
  const start = first & ~31;
  return Array.from({ length: head.stride }, (_, i) => {
    let total = 0;
    blockScales.forEach((scale, block) => {
      let integer = 0;
      for (let t = block * 32; t < block * 32 + 32; t++) {
        integer += weights[t] * head.numbers[(start + t) * head.stride + i];
      }
      total = round(total + round(scale * round(integer)));
    });
    return round(total * round(1 / sum));
  });
}

describe("valuesInt8", () => {
  function judge(
    head: Head, p: Float32Array, scales: Float32Array, first: number, last: number,
  ): void {
    arena.reset();
    const { stride, headSize, numbers } = head;
    const { actual: weighed, weightsAt, blockScalesAt } = weigh(p, scales, first, last);
    const sum = sumOf(p);
    // Just room for the head: what lies behind it belongs to the next one.
    const out = arena.take(headSize * 4);
    const values = arena.putBytes(bytesOf(Int8Array.from(numbers)));
    kernels.valuesInt8(out, weightsAt, blockScalesAt, sum, values, first, last, headSize, stride);
    arena.check();
    const actual = arena.getF32(out, headSize);
    const what = `head size ${headSize}, positions ${first}..${last}`;
    expectBits(actual, emulateInt8(head, weighed, sum, first).slice(0, headSize), what);
    const products = Float64Array.from(p, (chance, t) => chance * scales[t]);
    const { exact, bounds } = exactValues(head, products, sum, first, last);
    // A weight is off by half a step and 2^-8 of one to roundings; a value is 127 at most. What
    // is left: a rounding each for product, scale, integer, its product, 1 / sum and the last
    // product, and one for each block.
    let steps = 0;
    for (let t = first; t <= last; t++) steps += weighed.blockScales[(t >> 5) - (first >> 5)];
    const roundings = 7 + weighed.blockScales.length;
    expectNear(actual, exact.slice(0, headSize), (i) => (0.5 + 2 ** -8) * 127 * (steps / sum)
      + roundings * ROUNDING * bounds[i], `${what} in f64`);
  }

  it("sums blocks of 32 absolute positions as integers, then the blocks", () => {
    const random = new Random(22);
    everyShape(true, (size, stride, first, last) => {
      const head = makeHead(size, stride, last, () => random.whole(-127, 127));
      const p = makeChances(head, first, last, random);
      judge(head, p, p.map(() => random.uniform()), first, last);
    });
  });

  it("holds the largest sums", () => {
    for (const value of [127, -127]) {
      const head = makeHead(64, 64, 95, () => value);
      judge(head, new Float32Array(96).fill(1), new Float32Array(96).fill(1e30), 0, 95);
    }
  });

  it("lets a sum or a scale of an attended value that is not finite through", () => {
    for (const place of [0, 3, 30, 31, 33]) {
      for (const bad of [NaN, Infinity]) {
        for (const where of ["sum", "scale"]) {
          arena.reset();
          const p = new Float32Array(64).fill(1, 0, 34);
          const scales = new Float32Array(64).fill(1);
          if (where === "scale") scales[place] = bad;
          const { weightsAt, blockScalesAt } = weigh(p, scales, 0, 33);
          const out = arena.take(64);
          const values = arena.putBytes(new Uint8Array(64 * 16));
          const sum = where === "sum" ? NaN : 34;
          kernels.valuesInt8(out, weightsAt, blockScalesAt, sum, values, 0, 33, 16, 16);
          expect([...arena.getF32(out, 16)].some(Number.isFinite), `${where} ${bad} at ${place}`)
            .toBe(false);
        }
      }
    }
  });
});

/** Blocks of 32 positions in f32, then the blocks; at last 1 / sum. */
function emulateF32(
  head: Head, weights: ArrayLike<number>, sum: number, first: number, last: number,
): number[] {
  return Array.from({ length: head.stride }, (_, i) => {
    let total = 0;
    for (let t = first; t <= last;) {
      let block = 0;
      const end = Math.min(last + 1, (t & ~31) + 32);
      for (; t < end; t++) {
        block = round(block + round(weights[t] * head.numbers[t * head.stride + i]));
      }
      total = round(total + block);
    }
    return round(total * round(1 / sum));
  });
}

describe("valuesF32", () => {
  function judge(head: Head, p: Float32Array, first: number, last: number): void {
    arena.reset();
    const { stride } = head;
    const sum = sumOf(p);
    const out = arena.take(stride * 4);
    kernels.valuesF32(out, arena.putF32(p), sum, arena.putF32(head.numbers), first, last, stride);
    arena.check();
    const actual = arena.getF32(out, stride);
    const what = `head size ${head.headSize}, positions ${first}..${last}`;
    expectBits(actual, emulateF32(head, p, sum, first, last), what);
    const { exact, bounds } = exactValues(head, p, sum, first, last);
    // A rounding each for the product, 1 / sum and the last product; 32 at most in a block, one
    // more for each block.
    const count = last - first + 1;
    const roundings = 3 + Math.min(32, count) + Math.ceil(count / 32) + 1;
    expectNear(actual, exact, (i) => roundings * ROUNDING * bounds[i], `${what} in f64`);
  }

  it("sums blocks of 32 absolute positions, then the blocks", () => {
    const random = new Random(23);
    everyShape(false, (size, stride, first, last) => {
      const head = makeHead(size, stride, last, () => random.bell());
      judge(head, makeChances(head, first, last, random), first, last);
    });
  });

  it("returns a lone position's value as it is", () => {
    for (const position of [0, 31, 32, 77]) {
      arena.reset();
      const head = makeHead(64, 64, position, () => 0.1);
      const p = new Float32Array(head.positions).fill(1);
      const out = arena.take(256);
      kernels.valuesF32(out, arena.putF32(p), 1, arena.putF32(head.numbers),
        position, position, 64);
      expectBits(arena.getF32(out, 64), Array<number>(64).fill(0.1), `position ${position}`);
    }
  });

  it("lets NaN and infinity through", () => {
    for (const [weight, value, sum] of [[NaN, 1, 1], [1, NaN, 1], [1, Infinity, 1], [1, 1, NaN]]) {
      arena.reset();
      const out = arena.take(16);
      const values = arena.putF32([1, 1, 1, 1, value, value, value, value]);
      kernels.valuesF32(out, arena.putF32([1, weight]), sum, values, 0, 1, 4);
      expect([...arena.getF32(out, 4)].some(Number.isFinite)).toBe(false);
    }
  });
});
