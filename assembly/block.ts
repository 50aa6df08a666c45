// One decoder block, for all rows of a pass:
//
//   x += Wo · attention(rope(Wq·n), rope(Wk·n), Wv·n)     n = rmsnorm(x) · gain
//   x += Wdown · (silu(Wgate·m) ⊙ Wup·m)                  m = rmsnorm(x) · gain
//
// Knows nothing of what the rows stand for nor of what comes before and after.

import { attend, remember } from "./attend";
import { Rows, scratch } from "./batch";
import { add } from "./kernels/add";
import { rmsnorm } from "./kernels/rmsnorm";
import { swiglu } from "./kernels/swiglu";
import { Block, Tensor, blockAt } from "./model";
import { addProduct, kindOf, multiply, prepareRow } from "./multiply";
import { Work, share } from "./threads";

/** What all threads read (threads.ts). */
// @ts-ignore: decorator
@unmanaged class Step {
  rows: Rows;
  layer: i32;
  block: Block;
  gain: Tensor;
  /** What the normalized rows meet (multiply.ts). */
  kinds: i32;
}

const step: Step = changetype<Step>(memory.data(20, 4));

/** Sends the rows through a layer of their stack. */
export function runBlock(rows: Rows, layer: i32): void {
  const count = rows.count;
  const block = blockAt(rows.stack.blockOf(layer));
  step.rows = rows;
  step.layer = layer;
  step.block = block;
  step.gain = block.attentionNorm;
  step.kinds = kindOf(block.q) | kindOf(block.k) | kindOf(block.v);
  shareRows(normalizePart);
  addProduct(scratch.queries, scratch.queryStride, block.q);
  addProduct(scratch.keys, scratch.keyStride, block.k);
  addProduct(scratch.values, scratch.keyStride, block.v);
  multiply(scratch.normed, scratch.xStride, count);
  rememberFirst();
  shareRows(rememberPart);
  attend(rows, layer);
  shareRows(prepareAttendedPart);
  addProduct(scratch.normed, scratch.xStride, block.o);
  multiply(scratch.attended, scratch.queryStride, count);

  step.gain = block.feedForwardNorm;
  step.kinds = kindOf(block.gate) | kindOf(block.up);
  shareRows(addAndNormalizePart);
  addProduct(scratch.gates, scratch.hiddenStride, block.gate);
  addProduct(scratch.ups, scratch.hiddenStride, block.up);
  multiply(scratch.normed, scratch.xStride, count);
  shareRows(swigluPart);
  addProduct(scratch.normed, scratch.xStride, block.down);
  multiply(scratch.gates, scratch.hiddenStride, count);
  shareRows(addPart);
}

/** Steps that go row by row. */
function shareRows(work: Work): void {
  share(work, step.rows.count, <i32>scratch.hiddenStride);
}

function normalizePart(thread: i32, from: i32, to: i32): void {
  const stack = step.rows.stack;
  for (let row = from; row < to; row++) {
    normalizeRow(row, step.rows.count, step.rows.xOf(row), step.gain, stack.width, stack.epsilon,
      step.kinds);
  }
}

/** Keys of position 0 come first: all others of their sessions are kept as differences. */
function rememberFirst(): void {
  for (let row: i32 = 0; row < step.rows.count; row++) {
    if (step.rows.positionOf(row) == 0) remember(step.rows, row, step.layer);
  }
}

function rememberPart(thread: i32, from: i32, to: i32): void {
  for (let row = from; row < to; row++) {
    if (step.rows.positionOf(row) > 0) remember(step.rows, row, step.layer);
  }
}

function prepareAttendedPart(thread: i32, from: i32, to: i32): void {
  for (let row = from; row < to; row++) {
    prepareRow(row, step.rows.count, scratch.attended + <usize>row * scratch.queryStride,
      step.block.o.columns, kindOf(step.block.o));
  }
}

function addPart(thread: i32, from: i32, to: i32): void {
  for (let row = from; row < to; row++) {
    add(step.rows.xOf(row), scratch.normed + <usize>row * scratch.xStride, step.rows.stack.width);
  }
}

function addAndNormalizePart(thread: i32, from: i32, to: i32): void {
  addPart(thread, from, to);
  normalizePart(thread, from, to);
}

function swigluPart(thread: i32, from: i32, to: i32): void {
  for (let row = from; row < to; row++) {
    const gate = scratch.gates + <usize>row * scratch.hiddenStride;
    swiglu(gate, scratch.ups + <usize>row * scratch.hiddenStride, step.rows.stack.feedForward);
    prepareRow(row, step.rows.count, gate, step.block.down.columns, kindOf(step.block.down));
  }
}

/**
 * normed = rmsnorm(x) · gain for one of `rows` rows of any width, also as the activation rows that
 * matrices of these kinds want (multiply.ts).
 */
export function normalizeRow(
  row: i32, rows: i32, x: usize, gain: Tensor, width: i32, epsilon: f32, kinds: i32,
): void {
  const target = scratch.normed + <usize>row * scratch.xStride;
  rmsnorm(target, x, gain.quants, width, epsilon);
  prepareRow(row, rows, target, width, kinds);
}
