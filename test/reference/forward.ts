// A Llama decoder in f64, one token at a time.
// Duty: the numbers the engine should come close to: logits and the residual stream.
// Does not know: text, sampling, speed, or how the engine lays anything out.

import { readGguf, type GgufFile } from "./gguf";
import {
  multiply, normalize, readMatrix, ReferenceStack, type Matrix, type ReferenceOptions,
  type StackShape,
} from "./stack";

/** The shape of a model. */
export interface ReferenceConfig extends StackShape {
  contextLength: number;
  /** Stored blocks; each runs blockRepeat times in a row. */
  layers: number;
  blockRepeat: number;
  vocabulary: number;
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

function readConfig(file: GgufFile, rope: StackShape["rope"]): ReferenceConfig {
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
    rope,
    window: Infinity,
    tied: !tensors.has("output.weight"),
  };
}

/** What a model of any architecture answers to. */
export interface Reference {
  /** Starts anew and runs all tokens: results for every position. */
  forward(tokens: readonly number[]): ForwardResult;
}

/** One result for each token, turned into one for each layer. */
export function collect(steps: readonly StepResult[]): ForwardResult {
  return {
    logits: steps.map((step) => step.logits),
    layers: Array.from({ length: steps[0]?.layers.length ?? 0 }, (_, layer) =>
      steps.map((step) => step.layers[layer]),
    ),
  };
}

/** A model with its cache, driven one token at a time. */
export class ReferenceModel implements Reference {
  readonly config: ReferenceConfig;
  private readonly embedding: Matrix;
  private readonly stack: ReferenceStack;
  private readonly outputNorm: Float64Array;
  private readonly output: Matrix;
  private position = 0;

  /** bytes: a whole GGUF file of architecture "llama". rope: llama.cpp's rule unless given. */
  constructor(
    bytes: Uint8Array,
    private readonly options: ReferenceOptions & { rope?: StackShape["rope"] } = {},
  ) {
    const file = readGguf(bytes);
    const config = readConfig(file, options.rope ?? "interleaved");
    const { vocabulary, width } = config;
    this.config = config;
    this.embedding = readMatrix(file, "token_embd.weight", vocabulary, width);
    const prefixes = Array.from({ length: config.layers }, (_, index) => `blk.${index}`);
    this.stack = new ReferenceStack(file, config, prefixes, config.blockRepeat, options);
    this.outputNorm = readMatrix(file, "output_norm.weight", 1, width).values;
    this.output = config.tied
      ? this.embedding
      : readMatrix(file, "output.weight", vocabulary, width);
  }

  /** Forgets every token: the next one stands at position 0. */
  reset(): void {
    this.position = 0;
    this.stack.reset();
  }

  forward(tokens: readonly number[]): ForwardResult {
    this.reset();
    return collect(tokens.map((token) => this.next(token)));
  }

  /** Runs one token at the next position. */
  next(token: number): StepResult {
    const { config } = this;
    if (this.position >= config.contextLength) throw new Error("the context is full");
    if (!(token >= 0 && token < config.vocabulary)) throw new Error(`there is no token ${token}`);
    const start = token * config.width;
    let x: Float64Array = this.embedding.values.slice(start, start + config.width);
    const layers = [x];
    for (let pass = 0; pass < this.stack.passes; pass++) {
      x = this.stack.run(pass, x);
      layers.push(x);
    }
    this.position++;
    const last = normalize(x, this.outputNorm, config.epsilon);
    return { logits: multiply(this.output, last, this.options), layers };
  }
}
