// Matrices of any packed type times the rows of a pass: which kernel, for how many rows at once,
// and who does which part. Knows nothing of what the matrices are for.
//
//   addProduct(out, outStride, matrix)   for each matrix that meets the same rows, at most three
//   multiply(source, sourceStride, rows)
//
//   multiplyTo(outs, ...)                one matrix, and a place of its own for each row's result
//
// The source's activation rows must be there already (`prepareRow`), for the same number of rows
// and for the kinds of all these matrices together, unless they are F32.

import {
  PACKED_F32, PACKED_Q4, PACKED_Q8, QUANTIZED_KINDS, ROWS_MAX, activationBytes,
} from "./blocks";
import { rowsAreTwo, scratch } from "./batch";
import { embedF32, embedQ4, embedQ8 } from "./kernels/embed";
import { matmulQ4, matmulQ8, matmulUnits } from "./kernels/matmul";
import { matvecF32, matvecQ4, matvecQ8, matvecUnits } from "./kernels/matvec";
import { quantizeRow, quantizeRowQ8 } from "./kernels/quantize";
import { Tensor } from "./model";
import { observe, observes } from "./observe";
import { share } from "./threads";

// @ts-ignore: decorator
@unmanaged class Product {
  out: usize;
  outStride: usize;
  outs: usize; // u32[rows]: addresses of the rows' results
  matrix: Tensor;
  /** Where its units begin among those of all products. */
  firstUnit: i32;
  units: i32;
}

/** What all threads read (threads.ts). */
// @ts-ignore: decorator
@unmanaged class Factor {
  source: usize;
  sourceStride: usize;
  quantized: usize;
  behindQ4: usize; // see the function
  rows: i32;
  products: i32;
}

const PRODUCTS_MAX: i32 = 3;
/** Rows from which unpacking weights for all of them pays: tiles take four, there or not. */
const TILED: i32 = 3;
const products = memory.data(24 * 3, 8); // Product[PRODUCTS_MAX]
const addresses = memory.data(4 * 32 * 3, 16); // u32[PRODUCTS_MAX][ROWS_MAX]
const factor: Factor = changetype<Factor>(memory.data(24, 8));

// @ts-ignore: decorator
@inline function productAt(index: i32): Product {
  return changetype<Product>(products + <usize>index * offsetof<Product>());
}

/** Which activation rows a matrix wants, to be put together by `|`. */
export function kindOf(matrix: Tensor): i32 {
  return 1 << matrix.packed;
}

/**
 * Bytes from a row for Q4 matrices to the same row for Q8 ones. Of four rows in turn all four come
 * in the one form, then all four in the other: four times that.
 */
function behindQ4(columns: i32, kinds: i32): usize {
  return rowsAreTwo(kinds) ? activationBytes(columns) : 0;
}

/**
 * Activation rows of what matrices of these kinds are to read next: f32[columns] of one of `rows`
 * rows that are multiplied together.
 */
export function prepareRow(
  row: i32, rows: i32, source: usize, columns: i32, kinds: i32,
): void {
  // Four rows of a tile lie in turn, word by word (blocks.ts).
  const together: usize = rows < TILED ? 1 : 4;
  const first = <usize>row & ~(together - 1);
  const target = scratch.quantized + first * scratch.quantizedStride + ((<usize>row - first) << 2);
  const apart = together << 2;
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (kinds & QUANTIZED_KINDS) quantizeRow(target, source, columns, apart);
    return;
  }
  if (kinds & 1 << PACKED_Q4) quantizeRow(target, source, columns, apart);
  if (kinds & 1 << PACKED_Q8) {
    quantizeRowQ8(target + behindQ4(columns, kinds) * together, source, columns, apart);
  }
}

/** Adds out = matrix · source, for every row of the source, to the next `multiply`. */
export function addProduct(out: usize, outStride: usize, matrix: Tensor): void {
  assert(factor.products < PRODUCTS_MAX);
  const product = productAt(factor.products);
  product.out = out;
  product.outStride = outStride;
  product.outs = addresses + ((<usize>factor.products * <usize>ROWS_MAX) << 2);
  product.matrix = matrix;
  factor.products++;
}

/** Computes the products that were added, for `rows` rows. */
export function multiply(source: usize, sourceStride: usize, rows: i32): void {
  for (let i: i32 = 0; i < factor.products; i++) {
    const product = productAt(i);
    for (let row: usize = 0; row < <usize>rows; row++) {
      store<usize>(product.outs + (row << 2), product.out + row * product.outStride);
    }
  }
  compute(source, sourceStride, rows);
}

/** matrix · source for every row of the source, to `outs`: u32[rows] addresses. */
export function multiplyTo(
  outs: usize, source: usize, sourceStride: usize, rows: i32, matrix: Tensor,
): void {
  addProduct(0, 0, matrix);
  productAt(0).outs = outs;
  compute(source, sourceStride, rows);
}

function compute(source: usize, sourceStride: usize, rows: i32): void {
  factor.source = source;
  factor.sourceStride = sourceStride;
  factor.quantized = scratch.quantized;
  factor.rows = rows;
  let units: i32 = 0;
  let bytes: i64 = 0;
  let kinds: i32 = 0;
  for (let i: i32 = 0; i < factor.products; i++) {
    const product = productAt(i);
    const matrix = product.matrix;
    product.firstUnit = units;
    product.units = unitsOf(matrix, rows);
    units += product.units;
    kinds |= kindOf(matrix);
    if (observes()) observe(matrix, source, sourceStride, rows);
    bytes += <i64>matrix.rows * <i64>matrix.columns;
  }
  factor.behindQ4 = behindQ4(productAt(0).matrix.columns, kinds);
  share(multiplyPart, units, <i32>min<i64>(i32.MAX_VALUE, (bytes * <i64>rows) / units));
  factor.products = 0;
}

function unitsOf(matrix: Tensor, rows: i32): i32 {
  if (matrix.packed == PACKED_F32) return matrix.bands;
  return rows < TILED ? matvecUnits(matrix.bands) : matmulUnits(matrix.bands);
}

function multiplyPart(thread: i32, from: i32, to: i32): void {
  for (let i: i32 = 0; i < factor.products; i++) {
    const product = productAt(i);
    const begin = max<i32>(from - product.firstUnit, 0);
    const end = min<i32>(to - product.firstUnit, product.units);
    if (begin >= end) continue;
    const type = product.matrix.packed;
    if (type == PACKED_F32) multiplyFloats(product, begin, end);
    else if (factor.rows < TILED) multiplyOneByOne(product, begin, end);
    else multiplyTogether(product, thread, begin, end);
  }
}

function multiplyFloats(product: Product, from: i32, to: i32): void {
  const matrix = product.matrix;
  for (let row: usize = 0; row < <usize>factor.rows; row++) {
    matvecF32(load<usize>(product.outs + (row << 2)), factor.source + row * factor.sourceStride,
      matrix.quants, matrix.stride, from, to);
  }
}

function multiplyOneByOne(product: Product, from: i32, to: i32): void {
  const matrix = product.matrix;
  for (let row: usize = 0; row < <usize>factor.rows; row++) {
    const out = load<usize>(product.outs + (row << 2));
    const x = factor.quantized + row * scratch.quantizedStride;
    if (matrix.packed == PACKED_Q4) {
      matvecQ4(out, x, matrix.quants, matrix.scales, matrix.bands, matrix.groups, from, to);
    } else {
      matvecQ8(out, x + factor.behindQ4, matrix.quants, matrix.scales, matrix.bands,
        matrix.groups, from, to);
    }
  }
}

function multiplyTogether(product: Product, thread: i32, from: i32, to: i32): void {
  const matrix = product.matrix;
  const panel = scratch.panels + <usize>thread * scratch.panelBytes;
  if (matrix.packed == PACKED_Q4) {
    matmulQ4(product.outs, factor.quantized, scratch.quantizedStride, factor.rows, matrix.quants,
      matrix.scales, matrix.bands, matrix.groups, panel, from, to);
  } else {
    matmulQ8(product.outs, factor.quantized + factor.behindQ4 * 4, scratch.quantizedStride,
      factor.rows, matrix.quants, matrix.scales, matrix.bands, matrix.groups, panel, from, to);
  }
}

/** One row of a matrix, as floats: f32[columns]. */
export function lookUpRow(out: usize, table: Tensor, row: i32): void {
  if (table.packed == PACKED_F32) embedF32(out, table.quants, row, table.stride);
  else if (table.packed == PACKED_Q4) embedQ4(out, table.quants, table.scales, row, table.groups);
  else embedQ8(out, table.quants, table.scales, row, table.groups);
}
