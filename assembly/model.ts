// Where each tensor lies: the file's directory matched to the places that the architecture has for
// tensors, and those places laid out in memory in the order in which a token reads them. Knows
// nothing of how bytes arrive (repack.ts) nor of what is computed with them (forward.ts).

import {
  BAND, GROUP, PACKED_F32, PACKED_Q4, PACKED_Q8, quantBytes, rowBytes, scaleBytes,
} from "./blocks";
import { blockCount, isVocabularyOnly } from "./config";
import * as errors from "./errors";
import { failAbout, failNamed } from "./errors";
import {
  DirectoryEntry, failTensor, header, readTensor, rewindDirectory, tensorCount,
} from "./gguf";
import {
  PARTS, PART_EMBEDDING, PART_NGRAM, PART_OUTPUT, PART_OUTPUT_NORM, PART_POOL_NORM, PART_POOL_UP,
  PART_UNPOOL_DOWN, PART_UNPOOL_NORM, TOP, TOP_PARTS, expectedColumns, expectedRows, isGain,
  slotOf, topName, writeName,
} from "./places";
import { DIRECTORY, WEIGHTS, isMeasuring, reserve } from "./plan";
import { F32, Q4_0 } from "./quantize";
import { pairOf } from "./sentences";

/** A tensor of the file and its packed place. Vectors (one row) stay F32. */
// @ts-ignore: decorator
@unmanaged export class Tensor {
  name: usize;
  nameLength: i32;
  /** ggml's type in the file, and one of PACKED_*. */
  type: i32;
  packed: i32;
  dimensions: i32;
  rows: i32;
  columns: i32;
  /** Rows in fours; groups of 32 in a row, or, of F32, the padded row length. */
  bands: i32;
  groups: i32;
  stride: i32;
  quants: usize;
  scales: usize;
  /** Which place it takes: block << 4 | part. */
  slot: i32;
  /** In the file: offset in the data section, bytes. */
  offset: i64;
  bytes: i64;
}

/** One decoder block's tensors, in the order of the PART numbers. */
// @ts-ignore: decorator
@unmanaged export class Block {
  attentionNorm: Tensor;
  q: Tensor;
  k: Tensor;
  v: Tensor;
  o: Tensor;
  feedForwardNorm: Tensor;
  gate: Tensor;
  up: Tensor;
  down: Tensor;
}

const top = memory.data(4 * 16, 4); // Tensor[16]: by part; 0 where the file has none
/** The packed types that the file's tensors have, a bit for each. */
export let kinds: i32 = 0;
/** Numbers in the file's tensors. */
export let parameters: i64 = 0;

let tensors: usize = 0; // Tensor[tensorCount], sorted by offset once placed
let blocks: usize = 0; // Block[blockCount()]
const seen = memory.data(2 * 513, 2); // u16[BLOCKS_MAX + 1]: a bit for each part
const placeName = memory.data(64);

// @ts-ignore: decorator
@inline function topTensor(part: i32): Tensor {
  return load<Tensor>(top + ((<usize>part) << 2));
}

export function embedding(): Tensor {
  return topTensor(PART_EMBEDDING);
}

export function outputNorm(): Tensor {
  return topTensor(PART_OUTPUT_NORM);
}

/** What gives the logits: the embedding itself where the file has no output.weight. */
export function output(): Tensor {
  return topTensor(PART_OUTPUT);
}

export function poolNorm(): Tensor {
  return topTensor(PART_POOL_NORM);
}

export function poolUp(): Tensor {
  return topTensor(PART_POOL_UP);
}

export function unpoolNorm(): Tensor {
  return topTensor(PART_UNPOOL_NORM);
}

export function unpoolDown(): Tensor {
  return topTensor(PART_UNPOOL_DOWN);
}

/** The i-th n-gram table. */
export function ngramTable(index: i32): Tensor {
  return topTensor(PART_NGRAM + index);
}

export function blockAt(index: i32): Block {
  return changetype<Block>(blocks + <usize>index * offsetof<Block>());
}

/** The i-th tensor in file order. */
export function tensorAt(index: i32): Tensor {
  return changetype<Tensor>(tensors + <usize>index * offsetof<Tensor>());
}

/** What a tensor becomes: `asked` is a PACKED_* type, or -1 for the file's own or the nearest. */
function packedType(tensor: DirectoryEntry, asked: i32): i32 {
  if (tensor.rows == 1 || tensor.columns % <i64>GROUP != 0) return PACKED_F32;
  if (asked >= 0) return asked;
  if (tensor.type == F32) return PACKED_F32;
  return tensor.type == Q4_0 ? PACKED_Q4 : PACKED_Q8;
}

/** Checks that every tensor has a place that it fits, and every place a tensor. */
export function checkTensors(): i32 {
  memory.fill(seen, 0, 2 * 513);
  rewindDirectory();
  parameters = 0;
  for (let i: i32 = 0; i < tensorCount; i++) {
    const tensor = readTensor();
    const slot = slotOf(header + tensor.name, tensor.nameLength);
    if (slot < 0) return failTensor(errors.UNKNOWN_TENSOR, tensor);
    const mark = seen + ((<usize>slot >> 4) << 1);
    const bit: u32 = 1 << (slot & 15);
    if (load<u16>(mark) & bit) return failTensor(errors.DUPLICATE_TENSOR, tensor);
    store<u16>(mark, <u16>(load<u16>(mark) | bit));
    const rows = <i64>expectedRows(slot);
    const columns = <i64>expectedColumns(slot);
    if (tensor.columns != columns || tensor.rows != rows) {
      return failTensor(errors.WRONG_SHAPE, tensor, pairOf(tensor.columns, tensor.rows),
        pairOf(columns, rows));
    }
    parameters += rows * columns;
  }
  return isVocabularyOnly ? errors.OK : checkPlaces();
}

function checkPlaces(): i32 {
  for (let part: i32 = 0; part < TOP_PARTS; part++) {
    const isNeeded = part != PART_OUTPUT && topName(part).length > 0;
    if (isNeeded && !(load<u16>(seen + ((<usize>TOP) << 1)) & (1 << part))) {
      return failAbout(errors.MISSING_TENSOR, topName(part));
    }
  }
  for (let block: i32 = 0; block < blockCount(); block++) {
    for (let part: i32 = 0; part < PARTS; part++) {
      if (load<u16>(seen + ((<usize>block) << 1)) & (1 << part)) continue;
      const length = writeName(placeName, block, part);
      return failNamed(errors.MISSING_TENSOR, placeName, length);
    }
  }
  return errors.OK;
}

/** Reserves the directory that stays: tensors, their names, the table of blocks. */
export function layoutDirectory(asked: i32): void {
  tensors = reserve(DIRECTORY, <u64>tensorCount * offsetof<Tensor>());
  blocks = reserve(DIRECTORY, <u64>blockCount() * offsetof<Block>());
  kinds = 0;
  rewindDirectory();
  for (let i: i32 = 0; i < tensorCount; i++) {
    const entry = readTensor();
    const name = reserve(DIRECTORY, entry.nameLength);
    const packed = packedType(entry, asked);
    kinds |= 1 << packed;
    if (isMeasuring()) continue;
    memory.copy(name, header + entry.name, entry.nameLength);
    insertByOffset(entry, i, name, packed);
  }
}

/** Files keep directory and data in one order, so this insertion sort moves nothing in practice. */
function insertByOffset(entry: DirectoryEntry, count: i32, name: usize, packed: i32): void {
  let at = count;
  while (at > 0 && tensorAt(at - 1).offset > entry.offset) {
    memory.copy(changetype<usize>(tensorAt(at)), changetype<usize>(tensorAt(at - 1)),
      offsetof<Tensor>());
    at--;
  }
  const tensor = tensorAt(at);
  tensor.name = name;
  tensor.nameLength = entry.nameLength;
  tensor.type = entry.type;
  tensor.packed = packed;
  tensor.dimensions = entry.dimensions;
  tensor.rows = <i32>entry.rows;
  tensor.columns = <i32>entry.columns;
  tensor.bands = (tensor.rows + BAND - 1) / BAND;
  tensor.groups = tensor.columns / GROUP;
  tensor.stride = (tensor.columns + 3) & ~3;
  tensor.slot = slotOf(name, entry.nameLength);
  tensor.offset = entry.offset;
  tensor.bytes = entry.bytes;
}

/** Reserves the weights, block after block, and fills the table of blocks. */
export function layoutWeights(asked: i32): i32 {
  if (isMeasuring()) {
    rewindDirectory();
    for (let i: i32 = 0; i < tensorCount; i++) {
      const entry = readTensor();
      const type = packedType(entry, asked);
      const slot = slotOf(header + entry.name, entry.nameLength);
      reserve(WEIGHTS, numberBytes(slot, type, <i32>entry.rows, <i32>entry.columns));
      reserve(WEIGHTS, scaleBytes(type, <i32>entry.rows, <i32>entry.columns));
    }
    return errors.OK;
  }
  memory.fill(top, 0, 4 * 16);
  for (let i: i32 = 0; i < tensorCount; i++) {
    const tensor = tensorAt(i);
    if (i > 0) {
      const before = tensorAt(i - 1);
      if (tensor.offset < before.offset + before.bytes) {
        return failNamed(errors.TENSORS_OVERLAP, tensor.name, tensor.nameLength, tensor.offset);
      }
    }
    settle(tensor);
  }
  for (let block: i32 = 0; block < blockCount(); block++) {
    for (let part: i32 = 0; part < PARTS; part++) place(partAt(block, part));
  }
  for (let part: i32 = TOP_PARTS - 1; part >= 0; part--) {
    if (changetype<usize>(topTensor(part)) != 0) place(topTensor(part));
  }
  const outputAt = top + ((<usize>PART_OUTPUT) << 2);
  if (changetype<usize>(output()) == 0) store<Tensor>(outputAt, embedding());
  return errors.OK;
}

function partAt(block: i32, part: i32): Tensor {
  return load<Tensor>(changetype<usize>(blockAt(block)) + ((<usize>part) << 2));
}

/** Points a tensor's slot at it. */
function settle(tensor: Tensor): void {
  const part = tensor.slot & 15;
  if (tensor.slot >> 4 == TOP) {
    store<Tensor>(top + ((<usize>part) << 2), tensor);
  } else {
    store<Tensor>(changetype<usize>(blockAt(tensor.slot >> 4)) + ((<usize>part) << 2), tensor);
  }
}

/** Bytes of a tensor's numbers or quants: a gain is one row, a matrix whole bands of rows. */
function numberBytes(slot: i32, type: i32, rows: i32, columns: i32): u64 {
  return isGain(slot) ? <u64>rowBytes(columns) : quantBytes(type, rows, columns);
}

/** Gives a tensor its bytes, zeroed where rows are padded: the header may have lain there. */
function place(tensor: Tensor): void {
  const quants = numberBytes(tensor.slot, tensor.packed, tensor.rows, tensor.columns);
  const scales = scaleBytes(tensor.packed, tensor.rows, tensor.columns);
  tensor.quants = reserve(WEIGHTS, quants);
  tensor.scales = reserve(WEIGHTS, scales);
  const padded = tensor.rows % BAND != 0 || tensor.stride != tensor.columns;
  if (!padded) return;
  memory.fill(tensor.quants, 0, <usize>quants);
  memory.fill(tensor.scales, 0, <usize>scales);
}
