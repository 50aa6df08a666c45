// The kernels as tests meet them: the wasm that exports each one, an arena on its memory, matrices
// packed as blocks.ts draws them, and the rounding steps that several emulations share.
// Does not know: the engine's loader or memory plan; the packing here is written on its own, so
// that it can judge. What a kernel should compute stands in that kernel's own test.

import { readFile } from "node:fs/promises";
import { ggmlType, halfToNumber, layoutOf, roundHalfToEven } from "./reference";

/** Whether the kernels of the relaxed build are judged; a run of its own says so. */
export const isRelaxed = process.env["NIBBLE_KERNELS"] === "relaxed";

/** Bytes of one group of an activation row with its scale and its start, as blocks.ts draws it. */
export const ACTIVATION_GROUP_BYTES = isRelaxed ? 40 : 72;

/** The exports of build/kernels.wasm; addresses and counts as the kernels' headers say. */
export interface Kernels {
  readonly memory: WebAssembly.Memory;
  add(x: number, y: number, count: number): void;
  divide(out: number, x: number, divisor: number, count: number): void;
  scoresInt8(
    scores: number, query: number, scale: number, base: number, keys: number, scales: number,
    first: number, last: number, stride: number,
  ): void;
  scoresInt8x3(
    scores: number, scoresStride: number, query: number, factors: number, bases: number,
    keys: number, scales: number, first: number, last: number, stride: number,
  ): void;
  valuesInt8x3(
    outs: number, weights: number, weightsStride: number, blockScales: number,
    scalesStride: number, sums: number, values: number, first: number, last: number,
    headSize: number, stride: number,
  ): void;
  scoresF32(
    scores: number, query: number, scale: number, keys: number,
    first: number, last: number, stride: number,
  ): void;
  weighValues(
    weights: number, blockScales: number, p: number, scales: number, first: number, last: number,
  ): void;
  valuesInt8(
    out: number, weights: number, blockScales: number, sum: number, values: number,
    first: number, last: number, headSize: number, stride: number,
  ): void;
  valuesF32(
    out: number, p: number, sum: number, values: number,
    first: number, last: number, stride: number,
  ): void;
  embedQ4(out: number, quants: number, scales: number, row: number, groups: number): void;
  embedQ8(out: number, quants: number, scales: number, row: number, groups: number): void;
  embedF32(out: number, weights: number, row: number, stride: number): void;
  matmulQ4: Matmul;
  matmulQ8: Matmul;
  matvecQ4: Matvec;
  matvecQ8: Matvec;
  matvecF32(
    out: number, x: number, weights: number, stride: number, from: number, to: number,
  ): void;
  matvecUnits(bands: number): number;
  matmulUnits(bands: number): number;
  panelBytes(columns: number): number;
  quantizeRow(target: number, x: number, columns: number, apart: number): void;
  quantizeRowQ8(target: number, x: number, columns: number, apart: number): void;
  quantizeHead: QuantizeVector;
  quantizeKey(
    target: number, x: number, first: number, difference: number, headSize: number,
    headStride: number,
  ): number;
  quantizeQuery: QuantizeVector;
  rmsnorm(out: number, x: number, gain: number, width: number, epsilon: number): void;
  ropeAngles(table: number, frequencies: number, position: number, pairs: number): void;
  rope(x: number, table: number, heads: number, headSize: number, interleaved: number): void;
  softmax(scores: number, first: number, last: number): number;
  swiglu(gate: number, up: number, count: number): void;
  areSumsRight(): number;
  chooseSums(): void;
  isExact(result: number): number;
  sumBits(bits: number): number;
  exp(x: number): number;
  log(x: number): number;
  sinTurned(x: number, quarterTurns: number): number;
}

type Matvec = (
  out: number, x: number, quants: number, scales: number, bands: number, groups: number,
  from: number, to: number,
) => void;
type Matmul = (
  outs: number, x: number, xStride: number, vectors: number,
  quants: number, scales: number, bands: number, groups: number, panel: number,
  from: number, to: number,
) => void;
type QuantizeVector = (
  target: number, x: number, headSize: number, headStride: number,
) => number;

const START = 1 << 20;
const GUARD = 64;
const GUARD_BYTE = 0x5c;

type Guarded = { at: number; bytes: number };

/** Memory for one test after another, each piece 16-byte aligned and guarded on both sides. */
export class Arena {
  private next = START;
  private readonly pieces: Guarded[] = [];

  constructor(readonly kernels: Kernels) {}

  /** Forgets all pieces. */
  reset(): void {
    this.next = START;
    this.pieces.length = 0;
  }

  /** Room for `bytes`, all ones: NaN as f32, so that nobody reads it unnoticed. */
  take(bytes: number): number {
    const at = this.next + GUARD;
    this.next = (at + bytes + 15) & ~15;
    const end = this.next + GUARD;
    const { memory } = this.kernels;
    const missing = end - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / 65536));
    this.view(at - GUARD, end - at + GUARD).fill(GUARD_BYTE);
    this.view(at, bytes).fill(0xff);
    this.pieces.push({ at, bytes });
    return at;
  }

  /** Throws when a byte between the pieces has changed. */
  check(): void {
    let from = START;
    for (const { at, bytes } of [...this.pieces, { at: this.next + GUARD, bytes: 0 }]) {
      const between = this.view(from, at - from);
      const wrong = between.findIndex((byte) => byte !== GUARD_BYTE);
      if (wrong >= 0) throw new Error(`byte ${from + wrong} outside every piece was written`);
      from = at + bytes;
    }
  }

  putBytes(bytes: Uint8Array): number {
    const at = this.take(bytes.length);
    this.view(at, bytes.length).set(bytes);
    return at;
  }

  /** Numbers as f32, then zeros up to `length`. */
  putF32(values: ArrayLike<number>, length = values.length): number {
    const padded = new Float32Array(length);
    padded.set(values);
    return this.putBytes(bytesOf(padded));
  }

  putU32(values: ArrayLike<number>): number {
    return this.putBytes(bytesOf(Uint32Array.from(values)));
  }

  putF64(values: ArrayLike<number>): number {
    return this.putBytes(bytesOf(Float64Array.from(values)));
  }

  /** Copies, so that later calls may grow the memory. */
  getBytes(at: number, count: number): Uint8Array<ArrayBuffer> {
    return this.view(at, count).slice();
  }

  getF32(at: number, count: number): Float32Array {
    return new Float32Array(this.getBytes(at, count * 4).buffer);
  }

  getI8(at: number, count: number): Int8Array {
    return new Int8Array(this.getBytes(at, count).buffer);
  }

  getI16(at: number, count: number): Int16Array {
    return new Int16Array(this.getBytes(at, count * 2).buffer);
  }

  getI32(at: number, count: number): Int32Array {
    return new Int32Array(this.getBytes(at, count * 4).buffer);
  }

  private view(at: number, count: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.kernels.memory.buffer as ArrayBuffer, at, count);
  }
}

/** The program of the kernels. */
export async function kernelBytes(): Promise<Uint8Array<ArrayBuffer>> {
  const name = isRelaxed ? "kernels-relaxed.wasm" : "kernels.wasm";
  const file = new URL(`../build/${name}`, import.meta.url);
  return readFile(file).catch((cause: unknown) => {
    throw new Error(`build/${name} is missing; run \`node scripts/build.mjs kernels\` first`,
      { cause });
  });
}

/** The kernels with an empty arena. */
export async function openKernels(): Promise<Arena> {
  const { instance } = await WebAssembly.instantiate(await kernelBytes());
  return new Arena(instance.exports as unknown as Kernels);
}

export function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** Random numbers, the same on every machine. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = (Math.imul(seed + 1, 0x9e3779b1) ^ 0x2545f491) | 1;
    for (let step = 0; step < 16; step++) this.uniform();
  }

  /** In [0, 1). */
  uniform(): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) / 2 ** 32;
  }

  /** A whole number from `least` to `most`. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.uniform() * (most - least + 1));
  }

  /** Mean 0, variance 1, at most 2 √3. */
  bell(): number {
    return (this.uniform() + this.uniform() + this.uniform() + this.uniform() - 2) * Math.sqrt(3);
  }

  floats(count: number, amplitude = 1): Float32Array {
    return Float32Array.from({ length: count }, () => this.bell() * amplitude);
  }
}

export type QuantizedType = typeof ggmlType.Q4_0 | typeof ggmlType.Q8_0;

/** The packed types, and the bits of the sums that their products are to be held in. */
export const KINDS: readonly [name: string, type: QuantizedType, bits: number][] = [
  ...(isRelaxed ? [16, 32] : [32]).map((bits): [string, QuantizedType, number] =>
    [`Q4, sums of ${bits} bits`, ggmlType.Q4_0, bits]),
  ["Q8", ggmlType.Q8_0, 32],
];

/** A matrix in both shapes: packed for a kernel, plain for an emulation. */
export interface PackedMatrix {
  bands: number;
  groups: number;
  quants: Uint8Array;
  scales: Uint8Array;
  /** [rows padded][columns]: the signed codes. */
  codes: Int8Array;
  /** [rows padded][groups]: the halves' values. */
  scaleValues: Float64Array;
}

/** File blocks [rows][columns / 32] -> bands of four rows; rows that are missing are zero bytes. */
export function packMatrix(
  type: QuantizedType, blocks: Uint8Array, rows: number, columns: number,
): PackedMatrix {
  const isNibbles = type === ggmlType.Q4_0;
  const blockBytes = layoutOf(type).bytesPerBlock;
  const words = isNibbles ? 4 : 8;
  const groups = columns / 32;
  const bands = Math.ceil(rows / 4);
  const quants = new Uint8Array(bands * groups * words * 16);
  const scales = new Uint8Array(bands * groups * 8);
  const codes = new Int8Array(bands * 4 * columns).fill(isNibbles ? -8 : 0);
  const scaleValues = new Float64Array(bands * 4 * groups);
  for (let row = 0; row < rows; row++) {
    for (let group = 0; group < groups; group++) {
      const at = (row * groups + group) * blockBytes;
      const block = blocks.subarray(at, at + blockBytes);
      const place = Math.floor(row / 4) * groups + group;
      const lane = row % 4;
      scales.set(block.subarray(0, 2), place * 8 + lane * 2);
      for (let word = 0; word < words; word++) {
        const bytes = block.subarray(2 + word * 4, 6 + word * 4);
        const at = (place * words + word) * 16 + lane * 4;
        // The strict build turns the top bit of each word's upper byte, or of Q8's lower ones.
        quants.set(bytes.map((byte, i) => byte ^ (isRelaxed || (i & 1) !== (isNibbles ? 1 : 0)
          ? 0 : 0x80)), at);
      }
      scaleValues[row * groups + group] = halfToNumber(block[0] | (block[1] << 8));
      codes.set(codesOf(block, isNibbles), row * columns + group * 32);
    }
  }
  return { bands, groups, quants, scales, codes, scaleValues };
}

function codesOf(block: Uint8Array, isNibbles: boolean): Int8Array {
  if (!isNibbles) return new Int8Array(block.slice(2).buffer);
  return Int8Array.from({ length: 32 }, (_, i) => {
    const byte = block[2 + (i % 16)];
    return (i < 16 ? byte & 15 : byte >> 4) - 8;
  });
}

/** One file block: the bits of its scale, and its codes (-8..7 or -128..127). */
export function makeBlock(
  type: QuantizedType, scaleBits: number, codes: ArrayLike<number>,
): Uint8Array {
  const block = new Uint8Array(layoutOf(type).bytesPerBlock);
  block[0] = scaleBits & 255;
  block[1] = scaleBits >> 8;
  for (let i = 0; i < 32; i++) {
    if (type === ggmlType.Q8_0) block[2 + i] = codes[i] & 255;
    else block[2 + (i % 16)] |= (codes[i] + 8) << (i < 16 ? 0 : 4);
  }
  return block;
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const round = Math.fround;

/** Half of one unit in the last place of f32, relative: what one rounding may lose. */
export const ROUNDING = 2 ** -24;

/** Below this magnitude a group of activations counts as zero. */
export const SMALLEST = 2 ** -32;

/** The four lanes of a vector in the order that every kernel sums them. */
export function sumLanes(lanes: ArrayLike<number>): number {
  return round(round(lanes[0] + lanes[2]) + round(lanes[1] + lanes[3]));
}

/** One lane of math.ts' exp4, step by step in f32. */
export function expF32(x: number): number {
  if (Number.isNaN(x)) return NaN;
  if (x < round(-87.33)) return 0;
  const clamped = Math.min(x, round(88.37));
  const n = roundHalfToEven(round(clamped * round(1.44269504088896341)));
  const reduced = round(clamped - round(n * round(0.693359375)));
  const r = round(reduced + round(n * round(2.1219444e-4)));
  let p = round(1.98756915e-4);
  for (const next of [1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1,
    5.0000001201e-1]) p = round(round(p * r) + round(next));
  const y = round(round(round(p * round(r * r)) + r) + 1);
  return round(y * 2 ** n);
}

/** The integers and the scale that an activation group or a head vector becomes. */
export function quantizeF32(
  values: ArrayLike<number>, levels = 127,
): { codes: number[]; scale: number } {
  const list = Array.from(values);
  const largest = Math.max(0, ...list.map(Math.abs));
  if (largest < SMALLEST) return { codes: list.map(() => 0), scale: 0 };
  const inverse = round(levels / largest);
  const codes = list.map((value) => {
    const code = roundHalfToEven(round(value * inverse));
    return Number.isNaN(code) ? 0 : code;
  });
  return { codes, scale: round(largest / levels) };
}

/** Throws unless both hold the same f32 bits; any NaN equals any other. */
export function expectBits(
  actual: Float32Array, expected: ArrayLike<number>, what: string,
): void {
  if (actual.length !== expected.length) throw new Error(`${what}: different lengths`);
  for (let i = 0; i < actual.length; i++) {
    if (Object.is(actual[i], round(expected[i]))) continue;
    throw new Error(`${what}: number ${i} is ${actual[i]}, not ${round(expected[i])}`);
  }
}

/** Throws unless every number is within its own tolerance. */
export function expectNear(
  actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: (index: number) => number,
  what: string,
): void {
  if (actual.length !== expected.length) throw new Error(`${what}: different lengths`);
  for (let i = 0; i < actual.length; i++) {
    const difference = Math.abs(actual[i] - expected[i]);
    if (difference <= tolerance(i)) continue;
    throw new Error(`${what}: number ${i} is ${actual[i]}, not ${expected[i]}; they differ by `
      + `${difference}, more than ${tolerance(i)}`);
  }
}
