// The forward pass: tokens in, logits out. This is the page to read first.
//
// A pass takes up to 32 rows, each a token of some session. Reading a prompt, writing the next
// token and serving several sessions at once are the same path, and a row's result never depends
// on its neighbours. For each layer:
//
//   x += Wo · attention(rope(Wq·n), rope(Wk·n), Wv·n)     n = rmsnorm(x) · gain
//   x += Wdown · (silu(Wgate·m) ⊙ Wup·m)                  m = rmsnorm(x) · gain
//
// and at the end logits = Woutput · rmsnorm(x), for the rows that ask. Knows nothing of files,
// text, or sampling.

import { PACKED_F32, PACKED_Q4 } from "./blocks";
import { attend, remember } from "./attend";
import {
  anglesOf, attended, endRows, frequencies, gates, hiddenStride, keyStride, keys, lastRows, normed,
  positionOf, quantized, quantizedStride, queries, queryStride, rows, sessionOf, ups, values,
  wantsLogits, x, xStride,
} from "./batch";
import { layers, shape, vocabulary } from "./config";
import * as errors from "./errors";
import { fail, failAbout } from "./errors";
import { add } from "./kernels/add";
import { embedF32, embedQ4, embedQ8 } from "./kernels/embed";
import { quantizeRow } from "./kernels/quantize";
import { rmsnorm } from "./kernels/rmsnorm";
import { ropeAngles } from "./kernels/rope";
import { swiglu } from "./kernels/swiglu";
import { exp, log } from "./math";
import { Tensor, blockAt, embedding, isQuantized, output, outputNorm } from "./model";
import { multiply, multiplyRow, prepare } from "./multiply";

/** Fills what stays the same for all passes: base^(-2i / headSize). */
export function prepareForward(): void {
  const step = (-2 * log(shape.ropeBase)) / <f64>shape.headSize;
  for (let i: usize = 0; i < <usize>shape.headSize >> 1; i++) {
    store<f64>(frequencies + (i << 3), exp(step * <f64>i));
  }
}

/**
 * Runs the rows that were pushed through the first `depth` layers (all of them for logits; fewer
 * to look inside). OK, or NON_FINITE.
 */
export function forward(depth: i32): i32 {
  for (let row: i32 = 0; row < rows; row++) {
    embed(x + <usize>row * xStride, row);
    ropeAngles(anglesOf(row), frequencies, positionOf(row), shape.headSize >> 1);
  }
  for (let layer: i32 = 0; layer < depth; layer++) {
    const block = blockAt(layer / shape.repeat);
    normalize(block.attentionNorm);
    multiply(queries, queryStride, normed, xStride, block.q);
    multiply(keys, keyStride, normed, xStride, block.k);
    multiply(values, keyStride, normed, xStride, block.v);
    for (let row: i32 = 0; row < rows; row++) remember(row, layer);
    for (let row: i32 = 0; row < rows; row++) attend(row, layer);
    prepare(attended, queryStride, block.o);
    multiply(normed, xStride, attended, queryStride, block.o);
    addToResidual();

    normalize(block.feedForwardNorm);
    multiply(gates, hiddenStride, normed, xStride, block.gate);
    multiply(ups, hiddenStride, normed, xStride, block.up);
    for (let row: i32 = 0; row < rows; row++) {
      swiglu(gates + <usize>row * hiddenStride, ups + <usize>row * hiddenStride,
        shape.feedForward);
    }
    prepare(gates, hiddenStride, block.down);
    multiply(normed, xStride, gates, hiddenStride, block.down);
    addToResidual();
  }
  endRows();
  return depth == layers() ? readOutAsked() : errors.OK;
}

/** Logits of every row that asked. */
function readOutAsked(): i32 {
  for (let row: i32 = 0; row < lastRows; row++) {
    if (!wantsLogits(row)) continue;
    const status = readOut(row);
    if (status < 0) return status;
  }
  return errors.OK;
}

/** Logits of a row of the last pass, into its session's buffer. */
export function readOut(row: i32): i32 {
  if (row < 0 || row >= lastRows) {
    return failAbout(errors.OUT_OF_ORDER, "the last pass has no such row");
  }
  const session = sessionOf(row);
  session.logitsPosition = -1;
  rmsnorm(normed, x + <usize>row * xStride, outputNorm.quants, shape.width, shape.epsilon);
  if (isQuantized && output.packed != PACKED_F32) quantizeRow(quantized, normed, shape.width);
  multiplyRow(session.logits, normed, quantized, output);
  const end = session.logits + ((<usize>vocabulary) << 2);
  let spread: f32 = 0; // x - x is NaN for a NaN or an infinity, and NaN stays
  for (let at = session.logits; at < end; at += 4) spread += load<f32>(at) - load<f32>(at);
  if (spread != 0) return fail(errors.NON_FINITE, positionOf(row));
  session.logitsPosition = positionOf(row) + 1;
  return errors.OK;
}

/** Address of a row's residual stream after the last pass: f32[width]. */
export function residualOf(row: i32): usize {
  return x + <usize>row * xStride;
}

function embed(target: usize, row: i32): void {
  const session = sessionOf(row);
  const token = load<i32>(session.tokens + ((<usize>positionOf(row)) << 2));
  const e = embedding;
  if (e.packed == PACKED_F32) embedF32(target, e.quants, token, e.stride);
  else if (e.packed == PACKED_Q4) embedQ4(target, e.quants, e.scales, token, e.groups);
  else embedQ8(target, e.quants, e.scales, token, e.groups);
}

/** normed = rmsnorm(x) · gain for every row, also as activation rows where matrices want them. */
function normalize(gain: Tensor): void {
  for (let row: i32 = 0; row < rows; row++) {
    const target = normed + <usize>row * xStride;
    rmsnorm(target, x + <usize>row * xStride, gain.quants, shape.width, shape.epsilon);
    if (isQuantized && shape.width % 32 == 0) {
      quantizeRow(quantized + <usize>row * quantizedStride, target, shape.width);
    }
  }
}

function addToResidual(): void {
  for (let row: i32 = 0; row < rows; row++) {
    add(x + <usize>row * xStride, normed + <usize>row * xStride, shape.width);
  }
}
