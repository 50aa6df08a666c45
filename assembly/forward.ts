// The forward pass: tokens in, logits out. This is the page to read first.
//
// A pass takes up to 32 rows, each a token of some session. Reading a prompt, writing the next
// token and serving several sessions at once are the same path, and a row's result never depends
// on its neighbours:
//
//   x = E[token]                     + Σ G_n[hash of the last n tokens], where a model has them
//   x = block(x), layer by layer     block.ts; with patches of bytes in between: bytepool.ts
//   logits = Woutput · rmsnorm(x)    for the rows that ask
//
// Knows nothing of files, text, or sampling.

import { ROWS_MAX } from "./blocks";
import {
  Rows, endRows, lastRows, patchRows, pushRow, scratch, tokenRows, wantsLogits,
} from "./batch";
import { normalizeRow, runBlock } from "./block";
import { runPooled, sumBehind } from "./bytepool";
import { encoders, isPooled, tokenStack, vocabulary } from "./config";
import * as errors from "./errors";
import { fail, failAbout } from "./errors";
import { add } from "./kernels/add";
import { ropeAngles } from "./kernels/rope";
import { areFinite, exp, log } from "./math";
import { embedding, ngramTable, output, outputNorm } from "./model";
import { kindOf, lookUpRow, multiplyTo } from "./multiply";
import { ngramRow, orderCount, patchStart } from "./patches";
import { Session, rewindSession, sessionAt, stateBytes } from "./session";
import { chooseSums } from "./sums";

// What is being read out, u32[ROWS_MAX] each: addresses of logits, and the sessions they are of.
const readOuts = memory.data(4 * 32, 16);
const readers = memory.data(4 * 32, 16);

/** Fills what stays the same for all passes: RoPE's frequencies. */
export function prepareForward(): void {
  fillFrequencies(tokenRows);
  if (isPooled) fillFrequencies(patchRows);
}

/** base^(-2i / headSize). */
function fillFrequencies(rows: Rows): void {
  const stack = rows.stack;
  const step = (-2 * log(stack.ropeBase)) / <f64>stack.headSize;
  for (let i: usize = 0; i < <usize>stack.headSize >> 1; i++) {
    store<f64>(rows.frequencies + (i << 3), exp(step * <f64>i));
  }
}

/**
 * Runs the rows that were pushed through the first `depth` layers (all of them for logits; fewer
 * to look inside). OK, or NON_FINITE.
 */
export function forward(depth: i32): i32 {
  chooseSums(); // here, where no activations are packed for the other form
  embedRows();
  if (isPooled) runPooled(depth);
  else for (let layer: i32 = 0; layer < depth; layer++) runBlock(tokenRows, layer);
  endRows(true);
  return depth == tokenStack.layers ? readOutAsked() : errors.OK;
}

function embedRows(): void {
  for (let row: i32 = 0; row < tokenRows.count; row++) {
    const x = tokenRows.xOf(row);
    const position = tokenRows.positionOf(row);
    const tokens = tokenRows.sessionOf(row).tokens;
    lookUpRow(x, embedding(), load<i32>(tokens + ((<usize>position) << 2)));
    for (let i: i32 = 0; isPooled && i < orderCount; i++) {
      lookUpRow(scratch.normed, ngramTable(i), ngramRow(tokens, position, i));
      add(x, scratch.normed, tokenStack.width);
    }
    ropeAngles(tokenRows.anglesOf(row), tokenRows.frequencies, position, tokenStack.headSize >> 1);
  }
}

/** Logits of every row that asked, all in one product. */
function readOutAsked(): i32 {
  let count: i32 = 0;
  for (let row: i32 = 0; row < lastRows; row++) count += <i32>wantsLogits(row);
  let index: i32 = 0;
  for (let row: i32 = 0; row < lastRows; row++) {
    if (wantsLogits(row)) addReadOut(row, index++, count);
  }
  return count > 0 ? readOutAdded(count) : errors.OK;
}

/** Logits of a row of the last pass, into its session's buffer. */
export function readOut(row: i32): i32 {
  if (row < 0 || row >= lastRows) {
    return failAbout(errors.OUT_OF_ORDER, "the last pass has no such row");
  }
  addReadOut(row, 0, 1);
  return readOutAdded(1);
}

/** Makes a row ready to be read out as one of `count`. */
function addReadOut(row: i32, index: i32, count: i32): void {
  normalizeRow(index, count, tokenRows.xOf(row), outputNorm(), tokenStack.width,
    tokenStack.epsilon, kindOf(output()));
  const session = tokenRows.sessionOf(row);
  session.logitsPosition = tokenRows.positionOf(row) + 1;
  store<usize>(readOuts + ((<usize>index) << 2), session.logits);
  store<usize>(readers + ((<usize>index) << 2), changetype<usize>(session));
}

function readOutAdded(count: i32): i32 {
  multiplyTo(readOuts, scratch.normed, scratch.xStride, count, output());
  let status = errors.OK;
  for (let i: i32 = 0; i < count; i++) {
    const session = changetype<Session>(load<usize>(readers + ((<usize>i) << 2)));
    if (areFinite(session.logits, vocabulary)) continue;
    status = fail(errors.NON_FINITE, session.logitsPosition - 1);
    session.logitsPosition = -1;
  }
  return status;
}

/**
 * Keeps of a session what the last pass has done up to this row, its logits included, as though the
 * rows behind had not been there: they may have been guesses. Until the next pass, those behind can
 * be kept after all, one after the other. OK, OUT_OF_ORDER or NON_FINITE.
 */
export function keepTo(row: i32): i32 {
  const isRow = <u32>row < <u32>lastRows;
  if (!isRow || tokenRows.sessionOf(row).logitsPosition != tokenRows.positionOf(row) + 1) {
    const status = readOut(row);
    if (status < 0) return status;
  }
  const session = tokenRows.sessionOf(row);
  session.position = session.logitsPosition;
  if (isPooled) memory.copy(session.sum, sumBehind(row), stateBytes);
  return errors.OK;
}

/** Address of a row's residual stream after the last pass: f32[width]. */
export function residualOf(row: i32): usize {
  return tokenRows.xOf(row);
}

/**
 * Forgets everything of a session from `position` on. Inside a patch, the bytes of it that stay
 * are read again, as far as the sum that its mean will be made of.
 */
export function rewind(index: i32, position: i32): i32 {
  const session = sessionAt(index);
  const was = session.position;
  const status = rewindSession(session, position);
  if (status < 0 || !isPooled || position == was) return status;
  session.position = patchStart(session.closed, position);
  while (session.position < position) {
    const count = min<i32>(position - session.position, ROWS_MAX);
    for (let i: i32 = 0; i < count; i++) {
      const at = session.tokens + ((<usize>session.position) << 2);
      const pushed = pushRow(index, load<i32>(at), false);
      if (pushed < 0) return pushed;
    }
    embedRows();
    runPooled(encoders);
    endRows(false);
  }
  return errors.OK;
}
