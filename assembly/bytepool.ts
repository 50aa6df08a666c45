// A byte-pooled model between embedding and logits (after Super Tiny Language Models, arXiv
// 2405.14159). Small local blocks see every byte; the large global blocks run once a patch, which
// is about a word:
//
//   byte t -> local encoders -> h[t] ------------------------------------+
//               patch closes? mean of h over the patch                   | +
//               -> rmsnorm -> Up -> global blocks -> rmsnorm -> Down -> c[patch]
//   z[t] = h[t] + c[last closed patch] -> local decoders
//
// A patch that closes with byte t already informs the prediction of byte t + 1. Before the first
// patch has closed c is zero. Knows nothing of the embedding, the logits or the rule that cuts
// patches.

import { patchRows, scratch, tokenRows } from "./batch";
import { normalizeRow, runBlock } from "./block";
import { encoders, local, trunk } from "./config";
import { add } from "./kernels/add";
import { divide } from "./kernels/divide";
import { ropeAngles } from "./kernels/rope";
import { poolNorm, poolUp, unpoolDown, unpoolNorm } from "./model";
import { addProduct, kindOf, multiply } from "./multiply";
import { closedBefore, closesAt, patchStart } from "./patches";
import { Session, stateBytes } from "./session";

/** Sends the token rows through encoders, patches and decoders, `depth` local layers in all. */
export function runPooled(depth: i32): void {
  for (let layer: i32 = 0; layer < min<i32>(depth, encoders); layer++) runBlock(tokenRows, layer);
  if (depth < encoders) return;
  poolPatches();
  if (patchRows.count > 0) runPatches();
  if (depth == encoders) return;
  hearPatches();
  for (let layer = encoders; layer < depth; layer++) runBlock(tokenRows, layer);
}

/** Where the state of a patch stands. */
function stateOf(session: Session, patch: i32): usize {
  return session.patchStates + <usize>patch * stateBytes;
}

/** The sum of a session's open patch as it was behind a token row of the last pass. */
export function sumBehind(row: i32): usize {
  return scratch.sums + <usize>row * stateBytes;
}

/**
 * Adds each byte's h to the sum of its patch, in order, so that it does not matter which bytes
 * come together in a pass. A patch that closes becomes a row; its mean waits there.
 */
function poolPatches(): void {
  for (let row: i32 = 0; row < tokenRows.count; row++) {
    const session = tokenRows.sessionOf(row);
    const position = tokenRows.positionOf(row);
    const start = patchStart(session.closed, position);
    if (start == position) memory.copy(session.sum, tokenRows.xOf(row), stateBytes);
    else add(session.sum, tokenRows.xOf(row), local.width);
    memory.copy(sumBehind(row), session.sum, stateBytes);
    if (!closesAt(session.closed, position)) continue;
    const mean = patchRows.xOf(patchRows.count);
    divide(mean, session.sum, <f32>(position - start + 1), local.width);
    patchRows.add(tokenRows.sessionIndexOf(row), closedBefore(session.closed, position));
  }
}

/** From the means of the patches that closed to what the bytes behind them are told. */
function runPatches(): void {
  const count = patchRows.count;
  for (let row: i32 = 0; row < count; row++) {
    normalizeRow(row, count, patchRows.xOf(row), poolNorm(), local.width, local.epsilon,
      kindOf(poolUp()));
    ropeAngles(patchRows.anglesOf(row), patchRows.frequencies, patchRows.positionOf(row),
      trunk.headSize >> 1);
  }
  addProduct(patchRows.x, scratch.xStride, poolUp());
  multiply(scratch.normed, scratch.xStride, count);
  for (let layer: i32 = 0; layer < trunk.layers; layer++) runBlock(patchRows, layer);
  for (let row: i32 = 0; row < count; row++) {
    normalizeRow(row, count, patchRows.xOf(row), unpoolNorm(), trunk.width, trunk.epsilon,
      kindOf(unpoolDown()));
  }
  addProduct(patchRows.x, scratch.xStride, unpoolDown());
  multiply(scratch.normed, scratch.xStride, count);
  for (let row: i32 = 0; row < count; row++) {
    const state = stateOf(patchRows.sessionOf(row), patchRows.positionOf(row));
    memory.copy(state, patchRows.xOf(row), stateBytes);
  }
}

/** z = h + c of the last patch that has closed, this byte's own included. */
function hearPatches(): void {
  for (let row: i32 = 0; row < tokenRows.count; row++) {
    const session = tokenRows.sessionOf(row);
    const closed = closedBefore(session.closed, tokenRows.positionOf(row) + 1);
    if (closed > 0) add(tokenRows.xOf(row), stateOf(session, closed - 1), local.width);
  }
}
