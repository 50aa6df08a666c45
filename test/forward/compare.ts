// Compares the engine with an f64 reference, layer by layer: the residual stream after the
// embedding and after every layer of the stack that tokens go through, then the logits.
// Does not know: models' shapes, text, sampling, how the engine lays anything out.

import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { Engine } from "../../host/engine";
import { loadInto } from "../../host/load";
import type { LoadOptions } from "../../host/options";
import { bytesSource } from "../../host/source";
import {
  ggmlType, readGguf, type ForwardResult, type Reference, type ReferenceOptions,
} from "../reference";

// Compared is the relative L2 error |engine - reference| / |reference|, over all positions together
// or for each by itself. Two references judge each case.
//
// The EXACT one has the same weights and rounds nothing. Rounding 32 nearly normal numbers to steps
// of max / 127 (max is about 2.2 deviations) has a relative error of 2.2 / 127 / sqrt(12) = 5e-3. A
// product keeps that ratio, its terms being independent. A layer meets four such roundings, and
// three of the int8 cache, and the next layers inherit: 1e-2 to 2e-2 after one, 3e-2 at the end.
//
// The EMULATED one rounds where the engine does. What is left is f32 arithmetic (some 1e-7), with
// the int8 cache the 16-bit weights of its values (1e-5), and FLIPS: a number so near the middle of
// two codes that such an error decides between them. A flip is one whole step, as much as half of
// what rounding all of a 64 wide vector costs. At some position there is always one with the int8
// cache, every later position attends to it, and by then layers differ in many roundings. So a
// few flipped positions count nothing in the first layer, whose MEDIAN over positions is the sharp
// figure; and in all layers the error stays below that of int8 itself. Where all weights are F32
// nothing amplifies a flip, and the error over all layers is sharp too.
//
// Last column: the largest seen in all cases below.
const bounds = {
  /** F32 weights, f32 cache: any layer, and logits. */
  plain: 1e-5, //                         5.9e-7
  /** F32 weights, int8 cache, emulated: any layer, and logits. */
  plainInt8Cache: 4e-3, //                1.7e-3
  /** Emulated, first layer, median over positions. */
  firstLayer: { f32: 1e-6, int8: 1e-4 }, // 3.1e-7 and 3.5e-5
  /** Emulated, any layer, and logits. */
  emulated: 2.5e-2, //                    1.8e-2
  /** Exact, any layer, and logits. */
  exact: 4e-2, //                         3.1e-2
};

const built = new URL("../../dist/nibble.wasm", import.meta.url);
const wasm = new WebAssembly.Module(readFileSync(built));
const rowsMost = 32;

/** The engine with a file in it. */
export async function start(bytes: Uint8Array, options: LoadOptions): Promise<Engine> {
  const engine = await Engine.start(wasm, "strict");
  await loadInto(engine, bytesSource(bytes), options);
  return engine;
}

function floats(engine: Engine, address: number, count: number): Float64Array {
  const copy = engine.bytes(address, count * 4).slice();
  return Float64Array.from(new Float32Array(copy.buffer));
}

/** Runs all tokens from position 0 through `depth` layers; calls `each` for every row. */
export function pass(
  engine: Engine, tokens: readonly number[], depth: number, each: (row: number) => void,
): void {
  engine.call((e) => e.rewind(0, 0));
  for (let at = 0; at < tokens.length; at += rowsMost) {
    const slice = tokens.slice(at, at + rowsMost);
    for (const token of slice) engine.call((e) => e.push(0, token, 0));
    engine.call((e) => e.run(depth));
    slice.forEach((_, row) => each(row));
  }
}

/** The same results as the reference's forward. */
function forward(engine: Engine, tokens: readonly number[]): ForwardResult {
  const width = engine.fact("tokenWidth");
  const vocabulary = engine.fact("vocabulary");
  const layers: Float64Array[][] = [];
  for (let depth = 0; depth <= engine.fact("tokenLayers"); depth++) {
    const stream: Float64Array[] = [];
    pass(engine, tokens, depth, (row) => {
      stream.push(floats(engine, engine.exports.residual(row), width));
    });
    layers.push(stream);
  }
  const logits: Float64Array[] = [];
  pass(engine, tokens, -1, (row) => {
    engine.call((e) => e.logitsOf(row));
    logits.push(floats(engine, engine.exports.logitsAddress(0), vocabulary));
  });
  return { logits, layers };
}

/** Relative L2 error of rows taken together. */
function errorOf(actual: Float64Array[], expected: Float64Array[]): number {
  let difference = 0;
  let size = 0;
  expected.forEach((row, position) => row.forEach((value, i) => {
    difference += (actual[position][i] - value) ** 2;
    size += value ** 2;
  }));
  return Math.sqrt(difference / size);
}

/** Errors after the embedding, after each layer, and of the logits. */
function errorsOf(actual: ForwardResult, expected: ForwardResult): number[] {
  expect(actual.layers).toHaveLength(expected.layers.length);
  const layers = expected.layers.map((stream, layer) => errorOf(actual.layers[layer], stream));
  return [...layers, errorOf(actual.logits, expected.logits)];
}

function expectBelow(errors: number[], bound: number, what: string): void {
  expect(errors.every((error) => error <= bound), // not Math.max: a NaN must show
    `${what}, a layer each: ${errors.map((e) => e.toExponential(1)).join(" ")}`).toBe(true);
}

function median(values: number[]): number {
  return values.sort((left, right) => left - right)[values.length >> 1];
}

/**
 * Runs a file with both caches and compares it with both references.
 *   weights   the file with the weights that loading makes of it
 */
export async function compareFile(
  file: Uint8Array, weights: Uint8Array, tokens: readonly number[], load: LoadOptions,
  reference: (bytes: Uint8Array, options: ReferenceOptions) => Reference,
): Promise<void> {
  const exact = reference(weights, {}).forward(tokens);
  const matrices = [...readGguf(weights).tensors.values()].filter(({ dims }) => dims.length === 2);
  const isPlain = matrices.every(({ type }) => type === ggmlType.F32);
  for (const cache of ["int8", "f32"] as const) {
    const actual = forward(await start(file, { ...load, cache }), tokens);
    const far = errorsOf(actual, exact);
    if (isPlain && cache === "f32") {
      expectBelow(far, bounds.plain, "all f32");
      continue;
    }
    const emulated = reference(weights, {
      activations: "int8", cache: cache === "int8" ? "int8" : "exact",
    }).forward(tokens);
    const near = errorsOf(actual, emulated);
    const first = actual.layers[1].map((row, i) => errorOf([row], [emulated.layers[1][i]]));
    expectBelow([median(first)], bounds.firstLayer[cache], `cache ${cache}, first layer`);
    const most = isPlain ? bounds.plainInt8Cache : bounds.emulated;
    expectBelow(near, most, `cache ${cache}, emulated`);
    expectBelow(far, bounds.exact, `cache ${cache}, exact`);
    near.slice(1).forEach((error, i) => expect(error).toBeLessThanOrEqual(far[i + 1]));
  }
}
