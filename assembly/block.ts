// One decoder block, for all rows of a pass:
//
//   x += Wo · attention(rope(Wq·n), rope(Wk·n), Wv·n)     n = rmsnorm(x) · gain
//   x += Wdown · (silu(Wgate·m) ⊙ Wup·m)                  m = rmsnorm(x) · gain
//
// Knows nothing of what the rows stand for nor of what comes before and after.

import { attend, remember } from "./attend";
import {
  Rows, attended, gates, hiddenStride, keyStride, keys, normed, quantized, quantizedStride,
  queries, queryStride, ups, values, xStride,
} from "./batch";
import { add } from "./kernels/add";
import { quantizeRow } from "./kernels/quantize";
import { rmsnorm } from "./kernels/rmsnorm";
import { swiglu } from "./kernels/swiglu";
import { Tensor, blockAt, isQuantized } from "./model";
import { multiply, prepare } from "./multiply";

/** Sends the rows through a layer of their stack. */
export function runBlock(rows: Rows, layer: i32): void {
  const stack = rows.stack;
  const count = rows.count;
  const block = blockAt(stack.blockOf(layer));
  normalize(rows, block.attentionNorm);
  multiply(queries, queryStride, normed, xStride, block.q, count);
  multiply(keys, keyStride, normed, xStride, block.k, count);
  multiply(values, keyStride, normed, xStride, block.v, count);
  for (let row: i32 = 0; row < count; row++) remember(rows, row, layer);
  for (let row: i32 = 0; row < count; row++) attend(rows, row, layer);
  prepare(attended, queryStride, block.o, count);
  multiply(normed, xStride, attended, queryStride, block.o, count);
  addToResidual(rows);

  normalize(rows, block.feedForwardNorm);
  multiply(gates, hiddenStride, normed, xStride, block.gate, count);
  multiply(ups, hiddenStride, normed, xStride, block.up, count);
  for (let row: i32 = 0; row < count; row++) {
    swiglu(gates + <usize>row * hiddenStride, ups + <usize>row * hiddenStride, stack.feedForward);
  }
  prepare(gates, hiddenStride, block.down, count);
  multiply(normed, xStride, gates, hiddenStride, block.down, count);
  addToResidual(rows);
}

/** normed = rmsnorm(x) · gain for every row, also as activation rows where matrices want them. */
export function normalize(rows: Rows, gain: Tensor): void {
  const stack = rows.stack;
  for (let row: i32 = 0; row < rows.count; row++) {
    normalizeRow(row, rows.xOf(row), gain, stack.width, stack.epsilon);
  }
}

/** The same for one row of any width. */
export function normalizeRow(row: i32, x: usize, gain: Tensor, width: i32, epsilon: f32): void {
  const target = normed + <usize>row * xStride;
  rmsnorm(target, x, gain.quants, width, epsilon);
  if (isQuantized && width % 32 == 0) {
    quantizeRow(quantized + <usize>row * quantizedStride, target, width);
  }
}

function addToResidual(rows: Rows): void {
  for (let row: i32 = 0; row < rows.count; row++) {
    add(rows.xOf(row), normed + <usize>row * xStride, rows.stack.width);
  }
}
