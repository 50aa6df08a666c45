// A byte-pooled model in f64, one byte at a time.
// Duty: the rule that cuts patches, n-gram hashes, pooling, and what patches tell the bytes behind.
// Does not know: text, sampling, speed, or how the engine lays anything out.

import { collect, type ForwardResult, type Reference, type StepResult } from "./forward";
import { readGguf, type GgufFile } from "./gguf";
import {
  add, multiply, normalize, readMatrix, ReferenceStack, type Matrix, type ReferenceOptions,
  type StackShape,
} from "./stack";

/** Whether a token ends words: no letter, no digit, not inside a UTF-8 character. */
function isSpacelike(token: number): boolean {
  return token >= 256 || !(/[0-9A-Za-z]/.test(String.fromCharCode(token))
    || (token >= 0x80 && token <= 0xbf));
}

/** For each token whether a patch closes after it. */
export function patchEnds(
  tokens: readonly number[], rule: "space" | "fixed", length: number,
): boolean[] {
  let size = 0;
  return tokens.map((token, i) => {
    size++;
    const before = i === 0 ? 256 : tokens[i - 1];
    const endsWord = token >= 256 || (isSpacelike(token) && !isSpacelike(before));
    const ends = size === length || (rule === "space" && endsWord);
    if (ends) size = 0;
    return ends;
  });
}

/** The row that an n-gram (its tokens from the oldest on) looks up in a table. */
export function ngramRow(ngram: readonly number[], rows: number): number {
  const bits = 2n ** 32n;
  let h = 2166136261n;
  for (const token of ngram) h = ((h ^ BigInt(token)) * 16777619n) % bits;
  h = ((h ^ (h >> 15n)) * 2654435761n) % bits;
  return Number(h >> (32n - BigInt(Math.log2(rows))));
}

function readShape(file: GgufFile, prefix: string, window: number): StackShape {
  const setting = (name: string): number => file.metadata.get(`${prefix}${name}`) as number;
  const model = (name: string): number => file.metadata.get(`bytepool.${name}`) as number;
  const width = setting("embedding_length");
  const heads = setting("attention.head_count");
  return {
    width, heads, kvHeads: setting("attention.head_count_kv"), headSize: width / heads,
    feedForward: setting("feed_forward_length"),
    epsilon: model("attention.layer_norm_rms_epsilon"), ropeBase: model("rope.freq_base"),
    ropeDimensions: width / heads, rope: "halves", window,
  };
}

/** A model with its caches, driven one byte at a time. */
export class ReferenceBytePool implements Reference {
  private readonly local: ReferenceStack;
  private readonly trunk: ReferenceStack;
  private readonly encoders: number;
  private readonly embedding: Matrix;
  /** n and table of each order. */
  private readonly ngrams: [number, Matrix][];
  private readonly poolNorm: Float64Array;
  private readonly poolUp: Matrix;
  private readonly unpoolNorm: Float64Array;
  private readonly unpoolDown: Matrix;
  private readonly outputNorm: Float64Array;
  private readonly rule: "space" | "fixed";
  private readonly patchLength: number;
  private tokens: number[] = [];
  /** h of the open patch's bytes, and c of the last closed one. */
  private open: Float64Array[] = [];
  private told: Float64Array | undefined;

  /** bytes: a whole GGUF file of architecture "bytepool". */
  constructor(bytes: Uint8Array, private readonly options: ReferenceOptions = {}) {
    const file = readGguf(bytes);
    const setting = (name: string): unknown => file.metadata.get(`bytepool.${name}`);
    const number = (name: string): number => setting(name) as number;
    const local = readShape(file, "bytepool.local.",
      number("local.attention.sliding_window"));
    const trunk = readShape(file, "bytepool.", Infinity);
    const names = (family: string, count: number): string[] =>
      Array.from({ length: count }, (_, index) => `${family}.${index}`);
    this.encoders = number("local.encoder_count");
    this.local = new ReferenceStack(file, local, [...names("enc", this.encoders),
      ...names("dec", number("local.decoder_count"))], 1, options);
    this.trunk = new ReferenceStack(file, trunk, names("blk", number("block_count")),
      (setting("block_repeat") ?? 1) as number, options);
    const rows = (setting("ngram.rows") ?? 0) as number;
    const orders = rows > 0 ? setting("ngram.orders") as number[] : [];
    this.ngrams = orders.map((order) =>
      [order, readMatrix(file, `ngram.${order}.weight`, rows, local.width)]);
    const vocabulary = file.tensors.get("token_embd.weight")?.dims[1] ?? 0;
    this.embedding = readMatrix(file, "token_embd.weight", vocabulary, local.width);
    this.poolNorm = readMatrix(file, "pool_norm.weight", 1, local.width).values;
    this.poolUp = readMatrix(file, "pool_up.weight", trunk.width, local.width);
    this.unpoolNorm = readMatrix(file, "unpool_norm.weight", 1, trunk.width).values;
    this.unpoolDown = readMatrix(file, "unpool_down.weight", local.width, trunk.width);
    this.outputNorm = readMatrix(file, "output_norm.weight", 1, local.width).values;
    this.rule = setting("patch.rule") as "space" | "fixed";
    this.patchLength = number("patch.length");
  }

  forward(tokens: readonly number[]): ForwardResult {
    this.local.reset();
    this.trunk.reset();
    this.tokens = [];
    this.open = [];
    this.told = undefined;
    return collect(tokens.map((token) => this.next(token)));
  }

  /** Layers: the embedding, then the residual stream after each local block. */
  private next(token: number): StepResult {
    const { width, epsilon } = this.local.shape;
    this.tokens.push(token);
    let x: Float64Array = this.row(this.embedding, token);
    for (const [order, table] of this.ngrams) {
      const padded = [...Array<number>(order).fill(256), ...this.tokens].slice(-order);
      x = add(x, this.row(table, ngramRow(padded, table.rows)));
    }
    const layers = [x];
    for (let pass = 0; pass < this.local.passes; pass++) {
      if (pass === this.encoders) x = add(x, this.throughPatches(x) ?? new Float64Array(width));
      x = this.local.run(pass, x);
      layers.push(x);
    }
    const last = normalize(x, this.outputNorm, epsilon);
    return { logits: multiply(this.embedding, last, this.options), layers };
  }

  /** Takes h of the newest byte; gives c of the last closed patch, this byte's own included. */
  private throughPatches(h: Float64Array): Float64Array | undefined {
    this.open.push(h);
    if (!patchEnds(this.tokens, this.rule, this.patchLength).at(-1)) return this.told;
    const mean = h.map((_, i) =>
      this.open.reduce((sum, each) => sum + each[i], 0) / this.open.length);
    this.open = [];
    const { epsilon } = this.trunk.shape;
    let g = multiply(this.poolUp, normalize(mean, this.poolNorm, epsilon), this.options);
    for (let pass = 0; pass < this.trunk.passes; pass++) g = this.trunk.run(pass, g);
    this.told = multiply(this.unpoolDown, normalize(g, this.unpoolNorm, epsilon), this.options);
    return this.told;
  }

  private row(matrix: Matrix, index: number): Float64Array {
    return matrix.values.slice(index * matrix.columns, (index + 1) * matrix.columns);
  }
}
