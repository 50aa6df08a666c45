// File blocks -> kernel layout, while they stream in. Pieces may end anywhere; what is left of a
// block waits in a small buffer. Blocks whose type the kernels know are transposed (blocks.ts); all
// others pass through f32. Knows nothing of where the bytes come from.

import {
  GROUP, PACKED_F32, PACKED_Q4, Q4_BAND_BYTES, Q4_TURNED, Q8_BAND_BYTES, Q8_TURNED,
  SCALE_BAND_BYTES,
} from "./blocks";
import * as errors from "./errors";
import { failNamed } from "./errors";
import { dataStart, tensorCount } from "./gguf";
import { identityUpdate } from "./identity";
import { Tensor, tensorAt } from "./model";
import {
  BLOCK_BYTES_MAX, BLOCK_ITEMS_MAX, F32, Q4_0, Q4_0_BYTES, Q8_0, Q8_0_BYTES, blockBytes,
  dequantizeBlock, quantizeQ4, quantizeQ8,
} from "./quantize";

/** The beginning of a block whose end has not come yet: u8[BLOCK_BYTES_MAX]. */
const partial = memory.data(BLOCK_BYTES_MAX, 8);
/** Numbers on their way from one type to another: f32[BLOCK_ITEMS_MAX], whole groups of 32. */
const floats = memory.data(4 * BLOCK_ITEMS_MAX, 16);
const packed = memory.data(40, 8); // one Q4_0 or Q8_0 block made from `floats`

/** The tensor being written, bytes of it that came, and elements of it that are packed. */
let current: i32 = 0;
let received: i64 = 0;
let elements: i64 = 0;
/** Bytes in `partial`. */
let partialBytes: i32 = 0;
/** Position in the data section. */
let position: i64 = 0;
/** Floats that wait for their group of 32 to be full. */
let floatCount: i32 = 0;

/** Starts over, before the first byte of tensor data. */
export function beginData(): void {
  current = 0;
  position = 0;
  beginTensor();
}

function beginTensor(): void {
  received = 0;
  elements = 0;
  partialBytes = 0;
  floatCount = 0;
}

/** Whether every tensor has all its bytes. */
export function isComplete(): bool {
  return current == tensorCount;
}

/** Bytes from the file's first to the end of its last tensor. */
export function fileBytes(): i64 {
  if (tensorCount == 0) return dataStart;
  const last = tensorAt(tensorCount - 1);
  return dataStart + last.offset + last.bytes;
}

/** The failure of a source that ends now. */
export function endData(): i32 {
  if (isComplete()) return errors.OK;
  const tensor = tensorAt(current);
  return failNamed(errors.TRUNCATED_TENSOR, tensor.name, tensor.nameLength, received,
    tensor.bytes);
}

/** The next `length` bytes of the data section. What follows the last tensor is ignored. */
export function writeData(source: usize, length: i32): i32 {
  const start = source;
  const end = source + <usize>length;
  while (source < end && current < tensorCount) {
    const tensor = tensorAt(current);
    const gap = tensor.offset - position;
    if (gap > 0) {
      const skipped = min<i64>(gap, <i64>(end - source));
      source += <usize>skipped;
      position += skipped;
      continue;
    }
    const count = <usize>min<i64>(tensor.bytes - received, <i64>(end - source));
    const status = writeTensor(tensor, source, count);
    if (status < 0) return status;
    source += count;
    position += <i64>count;
    received += <i64>count;
    if (received == tensor.bytes) {
      current++;
      beginTensor();
    }
  }
  identityUpdate(start, source - start);
  return errors.OK;
}

function writeTensor(tensor: Tensor, source: usize, length: usize): i32 {
  const size = <usize>blockBytes(tensor.type);
  const end = source + length;
  if (partialBytes > 0) {
    const missing = min<usize>(size - <usize>partialBytes, length);
    memory.copy(partial + partialBytes, source, missing);
    partialBytes += <i32>missing;
    source += missing;
    if (partialBytes < <i32>size) return errors.OK;
    partialBytes = 0;
    const status = writeBlocks(tensor, partial, 1);
    if (status < 0) return status;
  }
  const whole = (end - source) / size;
  const status = writeBlocks(tensor, source, <i32>whole);
  source += whole * size;
  partialBytes = <i32>(end - source);
  memory.copy(partial, source, partialBytes);
  return status;
}

function writeBlocks(tensor: Tensor, source: usize, count: i32): i32 {
  const native = tensor.packed == PACKED_Q4 ? Q4_0 : tensor.packed == PACKED_F32 ? F32 : Q8_0;
  if (native != tensor.type) return convertBlocks(tensor, source, count);
  if (native == F32) return copyFloats(tensor, source, count);
  return native == Q4_0 ? packQ4(tensor, source, count) : packQ8(tensor, source, count);
}

function nonFinite(tensor: Tensor): i32 {
  return failNamed(errors.NON_FINITE_WEIGHT, tensor.name, tensor.nameLength, elements);
}

// @ts-ignore: decorator
@inline function isHalfFinite(half: u32): bool {
  return (half & 0x7c00) != 0x7c00;
}

/** Transposes Q4_0 blocks into bands (blocks.ts): four words and a scale each. */
function packQ4(tensor: Tensor, source: usize, count: i32): i32 {
  const groups = tensor.groups;
  const index = <i32>(elements >> 5);
  let row = index / groups;
  let group = index % groups;
  while (count > 0) {
    const run = min<i32>(count, groups - group);
    const at = <usize>(row >> 2) * <usize>groups + <usize>group;
    const lane = (<usize>row) & 3;
    let target = tensor.quants + at * Q4_BAND_BYTES + (lane << 2);
    let scale = tensor.scales + at * SCALE_BAND_BYTES + (lane << 1);
    for (let i: i32 = 0; i < run; i++) {
      const half = <u32>load<u16>(source);
      if (!isHalfFinite(half)) return nonFinite(tensor);
      store<u16>(scale, half);
      store<u32>(target, load<u32>(source, 2) ^ Q4_TURNED);
      store<u32>(target, load<u32>(source, 6) ^ Q4_TURNED, 16);
      store<u32>(target, load<u32>(source, 10) ^ Q4_TURNED, 32);
      store<u32>(target, load<u32>(source, 14) ^ Q4_TURNED, 48);
      source += Q4_0_BYTES;
      target += Q4_BAND_BYTES;
      scale += SCALE_BAND_BYTES;
      elements += 32;
    }
    count -= run;
    group = 0;
    row++;
  }
  return errors.OK;
}

/** The same for Q8_0: eight words. */
function packQ8(tensor: Tensor, source: usize, count: i32): i32 {
  const groups = tensor.groups;
  const index = <i32>(elements >> 5);
  let row = index / groups;
  let group = index % groups;
  while (count > 0) {
    const run = min<i32>(count, groups - group);
    const at = <usize>(row >> 2) * <usize>groups + <usize>group;
    const lane = (<usize>row) & 3;
    let target = tensor.quants + at * Q8_BAND_BYTES + (lane << 2);
    let scale = tensor.scales + at * SCALE_BAND_BYTES + (lane << 1);
    for (let i: i32 = 0; i < run; i++) {
      const half = <u32>load<u16>(source);
      if (!isHalfFinite(half)) return nonFinite(tensor);
      store<u16>(scale, half);
      store<u32>(target, load<u32>(source, 2) ^ Q8_TURNED);
      store<u32>(target, load<u32>(source, 6) ^ Q8_TURNED, 16);
      store<u32>(target, load<u32>(source, 10) ^ Q8_TURNED, 32);
      store<u32>(target, load<u32>(source, 14) ^ Q8_TURNED, 48);
      store<u32>(target, load<u32>(source, 18) ^ Q8_TURNED, 64);
      store<u32>(target, load<u32>(source, 22) ^ Q8_TURNED, 80);
      store<u32>(target, load<u32>(source, 26) ^ Q8_TURNED, 96);
      store<u32>(target, load<u32>(source, 30) ^ Q8_TURNED, 112);
      source += Q8_0_BYTES;
      target += Q8_BAND_BYTES;
      scale += SCALE_BAND_BYTES;
      elements += 32;
    }
    count -= run;
    group = 0;
    row++;
  }
  return errors.OK;
}

/** Floats of an F32 matrix or a vector, into their padded rows. */
function copyFloats(tensor: Tensor, source: usize, count: i32): i32 {
  let row = <i32>(elements / <i64>tensor.columns);
  let column = <i32>(elements % <i64>tensor.columns);
  while (count > 0) {
    const run = min<i32>(count, tensor.columns - column);
    const offset = <usize>row * <usize>tensor.stride + <usize>column;
    const target = tensor.quants + (offset << 2);
    for (let i: usize = 0; i < (<usize>run) << 2; i += 4) {
      const value = load<f32>(source + i);
      // A NaN or an infinity less itself is NaN.
      if (value - value != 0) return nonFinite(tensor);
      store<f32>(target + i, value);
      elements++;
    }
    source += (<usize>run) << 2;
    count -= run;
    column = 0;
    row++;
  }
  return errors.OK;
}

/** Any type to any packed type, through f32 and blocks of 32. */
function convertBlocks(tensor: Tensor, source: usize, count: i32): i32 {
  const size = <usize>blockBytes(tensor.type);
  while (count > 0) {
    floatCount += dequantizeBlock(tensor.type, source, floats + ((<usize>floatCount) << 2));
    source += size;
    count--;
    if (tensor.packed != PACKED_F32 && floatCount < GROUP) continue;
    const status = takeFloats(tensor);
    if (status < 0) return status;
  }
  return errors.OK;
}

/** Packs the floats that have gathered. */
function takeFloats(tensor: Tensor): i32 {
  const count = floatCount;
  floatCount = 0;
  if (tensor.packed == PACKED_F32) return copyFloats(tensor, floats, count);
  const end = floats + ((<usize>count) << 2);
  let group = floats;
  while (group < end) {
    const status = takeGroup(tensor, group);
    if (status < 0) return status;
    group += 4 * GROUP;
  }
  return errors.OK;
}

function takeGroup(tensor: Tensor, group: usize): i32 {
  for (let i: usize = 0; i < 128; i += 4) {
    const value = load<f32>(group + i);
    if (value - value != 0) return nonFinite(tensor);
  }
  if (tensor.packed == PACKED_Q4) {
    quantizeQ4(packed, group);
    return packQ4(tensor, packed, 1);
  }
  quantizeQ8(packed, group);
  return packQ8(tensor, packed, 1);
}
