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
import {
  anglesOf, attended, blockScales, endRows, frequencies, gates, hiddenStride, keyStride, keys,
  lastRows, normed, positionOf, quantized, quantizedStride, queries, query, queryStride, rows,
  scores, sessionOf, ups, values, wantsLogits, weights, x, xStride,
} from "./batch";
import { layers, shape, vocabulary } from "./config";
import * as errors from "./errors";
import { fail } from "./errors";
import { add } from "./kernels/add";
import { scoresF32, scoresInt8, valuesF32, valuesInt8, weighValues } from "./kernels/attention";
import { embedF32, embedQ4, embedQ8 } from "./kernels/embed";
import { quantizeHead, quantizeKey, quantizeQuery, quantizeRow } from "./kernels/quantize";
import { rmsnorm } from "./kernels/rmsnorm";
import { rope, ropeAngles } from "./kernels/rope";
import { softmax } from "./kernels/softmax";
import { swiglu } from "./kernels/swiglu";
import { exp, log } from "./math";
import { Tensor, blockAt, embedding, isQuantized, output, outputNorm } from "./model";
import { multiply, multiplyRow, prepare } from "./multiply";
import {
  firstKeyOf, isInt8Cache, keyScalesOf, keysOf, stride, valueScalesOf, valuesOf,
} from "./session";

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
  if (row < 0 || row >= lastRows) return fail(errors.TOO_MANY_ROWS, lastRows);
  const session = sessionOf(row);
  rmsnorm(normed, x + <usize>row * xStride, outputNorm.quants, shape.width, shape.epsilon);
  if (isQuantized && output.packed != PACKED_F32) quantizeRow(quantized, normed, shape.width);
  multiplyRow(session.logits, normed, quantized, output);
  const end = session.logits + ((<usize>vocabulary) << 2);
  let spread: f32 = 0; // x - x is NaN for a NaN or an infinity, and NaN stays
  for (let at = session.logits; at < end; at += 4) spread += load<f32>(at) - load<f32>(at);
  if (spread != 0) return fail(errors.NON_FINITE, positionOf(row));
  session.hasLogits = true;
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

/** Turns a row's query and key, and puts key and value into the session's cache. */
function remember(row: i32, layer: i32): void {
  const session = sessionOf(row);
  const position = <usize>positionOf(row);
  const key = keys + <usize>row * keyStride;
  const value = values + <usize>row * keyStride;
  rope(queries + <usize>row * queryStride, anglesOf(row), shape.heads, shape.headSize,
    shape.interleaved);
  rope(key, anglesOf(row), shape.kvHeads, shape.headSize, shape.interleaved);
  for (let head: i32 = 0; head < shape.kvHeads; head++) {
    const offset = <usize>(head * shape.headSize) << 2;
    const target = keysOf(session, layer, head);
    if (isInt8Cache) {
      const at = position * <usize>stride;
      const first = firstKeyOf(target);
      if (position == 0) memory.copy(first, key + offset, (<usize>shape.headSize) << 2);
      store<f32>(keyScalesOf(target) + (position << 2), quantizeKey(target + at, key + offset,
        first, attended, shape.headSize, stride)); // `attended` is free here: scratch
      store<f32>(valueScalesOf(target) + (position << 2),
        quantizeHead(valuesOf(target) + at, value + offset, shape.headSize, stride));
    } else {
      const at = (position * <usize>stride) << 2;
      memory.copy(target + at, key + offset, (<usize>shape.headSize) << 2);
      memory.copy(valuesOf(target) + at, value + offset, (<usize>shape.headSize) << 2);
    }
  }
}

/** Every head of a row looks back over its session: softmax(q · K / sqrt(headSize)) · V. */
function attend(row: i32, layer: i32): void {
  const session = sessionOf(row);
  const last = positionOf(row);
  const group = shape.heads / shape.kvHeads;
  const scale: f32 = 1.0 / sqrt<f32>(<f32>shape.headSize);
  for (let head: i32 = 0; head < shape.heads; head++) {
    const offset = <usize>(head * shape.headSize) << 2;
    const from = queries + <usize>row * queryStride + offset;
    const out = attended + <usize>row * queryStride + offset;
    const key = keysOf(session, layer, head / group);
    if (isInt8Cache) {
      // The first key's own score, of which keys that were kept as differences have need.
      scoresF32(scores, from, scale, firstKeyOf(key), 0, 0, shape.headSize);
      const base = load<f32>(scores);
      const queryScale = quantizeQuery(query, from, shape.headSize, stride) * scale;
      scoresInt8(scores, query, queryScale, base, key, keyScalesOf(key), 0, last, stride);
      const sum = softmax(scores, 0, last);
      weighValues(weights, blockScales, scores, valueScalesOf(key), 0, last);
      valuesInt8(out, weights, blockScales, sum, valuesOf(key), 0, last, stride);
    } else {
      scoresF32(scores, from, scale, key, 0, last, stride);
      const sum = softmax(scores, 0, last);
      valuesF32(out, scores, sum, valuesOf(key), 0, last, stride);
    }
  }
}

function addToResidual(): void {
  for (let row: i32 = 0; row < rows; row++) {
    add(x + <usize>row * xStride, normed + <usize>row * xStride, shape.width);
  }
}
