// A Llama decoder in f64, one token at a time, written to be read beside the formulas.
// Duty: the numbers the engine should come close to: logits and the residual stream.
// Does not know: text, sampling, speed, or how the engine lays anything out.

import { readGguf, type GgufFile } from "./gguf";
import { dequantize, layoutOf, roundHalfToEven } from "./quantize";

/** How closely to imitate an engine that computes with 8-bit integers. */
export interface ReferenceOptions {
  /** "int8": the input of every product with a quantized matrix is rounded (groups of 32). */
  activations?: "exact" | "int8";
  /** "int8": keys and values are rounded to 8 bits, queries to 16, one scale a head's vector. */
  cache?: "exact" | "int8";
  /** Which pairs rotate: (2i, 2i+1), the default and llama.cpp's rule, or (i, i+half). */
  rope?: "interleaved" | "halves";
}

/** The shape of a model. */
export interface ReferenceConfig {
  contextLength: number;
  width: number;
  /** Stored blocks; each runs blockRepeat times in a row. */
  layers: number;
  blockRepeat: number;
  heads: number;
  kvHeads: number;
  headSize: number;
  feedForward: number;
  vocabulary: number;
  epsilon: number;
  ropeBase: number;
  /** The first so many entries of a head vector rotate. */
  ropeDimensions: number;
  tied: boolean;
}

/** What one token gives. */
export interface StepResult {
  /** [vocabulary] */
  logits: Float64Array;
  /** [1 + passes][width]: the embedding, then the residual stream after each pass of a block. */
  layers: Float64Array[];
}

/** What a row of tokens gives. */
export interface ForwardResult {
  /** [positions][vocabulary] */
  logits: Float64Array[];
  /** [1 + passes][positions][width] */
  layers: Float64Array[][];
}

/** A weight matrix, row after row. */
interface Matrix {
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

function normalize(x: Float64Array, gain: Float64Array, epsilon: number): Float64Array {
  const meanSquare = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  return x.map((value, index) => (value / Math.sqrt(meanSquare + epsilon)) * gain[index]);
}

function add(left: Float64Array, right: Float64Array): Float64Array {
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

function readConfig(file: GgufFile): ReferenceConfig {
  const { metadata, tensors } = file;
  const architecture = metadata.get("general.architecture");
  if (architecture !== "llama") throw new Error(`no reference for ${String(architecture)}`);
  const setting = (name: string, fallback?: number): number => {
    const value = metadata.get(`llama.${name}`) ?? fallback;
    if (typeof value !== "number") throw new Error(`the metadata has no llama.${name}`);
    return value;
  };
  const width = setting("embedding_length");
  const heads = setting("attention.head_count");
  const headSize = setting("attention.key_length", width / heads);
  return {
    contextLength: setting("context_length"),
    width,
    layers: setting("block_count"),
    blockRepeat: setting("block_repeat", 1),
    heads,
    kvHeads: setting("attention.head_count_kv", heads),
    headSize,
    feedForward: setting("feed_forward_length"),
    vocabulary: tensors.get("token_embd.weight")?.dims[1] ?? 0,
    epsilon: setting("attention.layer_norm_rms_epsilon"),
    ropeBase: setting("rope.freq_base", 10000),
    ropeDimensions: setting("rope.dimension_count", headSize),
    tied: !tensors.has("output.weight"),
  };
}

function readMatrix(file: GgufFile, name: string, rows: number, columns: number): Matrix {
  const tensor = file.tensors.get(name);
  if (tensor === undefined) throw new Error(`the file has no tensor ${name}`);
  const [storedColumns, storedRows = 1] = tensor.dims;
  if (storedColumns !== columns || storedRows !== rows) {
    throw new Error(`${name} is ${storedRows} x ${storedColumns}, not ${rows} x ${columns}`);
  }
  const values = dequantize(tensor.type, tensor.bytes, rows * columns);
  return { rows, columns, values, quantized: layoutOf(tensor.type).itemsPerBlock > 1 };
}

function readBlock(file: GgufFile, config: ReferenceConfig, index: number): Block {
  const { width, feedForward } = config;
  const queryWidth = config.heads * config.headSize;
  const cacheWidth = config.kvHeads * config.headSize;
  const matrix = (name: string, rows: number, columns: number): Matrix =>
    readMatrix(file, `blk.${index}.${name}.weight`, rows, columns);
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

/** A model with its cache, driven one token at a time. */
export class ReferenceModel {
  readonly config: ReferenceConfig;
  private readonly embedding: Matrix;
  private readonly blocks: Block[] = [];
  private readonly outputNorm: Float64Array;
  private readonly output: Matrix;
  private passes: PassCache[] = [];
  private position = 0;

  /** bytes: a whole GGUF file of architecture "llama". */
  constructor(bytes: Uint8Array, private readonly options: ReferenceOptions = {}) {
    const file = readGguf(bytes);
    const config = readConfig(file);
    const { vocabulary, width } = config;
    this.config = config;
    this.embedding = readMatrix(file, "token_embd.weight", vocabulary, width);
    for (let index = 0; index < config.layers; index++) {
      this.blocks.push(readBlock(file, config, index));
    }
    this.outputNorm = readMatrix(file, "output_norm.weight", 1, width).values;
    this.output = config.tied
      ? this.embedding
      : readMatrix(file, "output.weight", vocabulary, width);
    this.reset();
  }

  /** Forgets every token: the next one stands at position 0. */
  reset(): void {
    this.position = 0;
    const count = this.config.layers * this.config.blockRepeat;
    this.passes = Array.from({ length: count }, () => ({ keys: [], values: [] }));
  }

  /** Starts anew and runs all tokens: results for every position. */
  forward(tokens: readonly number[]): ForwardResult {
    this.reset();
    const steps = tokens.map((token) => this.next(token));
    return {
      logits: steps.map((step) => step.logits),
      layers: Array.from({ length: this.passes.length + 1 }, (_, layer) =>
        steps.map((step) => step.layers[layer]),
      ),
    };
  }

  /** Runs one token at the next position. */
  next(token: number): StepResult {
    const { config } = this;
    if (this.position >= config.contextLength) throw new Error("the context is full");
    if (!(token >= 0 && token < config.vocabulary)) throw new Error(`there is no token ${token}`);
    const start = token * config.width;
    let x: Float64Array = this.embedding.values.slice(start, start + config.width);
    const layers = [x];
    this.passes.forEach((cache, pass) => {
      const block = this.blocks[Math.floor(pass / config.blockRepeat)];
      x = this.runBlock(block, cache, x);
      layers.push(x);
    });
    this.position++;
    const last = normalize(x, this.outputNorm, config.epsilon);
    return { logits: this.multiply(this.output, last), layers };
  }

  private runBlock(block: Block, cache: PassCache, x: Float64Array): Float64Array {
    const { epsilon } = this.config;
    const n = normalize(x, block.attentionNorm, epsilon);
    const middle = add(x, this.multiply(block.attentionOutput, this.attend(block, cache, n)));
    const m = normalize(middle, block.feedForwardNorm, epsilon);
    const up = this.multiply(block.up, m);
    const inner = this.multiply(block.gate, m).map((value, index) => silu(value) * up[index]);
    return add(middle, this.multiply(block.down, inner));
  }

  /** n [width] -> the heads' results side by side [heads * headSize]; adds to the cache. */
  private attend(block: Block, cache: PassCache, n: Float64Array): Float64Array {
    const { heads, kvHeads, headSize } = this.config;
    const isInt8 = this.options.cache === "int8";
    const turned = this.rotate(this.multiply(block.query, n));
    const queries = isInt8 ? roundToInt8(turned, headSize, 32767) : turned;
    const key = this.rotate(this.multiply(block.key, n));
    cache.first ??= key;
    cache.keys.push(isInt8 ? roundKey(key, cache.first, headSize) : key);
    const value = this.multiply(block.value, n);
    cache.values.push(isInt8 ? roundToInt8(value, headSize) : value);
    const result = new Float64Array(heads * headSize);
    for (let head = 0; head < heads; head++) {
      const start = head * headSize;
      const kvStart = Math.floor(head / (heads / kvHeads)) * headSize;
      const scores = Float64Array.from(cache.keys, (keys) => {
        let sum = 0;
        for (let i = 0; i < headSize; i++) sum += queries[start + i] * keys[kvStart + i];
        return sum / Math.sqrt(headSize);
      });
      softmax(scores).forEach((weight, position) => {
        const values = cache.values[position];
        for (let i = 0; i < headSize; i++) result[start + i] += weight * values[kvStart + i];
      });
    }
    return result;
  }

  /** Rotary position embedding of head vectors side by side, at the current position. */
  private rotate(vectors: Float64Array): Float64Array {
    const { headSize, ropeBase, ropeDimensions } = this.config;
    const half = ropeDimensions / 2;
    const rotated = vectors.slice();
    for (let start = 0; start < vectors.length; start += headSize) {
      for (let i = 0; i < half; i++) {
        const halves = this.options.rope === "halves";
        const first = start + (halves ? i : 2 * i);
        const second = halves ? first + half : first + 1;
        const angle = this.position * ropeBase ** ((-2 * i) / ropeDimensions);
        const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
        rotated[first] = vectors[first] * cosine - vectors[second] * sine;
        rotated[second] = vectors[first] * sine + vectors[second] * cosine;
      }
    }
    return rotated;
  }

  /** matrix [rows x columns] times x [columns] -> [rows]. */
  private multiply(matrix: Matrix, x: Float64Array): Float64Array {
    const { rows, columns, values } = matrix;
    const rounds = matrix.quantized && this.options.activations === "int8";
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
}
