// A matrix of any packed type times the rows of a pass: which kernel, and for how many rows at
// once. Knows nothing of what the matrix is for.

import { PACKED_F32, PACKED_Q4 } from "./blocks";
import { quantized, quantizedStride } from "./batch";
import { embedF32, embedQ4, embedQ8 } from "./kernels/embed";
import { matmulQ4, matmulQ8 } from "./kernels/matmul";
import { matvecF32, matvecQ4, matvecQ8 } from "./kernels/matvec";
import { quantizeRow } from "./kernels/quantize";
import { Tensor } from "./model";

/** Activation rows of what the next product reads, unless its matrix is F32. */
export function prepare(source: usize, sourceStride: usize, matrix: Tensor, rows: i32): void {
  if (matrix.packed == PACKED_F32) return;
  for (let row: i32 = 0; row < rows; row++) {
    quantizeRow(quantized + <usize>row * quantizedStride, source + <usize>row * sourceStride,
      matrix.columns);
  }
}

/** out = matrix · source for every row: pairs of rows share each unpacked weight. */
export function multiply(
  out: usize, outStride: usize, source: usize, sourceStride: usize, matrix: Tensor, rows: i32,
): void {
  const paired = matrix.packed == PACKED_F32 ? 0 : rows & ~1;
  if (paired > 0) {
    if (matrix.packed == PACKED_Q4) {
      matmulQ4(out, outStride, quantized, quantizedStride, paired,
        matrix.quants, matrix.scales, matrix.bands, matrix.groups);
    } else {
      matmulQ8(out, outStride, quantized, quantizedStride, paired,
        matrix.quants, matrix.scales, matrix.bands, matrix.groups);
    }
  }
  for (let row = paired; row < rows; row++) {
    multiplyRow(out + <usize>row * outStride, source + <usize>row * sourceStride,
      quantized + <usize>row * quantizedStride, matrix);
  }
}

export function multiplyRow(out: usize, row: usize, activations: usize, matrix: Tensor): void {
  if (matrix.packed == PACKED_F32) {
    matvecF32(out, row, matrix.quants, matrix.bands, matrix.stride);
  } else if (matrix.packed == PACKED_Q4) {
    matvecQ4(out, activations, matrix.quants, matrix.scales, matrix.bands, matrix.groups);
  } else {
    matvecQ8(out, activations, matrix.quants, matrix.scales, matrix.bands, matrix.groups);
  }
}

/** One row of a matrix, as floats: f32[columns]. */
export function lookUpRow(out: usize, table: Tensor, row: i32): void {
  if (table.packed == PACKED_F32) embedF32(out, table.quants, row, table.stride);
  else if (table.packed == PACKED_Q4) embedQ4(out, table.quants, table.scales, row, table.groups);
  else embedQ8(out, table.quants, table.scales, row, table.groups);
}
