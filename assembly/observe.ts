// How large the inputs of each matrix are, column by column, while a text is read: what an error in
// that column's weights costs. Only in the module that makes model files; the engine's own builds
// have none of it. Knows nothing of what is done with it.
//
//   | f64[columns] sums of squares of the first tensor of the file | of the second | ...

import { tensorCount } from "./gguf";
import { Tensor, tensorAt } from "./model";
import { growTo, plannedBytes } from "./plan";

/** A column counts at least this share of the mean: silent here, it may speak elsewhere. */
const SHARE_LEAST: f64 = 1e-3;

let sums: usize = 0; // f64[all columns]; 0 while nothing is observed
/** Rows that each matrix has met, one number for all: matrices of one pass meet the same. */
const rowsMet = memory.data(4 * 4096, 4); // u32[TENSORS_MAX]

/** Whether this build can observe. */
// @ts-ignore: decorator
@inline export function observes(): bool {
  return isDefined(NIBBLE_OBSERVES);
}

/** Takes memory behind the plan of a loaded model and starts; OK or a failure. */
export function beginObserving(): i32 {
  let bytes: usize = 0;
  for (let i: i32 = 0; i < tensorCount; i++) bytes += (<usize>tensorAt(i).columns) << 3;
  const grown = growTo(plannedBytes() + <u64>bytes);
  if (grown < 0) return grown;
  sums = <usize>plannedBytes();
  memory.fill(sums, 0, bytes);
  memory.fill(rowsMet, 0, 4 * 4096);
  return grown;
}

/** Where the sums of the i-th tensor begin. */
function sumsOf(index: i32): usize {
  let at = sums;
  for (let i: i32 = 0; i < index; i++) at += (<usize>tensorAt(i).columns) << 3;
  return at;
}

/** Adds the rows that a matrix is about to be multiplied with. */
export function observe(matrix: Tensor, source: usize, sourceStride: usize, rows: i32): void {
  if (sums == 0) return;
  const first = changetype<usize>(tensorAt(0));
  const index = <i32>((changetype<usize>(matrix) - first) / offsetof<Tensor>());
  const at = sumsOf(index);
  for (let row: i32 = 0; row < rows; row++) {
    const x = source + <usize>row * sourceStride;
    for (let i: usize = 0; i < <usize>matrix.columns; i++) {
      const value = <f64>load<f32>(x + (i << 2));
      const sum = at + (i << 3);
      store<f64>(sum, load<f64>(sum) + value * value);
    }
  }
  const met = rowsMet + ((<usize>index) << 2);
  store<u32>(met, load<u32>(met) + <u32>rows);
}

/**
 * The mean squares of the i-th tensor's columns into `target`, f32[columns]. Returns how many, 0
 * for a tensor that no row has met.
 */
export function observed(index: i32, target: usize): i32 {
  const rows = load<u32>(rowsMet + ((<usize>index) << 2));
  if (sums == 0 || rows == 0) return 0;
  const at = sumsOf(index);
  const columns = <usize>tensorAt(index).columns;
  let total: f64 = 0;
  for (let i: usize = 0; i < columns; i++) total += load<f64>(at + (i << 3));
  const least = SHARE_LEAST * total / <f64>columns;
  for (let i: usize = 0; i < columns; i++) {
    const sum = max<f64>(load<f64>(at + (i << 3)), least);
    store<f32>(target + (i << 2), <f32>(sum / <f64>rows));
  }
  return <i32>columns;
}
