// A text as one vector: the mean of the final states of its tokens (after the last norm, before the
// logits), scaled to length 1. Sums are f64, in the order of the tokens. Knows nothing of text.

import { lastRows, scratch, tokenRows } from "./batch";
import { normalizeRow } from "./block";
import { tokenStack } from "./config";
import * as errors from "./errors";
import { fail, failAbout } from "./errors";
import { outputNorm } from "./model";
import { SCRATCH, reserve } from "./plan";

let sums: usize = 0; // f64[width]
let unit: usize = 0; // f32[width]

export function layoutEmbedding(): void {
  sums = reserve(SCRATCH, <u64>tokenStack.width * 8);
  unit = reserve(SCRATCH, <u64>tokenStack.width * 4);
}

export function embedBegin(): void {
  memory.fill(sums, 0, (<usize>tokenStack.width) << 3);
}

/** Adds a row of the last pass. */
export function embedRow(row: i32): i32 {
  if (row < 0 || row >= lastRows) {
    return failAbout(errors.OUT_OF_ORDER, "the last pass has no such row");
  }
  normalizeRow(0, tokenRows.xOf(row), outputNorm(), tokenStack.width, tokenStack);
  let spread: f64 = 0; // x - x is NaN for a NaN or an infinity, and NaN stays
  for (let i: usize = 0; i < <usize>tokenStack.width; i++) {
    const at = sums + (i << 3);
    store<f64>(at, load<f64>(at) + <f64>load<f32>(scratch.normed + (i << 2)));
    spread += load<f64>(at) - load<f64>(at);
  }
  return spread == 0 ? errors.OK : fail(errors.NON_FINITE, tokenRows.positionOf(row));
}

/**
 * Address of the mean's direction, f32[width] of length 1, zeros for no rows. How many rows there
 * were does not change it.
 */
export function embedEnd(): usize {
  let squares: f64 = 0;
  for (let i: usize = 0; i < <usize>tokenStack.width; i++) {
    const sum = load<f64>(sums + (i << 3));
    squares += sum * sum;
  }
  const length = sqrt<f64>(squares);
  for (let i: usize = 0; i < <usize>tokenStack.width; i++) {
    const sum = load<f64>(sums + (i << 3));
    store<f32>(unit + (i << 2), length > 0 ? <f32>(sum / length) : 0);
  }
  return unit;
}
