// The weight types of GGUF files: block sizes, block -> f32, and f32 -> Q4_0 / Q8_0 blocks.
// The layouts are ggml's (ggml-common.h); rounding is ggml's reference quantizers', bit for bit.
// The K types' insides are in superblocks.ts. Knows nothing of the packed layouts of kernels.
//
//   Q4_0   |f16 scale|16 bytes|             element i in the low nibble of byte i, i+16 in the high
//   Q4_1   |f16 scale|f16 least|16 bytes|   x = scale · nibble + least
//   Q5_0   |f16 scale|u32 fifth bits|16 bytes|
//   Q5_1   |f16 scale|f16 least|u32 fifth bits|16 bytes|
//   Q8_0   |f16 scale|32 x int8|

import { floatToHalf, halfToFloat } from "./half";
import {
  Q4_K_BYTES, Q5_K_BYTES, Q6_K_BYTES, SUPERBLOCK, dequantizeOffsets, dequantizeSixBits,
} from "./superblocks";

/** ggml's numbers of the types. */
export const F32: i32 = 0;
export const F16: i32 = 1;
export const Q4_0: i32 = 2;
export const Q4_1: i32 = 3;
export const Q5_0: i32 = 6;
export const Q5_1: i32 = 7;
export const Q8_0: i32 = 8;
export const Q4_K: i32 = 12;
export const Q5_K: i32 = 13;
export const Q6_K: i32 = 14;
export const BF16: i32 = 30;

export const Q4_0_BYTES: usize = 18;
export const Q8_0_BYTES: usize = 34;
/** The largest block of any type, and the most numbers that one holds. */
export const BLOCK_BYTES_MAX: i32 = Q6_K_BYTES;
export const BLOCK_ITEMS_MAX: i32 = SUPERBLOCK;

/** Elements of one block; 0 for a type that is not supported. */
export function blockItems(type: i32): i32 {
  switch (type) {
    case F32: case F16: case BF16: return 1;
    case Q4_0: case Q4_1: case Q5_0: case Q5_1: case Q8_0: return 32;
    case Q4_K: case Q5_K: case Q6_K: return SUPERBLOCK;
    default: return 0;
  }
}

/** Bytes of one block. */
export function blockBytes(type: i32): i32 {
  switch (type) {
    case F32: return 4;
    case F16: case BF16: return 2;
    case Q4_0: return <i32>Q4_0_BYTES;
    case Q4_1: return 20;
    case Q5_0: return 22;
    case Q5_1: return 24;
    case Q8_0: return <i32>Q8_0_BYTES;
    case Q4_K: return Q4_K_BYTES;
    case Q5_K: return Q5_K_BYTES;
    case Q6_K: return Q6_K_BYTES;
    default: return 0;
  }
}

/** One block of any supported type as f32s; returns how many. */
export function dequantizeBlock(type: i32, block: usize, target: usize): i32 {
  switch (type) {
    case F32: {
      store<f32>(target, load<f32>(block));
      return 1;
    }
    case F16: {
      store<f32>(target, halfToFloat(load<u16>(block)));
      return 1;
    }
    case BF16: {
      store<u32>(target, (<u32>load<u16>(block)) << 16);
      return 1;
    }
    case Q8_0: {
      const scale = halfToFloat(load<u16>(block));
      for (let i: usize = 0; i < 32; i++) {
        store<f32>(target + (i << 2), <f32>load<i8>(block + i, 2) * scale);
      }
      return 32;
    }
    case Q4_K: case Q5_K: {
      dequantizeOffsets(type == Q5_K, block, target);
      return SUPERBLOCK;
    }
    case Q6_K: {
      dequantizeSixBits(block, target);
      return SUPERBLOCK;
    }
    default: {
      dequantizeNibbles(type, block, target);
      return 32;
    }
  }
}

/** Q4_0, Q4_1, Q5_0 and Q5_1: nibbles, maybe a fifth bit, maybe a least value. */
function dequantizeNibbles(type: i32, block: usize, target: usize): void {
  const scale = halfToFloat(load<u16>(block));
  const hasLeast = type == Q4_1 || type == Q5_1;
  const hasFifth = type == Q5_0 || type == Q5_1;
  const least: f32 = hasLeast ? halfToFloat(load<u16>(block, 2)) : 0;
  const fifthAt = block + (hasLeast ? 4 : 2);
  const fifth: u32 = hasFifth ? load<u32>(fifthAt) : 0;
  const nibbles = fifthAt + (hasFifth ? 4 : 0);
  const offset: i32 = hasLeast ? 0 : hasFifth ? 16 : 8;
  for (let i: u32 = 0; i < 16; i++) {
    const byte = <u32>load<u8>(nibbles + i);
    const low = <i32>((byte & 15) | (((fifth >> i) & 1) << 4)) - offset;
    const high = <i32>((byte >> 4) | (((fifth >> (i + 16)) & 1) << 4)) - offset;
    store<f32>(target + (<usize>i << 2), <f32>low * scale + least);
    store<f32>(target + (<usize>i << 2), <f32>high * scale + least, 64);
  }
}

/** 32 floats -> one Q4_0 block, as ggml's quantize_row_q4_0_ref. */
export function quantizeQ4(block: usize, x: usize): void {
  let largest: f32 = 0;
  let signed: f32 = 0;
  for (let i: usize = 0; i < 128; i += 4) {
    const value = load<f32>(x + i);
    if (largest < abs(value)) {
      largest = abs(value);
      signed = value;
    }
  }
  const scale = signed / -8;
  const inverse: f32 = scale ? 1.0 / scale : 0;
  store<u16>(block, floatToHalf(scale));
  for (let i: usize = 0; i < 16; i++) {
    const low = min<i32>(15, <i32>(load<f32>(x + (i << 2)) * inverse + 8.5));
    const high = min<i32>(15, <i32>(load<f32>(x + (i << 2), 64) * inverse + 8.5));
    store<u8>(block + i, <u8>(low | (high << 4)), 2);
  }
}

/** 32 floats -> one Q8_0 block, as ggml's quantize_row_q8_0_ref (halves round away from zero). */
export function quantizeQ8(block: usize, x: usize): void {
  let largest: f32 = 0;
  for (let i: usize = 0; i < 128; i += 4) largest = max<f32>(largest, abs(load<f32>(x + i)));
  const scale = largest / 127;
  const inverse: f32 = scale ? 1.0 / scale : 0;
  store<u16>(block, floatToHalf(scale));
  for (let i: usize = 0; i < 32; i++) {
    const value = load<f32>(x + (i << 2)) * inverse;
    // In f64, where adding a half is exact: roundf would not round 0.49999997 up.
    store<i8>(block + i, <i8><i32>copysign<f64>(floor<f64>(abs(<f64>value) + 0.5), value), 2);
  }
}
