// A text as one vector: the mean of the final states of its tokens (after the last norm, before the
// logits), scaled to length 1. Sums are f64, in the order of the tokens, and each session has its
// own. Knows nothing of text.

import { lastRows, scratch, tokenRows } from "./batch";
import { normalizeRow } from "./block";
import { tokenStack } from "./config";
import * as errors from "./errors";
import { fail, failAbout } from "./errors";
import { outputNorm } from "./model";
import { SCRATCH, reserve } from "./plan";
import { sessionCount } from "./session";

let sums: usize = 0; // f64[sessions][width]
let unit: usize = 0; // f32[width]

export function layoutEmbedding(): void {
  sums = reserve(SCRATCH, <u64>sessionCount * <u64>tokenStack.width * 8);
  unit = reserve(SCRATCH, <u64>tokenStack.width * 4);
}

function sumsOf(session: i32): usize {
  return sums + ((<usize>(session * tokenStack.width)) << 3);
}

/** Starts the sums of a session, which exists. */
export function beginEmbedding(session: i32): void {
  memory.fill(sumsOf(session), 0, (<usize>tokenStack.width) << 3);
}

/** Adds a row of the last pass to its session's. */
export function embedRow(row: i32): i32 {
  if (row < 0 || row >= lastRows) {
    return failAbout(errors.OUT_OF_ORDER, "the last pass has no such row");
  }
  normalizeRow(0, 1, tokenRows.xOf(row), outputNorm(), tokenStack.width, tokenStack.epsilon, 0);
  const own = sumsOf(tokenRows.sessionIndexOf(row));
  let spread: f64 = 0; // x - x is NaN for a NaN or an infinity, and NaN stays
  for (let i: usize = 0; i < <usize>tokenStack.width; i++) {
    const at = own + (i << 3);
    store<f64>(at, load<f64>(at) + <f64>load<f32>(scratch.normed + (i << 2)));
    spread += load<f64>(at) - load<f64>(at);
  }
  return spread == 0 ? errors.OK : fail(errors.NON_FINITE, tokenRows.positionOf(row));
}

/**
 * Address of the mean's direction, f32[width] of length 1, zeros for no rows. How many rows there
 * were does not change it.
 */
export function endEmbedding(session: i32): usize {
  const own = sumsOf(session);
  let squares: f64 = 0;
  for (let i: usize = 0; i < <usize>tokenStack.width; i++) {
    const sum = load<f64>(own + (i << 3));
    squares += sum * sum;
  }
  const length = sqrt<f64>(squares);
  for (let i: usize = 0; i < <usize>tokenStack.width; i++) {
    const sum = load<f64>(own + (i << 3));
    store<f32>(unit + (i << 2), length > 0 ? <f32>(sum / length) : 0);
  }
  return unit;
}
