// Turns numbers into ggml's plain block types and back, one block at a time.
// Duty: the same bytes as ggml's quantize_row_*_ref, and exact f64 values on the way back. (For the
// K types ggml searches; here a plain rounding stands in, and only the way back is ggml's.)
// Does not know: files, tensors, or how anybody else computes with the blocks.

import { halfToNumber, numberToHalf } from "./half";
import { putSuperblock, takeSuperblockItem } from "./superblocks";

const round = Math.fround;

/** What one ggml type looks like in memory; unquantized types are blocks of one item. */
export interface TypeLayout {
  readonly name: string;
  readonly itemsPerBlock: number;
  readonly bytesPerBlock: number;
}

/** ggml's numbers for the types this oracle knows. */
export const ggmlType = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 6,
  Q5_1: 7,
  Q8_0: 8,
  Q4_K: 12,
  Q5_K: 13,
  Q6_K: 14,
  BF16: 30,
} as const;

/** ggml type number -> layout. */
export const typeTable: ReadonlyMap<number, TypeLayout> = new Map([
  [ggmlType.F32, { name: "F32", itemsPerBlock: 1, bytesPerBlock: 4 }],
  [ggmlType.F16, { name: "F16", itemsPerBlock: 1, bytesPerBlock: 2 }],
  [ggmlType.Q4_0, { name: "Q4_0", itemsPerBlock: 32, bytesPerBlock: 18 }],
  [ggmlType.Q4_1, { name: "Q4_1", itemsPerBlock: 32, bytesPerBlock: 20 }],
  [ggmlType.Q5_0, { name: "Q5_0", itemsPerBlock: 32, bytesPerBlock: 22 }],
  [ggmlType.Q5_1, { name: "Q5_1", itemsPerBlock: 32, bytesPerBlock: 24 }],
  [ggmlType.Q8_0, { name: "Q8_0", itemsPerBlock: 32, bytesPerBlock: 34 }],
  [ggmlType.Q4_K, { name: "Q4_K", itemsPerBlock: 256, bytesPerBlock: 144 }],
  [ggmlType.Q5_K, { name: "Q5_K", itemsPerBlock: 256, bytesPerBlock: 176 }],
  [ggmlType.Q6_K, { name: "Q6_K", itemsPerBlock: 256, bytesPerBlock: 210 }],
  [ggmlType.BF16, { name: "BF16", itemsPerBlock: 1, bytesPerBlock: 2 }],
]);

/** The layout of a type; throws for a type the oracle does not know. */
export function layoutOf(type: number): TypeLayout {
  const layout = typeTable.get(type);
  if (layout === undefined) throw new Error(`the reference does not know ggml type ${type}`);
  return layout;
}

/** Bytes that `count` items take; count must be whole blocks. */
export function bytesFor(type: number, count: number): number {
  const layout = layoutOf(type);
  if (count % layout.itemsPerBlock !== 0) {
    throw new Error(`${count} items are not whole blocks of ${layout.name}`);
  }
  return (count / layout.itemsPerBlock) * layout.bytesPerBlock;
}

/** Nearest integer, ties away from zero: C's roundf. */
function roundHalfAway(value: number): number {
  return Math.sign(value) * Math.floor(Math.abs(value) + 0.5);
}

/** The 16 bits of a bfloat16 -> its value. */
export function brainToNumber(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, bits << 16);
  return view.getFloat32(0);
}

/** A number, first rounded to f32 -> the bits of the nearest bfloat16 (ties even). */
export function numberToBrain(value: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  const bits = view.getUint32(0);
  if (Number.isNaN(value)) return (bits >>> 16) | 64;
  return Math.floor((bits + 0x7fff + ((bits >>> 16) & 1)) / 65536);
}

/** Codes of 4 bits: element j and j + 16 share byte j, the first in the low half. */
function putNibbles(codes: number[], target: DataView, at: number): void {
  for (let j = 0; j < 16; j++) {
    target.setUint8(at + j, (codes[j] & 15) | ((codes[j + 16] & 15) << 4));
  }
}

/** The fifth bit of code j is bit j of a little-endian 32-bit word. */
function putFifthBits(codes: number[], target: DataView, at: number): void {
  let word = 0;
  for (let j = 0; j < 32; j++) word += ((codes[j] >> 4) & 1) * 2 ** j;
  target.setUint32(at, word, true);
}

function takeNibble(source: DataView, at: number, j: number): number {
  const pair = source.getUint8(at + (j % 16));
  return j < 16 ? pair & 15 : pair >> 4;
}

function takeFifthBit(source: DataView, at: number, j: number): number {
  return (source.getUint32(at, true) >>> j) & 1;
}

/**
 * Q4_0 and Q5_0: the value of largest magnitude (the first such) becomes code 0, so its sign is
 * in the scale. A block of zeros has the scale -0, as in ggml. (Values so small that 1/scale
 * overflows are undefined in ggml and not judged here.)
 */
function signedCodes(block: number[], bits: 4 | 5): { scale: number; codes: number[] } {
  const half = 2 ** (bits - 1);
  let largest = 0;
  for (const value of block) if (Math.abs(value) > Math.abs(largest)) largest = value;
  const scale = round(largest / -half);
  const inverse = scale !== 0 ? round(1 / scale) : 0;
  const codes = block.map((value) => {
    const shifted = round(round(value * inverse) + half + 0.5);
    return Math.min(2 * half - 1, Math.trunc(shifted));
  });
  return { scale, codes };
}

/** Q4_1 and Q5_1: the smallest value is code 0, the largest the last code. */
function offsetCodes(
  block: number[],
  bits: 4 | 5,
): { scale: number; minimum: number; codes: number[] } {
  const last = 2 ** bits - 1;
  let minimum = block[0];
  let maximum = block[0];
  for (const value of block) {
    if (value < minimum) minimum = value;
    if (value > maximum) maximum = value;
  }
  const scale = round(round(maximum - minimum) / last);
  const inverse = scale !== 0 ? round(1 / scale) : 0;
  const codes = block.map((value) => {
    const shifted = round(round(round(value - minimum) * inverse) + 0.5);
    return Math.min(last, Math.trunc(shifted));
  });
  return { scale, minimum, codes };
}

function putEightBitBlock(block: number[], target: DataView, at: number): void {
  const amplitude = Math.max(...block.map(Math.abs));
  const scale = round(amplitude / 127);
  const inverse = scale !== 0 ? round(1 / scale) : 0;
  target.setUint16(at, numberToHalf(scale), true);
  block.forEach((value, j) => {
    target.setInt8(at + 2 + j, roundHalfAway(round(value * inverse)));
  });
}

/** Bits of a code of a K type; undefined for the others. */
function superblockBits(type: number): 4 | 5 | 6 | undefined {
  if (type === ggmlType.Q4_K) return 4;
  if (type === ggmlType.Q5_K) return 5;
  return type === ggmlType.Q6_K ? 6 : undefined;
}

/** Writes one block (1, 32 or 256 numbers, each an exact f32). */
function putBlock(type: number, block: number[], target: DataView, at: number): void {
  const bits = superblockBits(type);
  if (bits !== undefined) putSuperblock(bits, block, target, at);
  else if (type === ggmlType.F32) target.setFloat32(at, block[0], true);
  else if (type === ggmlType.F16) target.setUint16(at, numberToHalf(block[0]), true);
  else if (type === ggmlType.BF16) target.setUint16(at, numberToBrain(block[0]), true);
  else if (type === ggmlType.Q8_0) putEightBitBlock(block, target, at);
  else if (type === ggmlType.Q4_0 || type === ggmlType.Q5_0) {
    const wide = type === ggmlType.Q5_0;
    const { scale, codes } = signedCodes(block, wide ? 5 : 4);
    target.setUint16(at, numberToHalf(scale), true);
    if (wide) putFifthBits(codes, target, at + 2);
    putNibbles(codes, target, at + (wide ? 6 : 2));
  } else {
    const wide = type === ggmlType.Q5_1;
    const { scale, minimum, codes } = offsetCodes(block, wide ? 5 : 4);
    target.setUint16(at, numberToHalf(scale), true);
    target.setUint16(at + 2, numberToHalf(minimum), true);
    if (wide) putFifthBits(codes, target, at + 4);
    putNibbles(codes, target, at + (wide ? 8 : 4));
  }
}

/** Value j of the block at byte `at`. */
function takeItem(type: number, source: DataView, at: number, j: number): number {
  if (type === ggmlType.F32) return source.getFloat32(at, true);
  const bits = superblockBits(type);
  if (bits !== undefined) return takeSuperblockItem(bits, source, at, j);
  const first = source.getUint16(at, true);
  if (type === ggmlType.BF16) return brainToNumber(first);
  const scale = halfToNumber(first);
  if (type === ggmlType.F16) return scale;
  if (type === ggmlType.Q8_0) return scale * source.getInt8(at + 2 + j);
  if (type === ggmlType.Q4_0) return scale * (takeNibble(source, at + 2, j) - 8);
  if (type === ggmlType.Q5_0) {
    const code = takeNibble(source, at + 6, j) + 16 * takeFifthBit(source, at + 2, j);
    return scale * (code - 16);
  }
  const minimum = halfToNumber(source.getUint16(at + 2, true));
  if (type === ggmlType.Q4_1) return scale * takeNibble(source, at + 4, j) + minimum;
  const code = takeNibble(source, at + 8, j) + 16 * takeFifthBit(source, at + 4, j);
  return scale * code + minimum;
}

/** values [count], count whole blocks -> the bytes ggml's reference quantizer writes. */
export function quantize(type: number, values: Float32Array | Float64Array): Uint8Array {
  const { itemsPerBlock, bytesPerBlock } = layoutOf(type);
  const bytes = new Uint8Array(bytesFor(type, values.length));
  const view = new DataView(bytes.buffer);
  for (let first = 0; first < values.length; first += itemsPerBlock) {
    const block: number[] = [];
    for (let j = 0; j < itemsPerBlock; j++) block.push(round(values[first + j]));
    putBlock(type, block, view, (first / itemsPerBlock) * bytesPerBlock);
  }
  return bytes;
}

/** bytes of whole blocks -> the `count` values they stand for, exactly, in f64. */
export function dequantize(type: number, bytes: Uint8Array, count: number): Float64Array {
  const { name, itemsPerBlock, bytesPerBlock } = layoutOf(type);
  if (bytes.length < bytesFor(type, count)) {
    throw new Error(`${bytes.length} bytes are too few for ${count} items of ${name}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = new Float64Array(count);
  for (let item = 0; item < count; item++) {
    const at = Math.floor(item / itemsPerBlock) * bytesPerBlock;
    values[item] = takeItem(type, view, at, item % itemsPerBlock);
  }
  return values;
}
