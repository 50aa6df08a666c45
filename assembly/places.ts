// The places that an architecture has for tensors: their names and shapes. A place is a slot,
// block << 4 | part; what lies outside the blocks has parts of its own. Knows nothing of files or
// memory.

import {
  BLOCKS_MAX, blockCount, encoders, isPooled, local, stackOf, tokenStack, trunk, vocabulary,
} from "./config";
import { ngramRows, orderAt, orderCount } from "./patches";
import { equals, startsWith, writeDecimal, writeLiteral } from "./text";

const PART_ATTENTION_NORM: i32 = 0;
const PART_Q: i32 = 1;
const PART_K: i32 = 2;
const PART_V: i32 = 3;
const PART_O: i32 = 4;
const PART_FEED_FORWARD_NORM: i32 = 5;
const PART_GATE: i32 = 6;
const PART_UP: i32 = 7;
const PART_DOWN: i32 = 8;
export const PARTS: i32 = 9;
/** Tensors outside the blocks: "block" BLOCKS_MAX, with parts of their own. */
export const TOP: i32 = <i32>BLOCKS_MAX;
export const PART_EMBEDDING: i32 = 0;
export const PART_OUTPUT_NORM: i32 = 1;
/** Of a Llama, and it may be missing: then the embedding serves. */
export const PART_OUTPUT: i32 = 2;
/** Of a byte-pooled model: the way up to patches and down again, then the n-gram tables. */
export const PART_POOL_NORM: i32 = 3;
export const PART_POOL_UP: i32 = 4;
export const PART_UNPOOL_NORM: i32 = 5;
export const PART_UNPOOL_DOWN: i32 = 6;
export const PART_NGRAM: i32 = 7;
/** Parts outside the blocks: seven, and the most n-gram tables; a slot has four bits for them. */
export const TOP_PARTS: i32 = 15;

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

/** How a part outside the blocks is called; "" when the architecture has none such. */
export function topName(part: i32): string {
  switch (part) {
    case PART_EMBEDDING: return "token_embd.weight";
    case PART_OUTPUT_NORM: return "output_norm.weight";
    case PART_OUTPUT: return isPooled ? "" : "output.weight";
  }
  if (!isPooled) return "";
  switch (part) {
    case PART_POOL_NORM: return "pool_norm.weight";
    case PART_POOL_UP: return "pool_up.weight";
    case PART_UNPOOL_NORM: return "unpool_norm.weight";
    case PART_UNPOOL_DOWN: return "unpool_down.weight";
  }
  return part < PART_NGRAM + orderCount ? ngramName(orderAt(part - PART_NGRAM)) : "";
}

/** Orders end at 8 (patches.ts). */
function ngramName(order: i32): string {
  switch (order) {
    case 2: return "ngram.2.weight";
    case 3: return "ngram.3.weight";
    case 4: return "ngram.4.weight";
    case 5: return "ngram.5.weight";
    case 6: return "ngram.6.weight";
    case 7: return "ngram.7.weight";
    default: return "ngram.8.weight";
  }
}

/** How the family of a block is called: its number follows. */
function familyName(block: i32): string {
  if (block < trunk.blocks) return "blk.";
  return block < trunk.blocks + encoders ? "enc." : "dec.";
}

/** The first block of the family that a name begins with, or -1. */
function familyOf(name: usize, length: i32): i32 {
  if (startsWith(name, length, "blk.")) return 0;
  if (!isPooled) return -1;
  if (startsWith(name, length, "enc.")) return trunk.blocks;
  return startsWith(name, length, "dec.") ? trunk.blocks + encoders : -1;
}

/** The block behind the last of a family that begins with `first`. */
function familyEnd(first: i32): i32 {
  if (first < trunk.blocks) return trunk.blocks;
  return first < trunk.blocks + encoders ? trunk.blocks + encoders : blockCount();
}

/** Writes the name of a block's tensor, at most 64 bytes; returns its length. */
export function writeName(target: usize, block: i32, part: i32): i32 {
  let length = writeLiteral(target, familyName(block));
  length += writeDecimal(target + length, block - familyOf(target, length));
  length += writeLiteral(target + length, ".");
  return length + writeLiteral(target + length, partName(part));
}

/** block << 4 | part of a name, or -1. */
export function slotOf(name: usize, length: i32): i32 {
  for (let part: i32 = 0; part < TOP_PARTS; part++) {
    const called = topName(part);
    if (called.length > 0 && equals(name, length, called)) return (TOP << 4) | part;
  }
  const first = familyOf(name, length);
  if (first < 0) return -1;
  let at: i32 = 4;
  let number: i32 = 0;
  while (at < length && at < 8 && load<u8>(name + at) - 0x30 < 10) {
    number = number * 10 + (load<u8>(name + at) - 0x30);
    at++;
  }
  const block = first + number;
  const spelledOnce = at == 5 || (at > 5 && load<u8>(name, 4) != 0x30);
  if (!spelledOnce || block >= familyEnd(first) || at >= length || load<u8>(name + at) != 0x2e) {
    return -1;
  }
  for (let part: i32 = 0; part < PARTS; part++) {
    if (equals(name + at + 1, length - at - 1, partName(part))) return (block << 4) | part;
  }
  return -1;
}

/** Whether a place is for the gain of a norm, which no kernel reads as a matrix. */
export function isGain(slot: i32): bool {
  const part = slot & 15;
  if (slot >> 4 != TOP) return part == PART_ATTENTION_NORM || part == PART_FEED_FORWARD_NORM;
  return part == PART_OUTPUT_NORM || part == PART_POOL_NORM || part == PART_UNPOOL_NORM;
}

/** Rows of the tensor in a place. */
export function expectedRows(slot: i32): i32 {
  const part = slot & 15;
  if (slot >> 4 == TOP) return expectedTopRows(part);
  const stack = stackOf(slot >> 4);
  switch (part) {
    case PART_Q: return stack.heads * stack.headSize;
    case PART_K: case PART_V: return stack.kvHeads * stack.headSize;
    case PART_GATE: case PART_UP: return stack.feedForward;
    case PART_O: case PART_DOWN: return stack.width;
    default: return 1;
  }
}

function expectedTopRows(part: i32): i32 {
  switch (part) {
    case PART_EMBEDDING: case PART_OUTPUT: return vocabulary;
    case PART_POOL_UP: return trunk.width;
    case PART_UNPOOL_DOWN: return local.width;
    case PART_OUTPUT_NORM: case PART_POOL_NORM: case PART_UNPOOL_NORM: return 1;
    default: return ngramRows;
  }
}

/** Its row length. */
export function expectedColumns(slot: i32): i32 {
  const part = slot & 15;
  if (slot >> 4 == TOP) {
    const isGlobal = part == PART_UNPOOL_NORM || part == PART_UNPOOL_DOWN;
    return isGlobal ? trunk.width : tokenStack.width;
  }
  const stack = stackOf(slot >> 4);
  if (part == PART_O) return stack.heads * stack.headSize;
  return part == PART_DOWN ? stack.feedForward : stack.width;
}
