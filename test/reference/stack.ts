// A stack of decoder blocks in f64, one vector at a time, written to be read beside the formulas.
// Duty: attention over what came before, feed-forward, and the rounding of an engine that computes
// with 8-bit integers.
// Does not know: tokens, embeddings or logits, and what its vectors stand for.

import type { GgufFile } from "./gguf";
import { roundHalfToEven } from "./half";
import { dequantize, layoutOf } from "./quantize";

/** How closely to imitate an engine that computes with 8-bit integers. */
export interface ReferenceOptions {
  /** "int8": the input of every product with a quantized matrix is rounded (groups of 32). */
  activations?: "exact" | "int8";
  /** "int8": keys and values are rounded to 8 bits, queries to 16, one scale a head's vector. */
  cache?: "exact" | "int8";
}

/** The shape of a stack. */
export interface StackShape {
  width: number;
  heads: number;
  kvHeads: number;
  headSize: number;
  feedForward: number;
  epsilon: number;
  ropeBase: number;
  /** The first so many entries of a head vector rotate. */
  ropeDimensions: number;
  /** Which pairs rotate: (2i, 2i+1), llama.cpp's rule, or (i, i+half). */
  rope: "interleaved" | "halves";
  /** Positions that attention sees, its own among them. */
  window: number;
}

/** A weight matrix, row after row. */
export interface Matrix {
  rows: number;
  columns: number;
  values: Float64Array;
  quantized: boolean;
}

/** The weights of one stored block. */
interface Block {
  attentionNorm: Float64Array;
  query: Matrix;
  key: Matrix;
  value: Matrix;
  attentionOutput: Matrix;
  feedForwardNorm: Float64Array;
  gate: Matrix;
  up: Matrix;
  down: Matrix;
}

/** What one pass of a block remembers of every position: [position][kvHeads * headSize]. */
interface PassCache {
  keys: Float64Array[];
  values: Float64Array[];
  /** The unrounded key of position 0. */
  first?: Float64Array;
}

/**
 * Rounds a vector to 8-bit codes times a scale, group by group, and gives back the values the
 * codes stand for. values [n], n a multiple of groupSize -> [n].
 */
export function roundToInt8(
  values: Float64Array, groupSize: number, levels = 127,
): Float64Array {
  const rounded = new Float64Array(values.length);
  for (let first = 0; first < values.length; first += groupSize) {
    const group = values.subarray(first, first + groupSize);
    const amplitude = Math.fround(Math.max(...group.map(Math.abs)));
    if (amplitude < 2 ** -32) continue;
    const scale = Math.fround(amplitude / levels);
    const inverse = Math.fround(levels / amplitude);
    group.forEach((value, index) => {
      const code = roundHalfToEven(value * inverse);
      rounded[first + index] = scale * Math.max(-levels, Math.min(levels, code));
    });
  }
  return rounded;
}

/** Keys of the int8 cache: each head's itself, or its difference from the first, if smaller. */
function roundKey(key: Float64Array, first: Float64Array, headSize: number): Float64Array {
  const rounded = new Float64Array(key.length);
  for (let start = 0; start < key.length; start += headSize) {
    const own = key.subarray(start, start + headSize);
    const base = first.subarray(start, start + headSize);
    const difference = own.map((value, i) => value - base[i]);
    const isNear = Math.max(...difference.map(Math.abs)) < Math.max(...own.map(Math.abs));
    const kept = roundToInt8(isNear ? difference : own, headSize);
    kept.forEach((value, i) => { rounded[start + i] = value + (isNear ? base[i] : 0); });
  }
  return rounded;
}

export function normalize(x: Float64Array, gain: Float64Array, epsilon: number): Float64Array {
  const meanSquare = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  return x.map((value, index) => (value / Math.sqrt(meanSquare + epsilon)) * gain[index]);
}

export function add(left: Float64Array, right: Float64Array): Float64Array {
  return left.map((value, index) => value + right[index]);
}

function softmax(scores: Float64Array): Float64Array {
  const largest = scores.reduce((left, right) => Math.max(left, right), -Infinity);
  const powers = scores.map((score) => Math.exp(score - largest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

function silu(value: number): number {
  return value / (1 + Math.exp(-value));
}

/** matrix [rows x columns] times x [columns] -> [rows]. */
export function multiply(
  matrix: Matrix, x: Float64Array, options: ReferenceOptions,
): Float64Array {
  const { rows, columns, values } = matrix;
  const rounds = matrix.quantized && options.activations === "int8";
  const input = rounds ? roundToInt8(x, 32) : x;
  const result = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    for (let column = 0; column < columns; column++) {
      sum += values[row * columns + column] * input[column];
    }
    result[row] = sum;
  }
  return result;
}

/** A tensor of a file; throws when it has another shape. */
export function readMatrix(file: GgufFile, name: string, rows: number, columns: number): Matrix {
  const tensor = file.tensors.get(name);
  if (tensor === undefined) throw new Error(`the file has no tensor ${name}`);
  const [storedColumns, storedRows = 1] = tensor.dims;
  if (storedColumns !== columns || storedRows !== rows) {
    throw new Error(`${name} is ${storedRows} x ${storedColumns}, not ${rows} x ${columns}`);
  }
  const values = dequantize(tensor.type, tensor.bytes, rows * columns);
  return { rows, columns, values, quantized: layoutOf(tensor.type).itemsPerBlock > 1 };
}

function readBlock(file: GgufFile, shape: StackShape, prefix: string): Block {
  const { width, feedForward } = shape;
  const queryWidth = shape.heads * shape.headSize;
  const cacheWidth = shape.kvHeads * shape.headSize;
  const matrix = (name: string, rows: number, columns: number): Matrix =>
    readMatrix(file, `${prefix}.${name}.weight`, rows, columns);
  return {
    attentionNorm: matrix("attn_norm", 1, width).values,
    query: matrix("attn_q", queryWidth, width),
    key: matrix("attn_k", cacheWidth, width),
    value: matrix("attn_v", cacheWidth, width),
    attentionOutput: matrix("attn_output", width, queryWidth),
    feedForwardNorm: matrix("ffn_norm", 1, width).values,
    gate: matrix("ffn_gate", feedForward, width),
    up: matrix("ffn_up", feedForward, width),
    down: matrix("ffn_down", width, feedForward),
  };
}

/** Blocks with their caches, driven one vector at a time. */
export class ReferenceStack {
  private readonly blocks: Block[];
  private caches: PassCache[] = [];

  /** prefixes: "blk.0" and so on, one for each stored block; each runs `repeat` times in a row. */
  constructor(
    file: GgufFile, readonly shape: StackShape, prefixes: readonly string[],
    readonly repeat: number, private readonly options: ReferenceOptions,
  ) {
    this.blocks = prefixes.map((prefix) => readBlock(file, shape, prefix));
    this.reset();
  }

  /** Passes through blocks: each has a cache of its own. */
  get passes(): number {
    return this.blocks.length * this.repeat;
  }

  /** Forgets every vector: the next one stands at position 0. */
  reset(): void {
    this.caches = Array.from({ length: this.passes }, () => ({ keys: [], values: [] }));
  }

  /** The next vector through a pass. */
  run(pass: number, x: Float64Array): Float64Array {
    const cache = this.caches[pass];
    return this.runBlock(this.blocks[Math.floor(pass / this.repeat)], cache, x, cache.keys.length);
  }

  private runBlock(
    block: Block, cache: PassCache, x: Float64Array, position: number,
  ): Float64Array {
    const { epsilon } = this.shape;
    const n = normalize(x, block.attentionNorm, epsilon);
    const attended = this.attend(block, cache, n, position);
    const middle = add(x, this.multiply(block.attentionOutput, attended));
    const m = normalize(middle, block.feedForwardNorm, epsilon);
    const up = this.multiply(block.up, m);
    const inner = this.multiply(block.gate, m).map((value, index) => silu(value) * up[index]);
    return add(middle, this.multiply(block.down, inner));
  }

  /** n [width] -> the heads' results side by side [heads * headSize]; adds to the cache. */
  private attend(
    block: Block, cache: PassCache, n: Float64Array, position: number,
  ): Float64Array {
    const { heads, kvHeads, headSize, window } = this.shape;
    const isInt8 = this.options.cache === "int8";
    const turned = this.rotate(this.multiply(block.query, n), position);
    const queries = isInt8 ? roundToInt8(turned, headSize, 32767) : turned;
    const key = this.rotate(this.multiply(block.key, n), position);
    cache.first ??= key;
    cache.keys.push(isInt8 ? roundKey(key, cache.first, headSize) : key);
    const value = this.multiply(block.value, n);
    cache.values.push(isInt8 ? roundToInt8(value, headSize) : value);
    const result = new Float64Array(heads * headSize);
    for (let head = 0; head < heads; head++) {
      const start = head * headSize;
      const kvStart = Math.floor(head / (heads / kvHeads)) * headSize;
      const first = Math.max(0, cache.keys.length - window);
      const scores = Float64Array.from(cache.keys.slice(first), (keys) => {
        let sum = 0;
        for (let i = 0; i < headSize; i++) sum += queries[start + i] * keys[kvStart + i];
        return sum / Math.sqrt(headSize);
      });
      softmax(scores).forEach((weight, index) => {
        const values = cache.values[first + index];
        for (let i = 0; i < headSize; i++) result[start + i] += weight * values[kvStart + i];
      });
    }
    return result;
  }

  /** Rotary position embedding of head vectors side by side. */
  private rotate(vectors: Float64Array, position: number): Float64Array {
    const { headSize, ropeBase, ropeDimensions } = this.shape;
    const half = ropeDimensions / 2;
    const rotated = vectors.slice();
    for (let start = 0; start < vectors.length; start += headSize) {
      for (let i = 0; i < half; i++) {
        const halves = this.shape.rope === "halves";
        const first = start + (halves ? i : 2 * i);
        const second = halves ? first + half : first + 1;
        const angle = position * ropeBase ** ((-2 * i) / ropeDimensions);
        const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
        rotated[first] = vectors[first] * cosine - vectors[second] * sine;
        rotated[second] = vectors[first] * sine + vectors[second] * cosine;
      }
    }
    return rotated;
  }

  private multiply(matrix: Matrix, x: Float64Array): Float64Array {
    return multiply(matrix, x, this.options);
  }
}
