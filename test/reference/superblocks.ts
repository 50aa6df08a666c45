// ggml's K types: 256 numbers a block, groups with small integer scales of their own.
// Duty: exact f64 values of every number of a block, in any order; a plain rounding into blocks.
// Does not know: tensors; ggml's own search for the best scales.

import { halfToNumber, numberToHalf } from "./half";

/** Where the parts of a block lie. */
const layouts = {
  4: { scales: 4, upper: 0, codes: 16 },
  5: { scales: 4, upper: 16, codes: 48 },
  6: { scales: 192, upper: 128, codes: 0 },
} as const;

/** The two 6-bit numbers of group `group` (Q4_K, Q5_K), as places of bits in the 12 bytes. */
function scaleBits(group: number): { scale: number[]; least: number[] } {
  const run = (from: number, count: number): number[] =>
    Array.from({ length: count }, (_, i) => from + i);
  if (group < 4) return { scale: run(8 * group, 6), least: run(8 * (group + 4), 6) };
  const nibbles = 8 * (group + 4);
  return {
    scale: [...run(nibbles, 4), ...run(8 * (group - 4) + 6, 2)],
    least: [...run(nibbles + 4, 4), ...run(8 * group + 6, 2)],
  };
}

function takeBits(source: DataView, at: number, places: number[]): number {
  return places.reduce((sum, place, i) => (
    sum + (((source.getUint8(at + (place >> 3)) >> (place & 7)) & 1) << i)), 0);
}

function putBits(target: DataView, at: number, places: number[], value: number): void {
  places.forEach((place, i) => {
    const byte = at + (place >> 3);
    target.setUint8(byte, target.getUint8(byte) | (((value >> i) & 1) << (place & 7)));
  });
}

/** Places of the bits of code j, counted from the block's first byte. */
function codeBits(bits: 4 | 5 | 6, j: number): number[] {
  const { codes, upper } = layouts[bits];
  const run = (byte: number, from: number, count: number): number[] =>
    Array.from({ length: count }, (_, i) => 8 * byte + from + i);
  if (bits === 6) {
    const [half, quarter, place] = [Math.floor(j / 128), Math.floor(j / 32) % 4, j % 32];
    const low = run(codes + 64 * half + 32 * (quarter % 2) + place, quarter < 2 ? 0 : 4, 4);
    return [...low, ...run(upper + 32 * half + place, 2 * quarter, 2)];
  }
  const group = Math.floor(j / 32);
  const low = run(codes + 32 * Math.floor(group / 2) + (j % 32), group % 2 === 0 ? 0 : 4, 4);
  return bits === 5 ? [...low, ...run(upper + (j % 32), group, 1)] : low;
}

/** Number j of the block at byte `at`. */
export function takeSuperblockItem(
  bits: 4 | 5 | 6, source: DataView, at: number, j: number,
): number {
  const code = takeBits(source, at, codeBits(bits, j));
  if (bits === 6) {
    const scale = halfToNumber(source.getUint16(at + 208, true));
    return scale * source.getInt8(at + 192 + Math.floor(j / 16)) * (code - 32);
  }
  const { scale, least } = scaleBits(Math.floor(j / 32));
  const step = halfToNumber(source.getUint16(at, true)) * takeBits(source, at + 4, scale);
  const unit = halfToNumber(source.getUint16(at + 2, true));
  return step * code - unit * takeBits(source, at + 4, least);
}

/** Cuts a block into groups of `size`. */
function groupsOf(block: number[], size: number): number[][] {
  return Array.from({ length: 256 / size }, (_, i) => block.slice(i * size, (i + 1) * size));
}

/** Writes the 256 numbers of a block. */
export function putSuperblock(
  bits: 4 | 5 | 6, block: number[], target: DataView, at: number,
): void {
  const size = bits === 6 ? 16 : 32;
  const last = 2 ** bits - 1;
  const groups = groupsOf(block, size);
  const steps = groups.map((group) => (bits === 6 ? Math.max(...group.map(Math.abs)) / 32
    : (Math.max(...group) - Math.min(0, ...group)) / last));
  const leasts = groups.map((group) => (bits === 6 ? 0 : -Math.min(0, ...group)));
  const levels = bits === 6 ? 127 : 63;
  const scale = Math.max(...steps) / levels || 1;
  const least = Math.max(...leasts) / levels || 1;
  target.setUint16(at + (bits === 6 ? 208 : 0), numberToHalf(scale), true);
  if (bits !== 6) target.setUint16(at + 2, numberToHalf(least), true);
  groups.forEach((group, i) => {
    const ownScale = Math.round((steps[i] as number) / scale);
    const ownLeast = Math.round((leasts[i] as number) / least);
    if (bits === 6) target.setInt8(at + 192 + i, ownScale);
    else {
      putBits(target, at + 4, scaleBits(i).scale, ownScale);
      putBits(target, at + 4, scaleBits(i).least, ownLeast);
    }
    group.forEach((value, k) => {
      const shifted = bits === 6 ? 32 + value / (scale * ownScale || 1)
        : (value + least * ownLeast) / (scale * ownScale || 1);
      const code = Math.max(0, Math.min(last, Math.round(shifted)));
      putBits(target, at, codeBits(bits, i * size + k), code);
    });
  });
}
