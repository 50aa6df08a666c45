// ggml's "K" types -> f32: 256 weights a block, in groups of 32 or 16 whose own small scales are
// integers times the block's f16 scale (ggml-common.h). Only read; nothing here writes them.
//
//   Q4_K   |f16 scale|f16 least|12 bytes|128 bytes|            8 groups of 32
//   Q5_K   |f16 scale|f16 least|12 bytes|32 bytes|128 bytes|   the same with a fifth bit
//   Q6_K   |128 bytes|64 bytes|16 x int8|f16 scale|            16 groups of 16
//
// Knows nothing of files.

import { halfToFloat } from "./half";

export const SUPERBLOCK: i32 = 256;
export const Q4_K_BYTES: i32 = 144;
export const Q5_K_BYTES: i32 = 176;
export const Q6_K_BYTES: i32 = 210;

/**
 * The 6-bit scale of group `j` and, in the upper 16 bits, its 6-bit least value. The first four
 * groups have bytes of their own, whose top bits complete the nibbles of the last four:
 *
 *   bytes 0..3: scale j | top of scale j+4      4..7: the same of least values      8..11: nibbles
 */
// @ts-ignore: decorator
@inline function scaleAndLeast(bytes: usize, j: usize): u32 {
  if (j < 4) return <u32>(load<u8>(bytes + j) & 63) | (<u32>(load<u8>(bytes + j, 4) & 63) << 16);
  const low = <u32>load<u8>(bytes + j, 4);
  const scale = (low & 15) | (<u32>(load<u8>(bytes + j - 4) >> 6) << 4);
  const least = (low >> 4) | (<u32>(load<u8>(bytes + j) >> 6) << 4);
  return scale | (least << 16);
}

/** Q4_K, and Q5_K where `hasFifth`: x = scale · code - least. */
export function dequantizeOffsets(hasFifth: bool, block: usize, target: usize): void {
  const scale = halfToFloat(load<u16>(block));
  const least = halfToFloat(load<u16>(block, 2));
  const scales = block + 4;
  const fifths = scales + 12;
  let nibbles = fifths + (hasFifth ? 32 : 0);
  for (let j: usize = 0; j < 8; j++) {
    const pair = scaleAndLeast(scales, j);
    const groupScale = scale * <f32>(pair & 0xffff);
    const groupLeast = least * <f32>(pair >> 16);
    // Two groups share 32 bytes: the even one has the low nibbles.
    const shift: u32 = j & 1 ? 4 : 0;
    for (let i: usize = 0; i < 32; i++) {
      let code = (<u32>load<u8>(nibbles + i) >> shift) & 15;
      if (hasFifth) code |= ((<u32>load<u8>(fifths + i) >> <u32>j) & 1) << 4;
      store<f32>(target + (i << 2), groupScale * <f32>code - groupLeast);
    }
    target += 128;
    nibbles += j & 1 ? 32 : 0;
  }
}

/** Q6_K: x = scale · group scale · (code - 32). */
export function dequantizeSixBits(block: usize, target: usize): void {
  const scale = halfToFloat(load<u16>(block, 208));
  for (let i: usize = 0; i < 256; i++) {
    // Each half of 128 numbers has 64 bytes of nibbles and 32 of upper bits; a quarter of 32
    // takes the low or the high nibbles of its bytes, and its own two bits of each upper byte.
    const half = i >> 7;
    const quarter = (i >> 5) & 3;
    const place = i & 31;
    const nibbles = <u32>load<u8>(block + (half << 6) + ((quarter & 1) << 5) + place);
    const upper = <u32>load<u8>(block + (half << 5) + place, 128) >> <u32>(quarter << 1);
    const code = ((nibbles >> (quarter & 2 ? 4 : 0)) & 15) | ((upper & 3) << 4);
    const groupScale = scale * <f32>load<i8>(block + (i >> 4), 192);
    store<f32>(target + (i << 2), groupScale * <f32>(<i32>code - 32));
  }
}
