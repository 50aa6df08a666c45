// Activation rows for the tests of kernels: of both types, alone and as tiles read them.
// Does not know: what is in a row; quantize.test.ts does.

import { ggmlType } from "./reference";
import type { Arena, Kernels, QuantizedType } from "./kernels";

/** What packs the activation rows that weights of a type meet. */
export function rowPacker(kernels: Kernels, type: QuantizedType): Kernels["quantizeRow"] {
  return type === ggmlType.Q4_0 ? kernels.quantizeRow : kernels.quantizeRowQ8;
}

/** Activation rows for matmul, by fours whose words lie in turn; what is missing stays NaN. */
export function putTiles(
  arena: Arena, type: QuantizedType, vectors: readonly Float32Array[], stride: number,
): number {
  const x = arena.take(stride * 4 * Math.ceil(vectors.length / 4));
  vectors.forEach((vector, v) => rowPacker(arena.kernels, type)(
    x + (v >> 2) * 4 * stride + (v & 3) * 4, arena.putF32(vector), vector.length, 16));
  return x;
}
