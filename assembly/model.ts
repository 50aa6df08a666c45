// Where each tensor lies: the file's directory matched to the places a Llama has for tensors, and
// those places laid out in memory in the order in which a token reads them. Knows nothing of how
// bytes arrive (repack.ts) nor of what is computed with them (forward.ts).

import { BAND, GROUP, PACKED_F32, PACKED_Q4, PACKED_Q8, quantBytes, scaleBytes } from "./blocks";
import { BLOCKS_MAX, shape, vocabulary } from "./config";
import * as errors from "./errors";
import { failAbout, failNamed } from "./errors";
import {
  DirectoryEntry, failTensor, header, readTensor, rewindDirectory, tensorCount,
} from "./gguf";
import { DIRECTORY, WEIGHTS, isMeasuring, reserve } from "./plan";
import { F32, Q4_0 } from "./quantize";
import { pairOf } from "./sentences";
import { equals, startsWith, writeDecimal, writeLiteral } from "./text";

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

const PART_ATTENTION_NORM: i32 = 0;
const PART_Q: i32 = 1;
const PART_K: i32 = 2;
const PART_V: i32 = 3;
const PART_O: i32 = 4;
const PART_FEED_FORWARD_NORM: i32 = 5;
const PART_GATE: i32 = 6;
const PART_UP: i32 = 7;
const PART_DOWN: i32 = 8;
const PARTS: i32 = 9;
/** Tensors outside the blocks: "block" BLOCKS_MAX, with parts of their own. */
const TOP: i32 = <i32>BLOCKS_MAX;
const PART_EMBEDDING: i32 = 0;
const PART_OUTPUT_NORM: i32 = 1;
const PART_OUTPUT: i32 = 2;

export let embedding: Tensor = changetype<Tensor>(0);
export let outputNorm: Tensor = changetype<Tensor>(0);
/** The embedding itself where the file has no output.weight. */
export let output: Tensor = changetype<Tensor>(0);
/** Whether any matrix is quantized, so that activations must be too. */
export let isQuantized: bool = false;
/** Numbers in the file's tensors. */
export let parameters: i64 = 0;

let tensors: usize = 0; // Tensor[tensorCount], sorted by offset once placed
let blocks: usize = 0; // Block[shape.blocks]
const seen = memory.data(2 * 513, 2); // u16[BLOCKS_MAX + 1]: a bit for each part
const missingName = memory.data(64);

export function blockAt(index: i32): Block {
  return changetype<Block>(blocks + <usize>index * offsetof<Block>());
}

/** The i-th tensor in file order. */
export function tensorAt(index: i32): Tensor {
  return changetype<Tensor>(tensors + <usize>index * offsetof<Tensor>());
}

function partName(part: i32): string {
  switch (part) {
    case PART_ATTENTION_NORM: return "attn_norm.weight";
    case PART_Q: return "attn_q.weight";
    case PART_K: return "attn_k.weight";
    case PART_V: return "attn_v.weight";
    case PART_O: return "attn_output.weight";
    case PART_FEED_FORWARD_NORM: return "ffn_norm.weight";
    case PART_GATE: return "ffn_gate.weight";
    case PART_UP: return "ffn_up.weight";
    default: return "ffn_down.weight";
  }
}

function topName(part: i32): string {
  if (part == PART_EMBEDDING) return "token_embd.weight";
  return part == PART_OUTPUT_NORM ? "output_norm.weight" : "output.weight";
}

/** block << 4 | part of a name, or -1. */
function slotOf(name: usize, length: i32): i32 {
  for (let part: i32 = 0; part <= PART_OUTPUT; part++) {
    if (equals(name, length, topName(part))) return (TOP << 4) | part;
  }
  if (!startsWith(name, length, "blk.")) return -1;
  let at: i32 = 4;
  let block: i32 = 0;
  while (at < length && at < 8 && load<u8>(name + at) - 0x30 < 10) {
    block = block * 10 + (load<u8>(name + at) - 0x30);
    at++;
  }
  const spelledOnce = at == 5 || (at > 5 && load<u8>(name, 4) != 0x30);
  if (!spelledOnce || block >= shape.blocks || at >= length || load<u8>(name + at) != 0x2e) {
    return -1;
  }
  for (let part: i32 = 0; part < PARTS; part++) {
    if (equals(name + at + 1, length - at - 1, partName(part))) return (block << 4) | part;
  }
  return -1;
}

function expectedRows(slot: i32): i32 {
  const part = slot & 15;
  if (slot >> 4 == TOP) return part == PART_OUTPUT_NORM ? 1 : vocabulary;
  switch (part) {
    case PART_Q: return shape.heads * shape.headSize;
    case PART_K: case PART_V: return shape.kvHeads * shape.headSize;
    case PART_GATE: case PART_UP: return shape.feedForward;
    case PART_O: case PART_DOWN: return shape.width;
    default: return 1;
  }
}

function expectedColumns(slot: i32): i32 {
  const part = slot & 15;
  if (slot >> 4 == TOP) return shape.width;
  if (part == PART_O) return shape.heads * shape.headSize;
  return part == PART_DOWN ? shape.feedForward : shape.width;
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
  return checkPlaces();
}

function checkPlaces(): i32 {
  for (let part: i32 = 0; part < PART_OUTPUT; part++) {
    if (!(load<u16>(seen + ((<usize>TOP) << 1)) & (1 << part))) {
      return failAbout(errors.MISSING_TENSOR, topName(part));
    }
  }
  for (let block: i32 = 0; block < shape.blocks; block++) {
    for (let part: i32 = 0; part < PARTS; part++) {
      if (load<u16>(seen + ((<usize>block) << 1)) & (1 << part)) continue;
      let length = writeLiteral(missingName, "blk.");
      length += writeDecimal(missingName + length, block);
      length += writeLiteral(missingName + length, ".");
      length += writeLiteral(missingName + length, partName(part));
      return failNamed(errors.MISSING_TENSOR, missingName, length);
    }
  }
  return errors.OK;
}

/** Reserves the directory that stays: tensors, their names, the table of blocks. */
export function layoutDirectory(asked: i32): void {
  tensors = reserve(DIRECTORY, <u64>tensorCount * offsetof<Tensor>());
  blocks = reserve(DIRECTORY, <u64>shape.blocks * offsetof<Block>());
  isQuantized = false;
  rewindDirectory();
  for (let i: i32 = 0; i < tensorCount; i++) {
    const entry = readTensor();
    const name = reserve(DIRECTORY, entry.nameLength);
    const packed = packedType(entry, asked);
    if (packed != PACKED_F32) isQuantized = true;
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
      reserve(WEIGHTS, quantBytes(type, <i32>entry.rows, <i32>entry.columns));
      reserve(WEIGHTS, scaleBytes(type, <i32>entry.rows, <i32>entry.columns));
    }
    return errors.OK;
  }
  output = changetype<Tensor>(0);
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
  for (let block: i32 = 0; block < shape.blocks; block++) {
    for (let part: i32 = 0; part < PARTS; part++) place(partAt(block, part));
  }
  place(outputNorm);
  place(embedding);
  if (changetype<usize>(output) == 0) output = embedding;
  else place(output);
  return errors.OK;
}

function partAt(block: i32, part: i32): Tensor {
  return load<Tensor>(changetype<usize>(blockAt(block)) + ((<usize>part) << 2));
}

/** Points a tensor's slot at it. */
function settle(tensor: Tensor): void {
  const part = tensor.slot & 15;
  if (tensor.slot >> 4 != TOP) {
    store<Tensor>(changetype<usize>(blockAt(tensor.slot >> 4)) + ((<usize>part) << 2), tensor);
  } else if (part == PART_EMBEDDING) {
    embedding = tensor;
  } else if (part == PART_OUTPUT_NORM) {
    outputNorm = tensor;
  } else {
    output = tensor;
  }
}

/** Gives a tensor its bytes, zeroed where rows are padded: the header may have lain there. */
function place(tensor: Tensor): void {
  const quants = quantBytes(tensor.packed, tensor.rows, tensor.columns);
  const scales = scaleBytes(tensor.packed, tensor.rows, tensor.columns);
  tensor.quants = reserve(WEIGHTS, quants);
  tensor.scales = reserve(WEIGHTS, scales);
  const padded = tensor.rows % BAND != 0 || tensor.stride != tensor.columns;
  if (!padded) return;
  memory.fill(tensor.quants, 0, <usize>quants);
  memory.fill(tensor.scales, 0, <usize>scales);
}
