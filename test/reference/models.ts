// Makes small model files for tests: random weights of any shape, or another file re-quantized.
// Duty: complete GGUF files with a tokenizer, the same bytes for the same seed on every machine.
// Does not know: how a model is run.

import {
  readGguf, writeGguf, type GgufTensor, type MetadataEntry, type TensorEntry,
} from "./gguf";
import { dequantize, ggmlType, layoutOf, quantize } from "./quantize";
import { byteAlphabet, byteTokenName } from "./tokenizer";

/** The shape of a random model. */
export interface RandomModelShape {
  width: number;
  layers: number;
  heads: number;
  kvHeads: number;
  /** Default: width / heads. */
  headSize?: number;
  feedForward: number;
  vocabulary: number;
  context: number;
  /** ggml type of every matrix whose row length is a multiple of its block; others are F32. */
  type: number;
  /** The same for token_embd; default: type. */
  embeddingType?: number;
  /** The same for parts of the blocks, such as ffn_down. */
  types?: Record<string, number>;
  /** Tied: no output.weight. */
  tied: boolean;
  /** Default 1; written only when given. */
  blockRepeat?: number;
  seed: number;
  tokenizer: "spm" | "byte";
  /** Default 10000. */
  ropeBase?: number;
}

/** Random numbers that need no transcendental function: equal on every machine. */
class Generator {
  private state: number;

  constructor(seed: number) {
    // Any seed, also 0, gives a state that is not 0; xorshift would stay there for ever.
    this.state = (Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995) | 1;
    for (let step = 0; step < 16; step++) this.uniform();
  }

  /** In [0, 1). */
  uniform(): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) / 2 ** 32;
  }

  /** A whole number in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.uniform() * limit);
  }

  /** Mean 0, variance 1, nearly normal: the sum of four uniforms has variance 1/3. */
  bell(): number {
    const sum = this.uniform() + this.uniform() + this.uniform() + this.uniform();
    return (sum - 2) * Math.sqrt(3);
  }
}

function storedType(wanted: number, columns: number): number {
  return columns % layoutOf(wanted).itemsPerBlock === 0 ? wanted : ggmlType.F32;
}

/** Pieces that can be merged up to words, then random joins of earlier pieces. */
function sentencePieces(count: number, generator: Generator): string[] {
  const letters = Array.from("\u2581etaoinshrdlucmfwypvbgkqjxzETAOINSHRDLUCMFWYPVBGKQJXZ.,!?'\"é");
  const joins = ["▁t", "he", "▁the", "in", "▁a", "an", "nd", "▁and", "re", "▁w", "▁s", "ing"];
  const pieces = [...letters, ...joins].slice(0, count);
  const known = new Set(pieces);
  while (pieces.length < count) {
    const joined = pieces[generator.below(pieces.length)] + pieces[generator.below(pieces.length)];
    if (joined.length > 12 || known.has(joined)) continue;
    known.add(joined);
    pieces.push(joined);
  }
  return pieces;
}

function sentencePieceMetadata(vocabulary: number, generator: Generator): MetadataEntry[] {
  if (vocabulary < 260) throw new Error("a SentencePiece vocabulary needs 260 tokens or more");
  const tokens = ["<unk>", "<s>", "</s>"];
  const types = [2, 3, 3];
  for (let byte = 0; byte < 256; byte++) {
    tokens.push(byteTokenName(byte));
    types.push(6);
  }
  const scores = tokens.map(() => 0);
  sentencePieces(vocabulary - tokens.length, generator).forEach((piece, index) => {
    tokens.push(piece);
    types.push(1);
    scores.push(-index);
  });
  return [
    ["tokenizer.ggml.model", "string", "llama"],
    ["tokenizer.ggml.tokens", "string[]", tokens],
    ["tokenizer.ggml.scores", "float32[]", scores],
    ["tokenizer.ggml.token_type", "int32[]", types],
    ["tokenizer.ggml.bos_token_id", "uint32", 1],
    ["tokenizer.ggml.eos_token_id", "uint32", 2],
    ["tokenizer.ggml.unknown_token_id", "uint32", 0],
  ];
}

function byteMetadata(vocabulary: number): MetadataEntry[] {
  if (vocabulary < 258) throw new Error("a byte vocabulary needs 258 tokens or more");
  const tokens = [...byteAlphabet(), "<|begin|>", "<|end|>"];
  while (tokens.length < vocabulary) tokens.push(`<|reserved ${tokens.length}|>`);
  return [
    ["tokenizer.ggml.model", "string", "gpt2"],
    ["tokenizer.ggml.tokens", "string[]", tokens],
    ["tokenizer.ggml.token_type", "int32[]", tokens.map((_, id) => (id < 256 ? 1 : 3))],
    ["tokenizer.ggml.merges", "string[]", []],
    ["tokenizer.ggml.bos_token_id", "uint32", 256],
    ["tokenizer.ggml.eos_token_id", "uint32", 257],
    ["tokenizer.ggml.add_bos_token", "bool", true],
  ];
}

function shapeMetadata(shape: RandomModelShape, headSize: number): MetadataEntry[] {
  const whole = (name: string, value: number): MetadataEntry => [`llama.${name}`, "uint32", value];
  const entries: MetadataEntry[] = [
    ["general.architecture", "string", "llama"],
    ["general.name", "string", `random ${shape.seed}`],
    whole("context_length", shape.context),
    whole("embedding_length", shape.width),
    whole("block_count", shape.layers),
    whole("feed_forward_length", shape.feedForward),
    whole("attention.head_count", shape.heads),
    whole("attention.head_count_kv", shape.kvHeads),
    ["llama.attention.layer_norm_rms_epsilon", "float32", 1e-5],
    ["llama.rope.freq_base", "float32", shape.ropeBase ?? 10000],
    whole("rope.dimension_count", headSize),
    whole("vocab_size", shape.vocabulary),
  ];
  if (shape.headSize !== undefined) {
    entries.push(whole("attention.key_length", headSize));
    entries.push(whole("attention.value_length", headSize));
  }
  if (shape.blockRepeat !== undefined) entries.push(whole("block_repeat", shape.blockRepeat));
  return entries;
}

/** The shape of a stack of random blocks. */
interface RandomStack {
  width: number;
  heads: number;
  kvHeads: number;
  headSize: number;
  feedForward: number;
}

/** Collects random tensors: weights about N(0, 1/columns) in variance, norm gains around 1. */
class TensorMaker {
  readonly tensors: TensorEntry[] = [];

  constructor(
    private readonly generator: Generator, private readonly type: number,
    private readonly types: Record<string, number> = {},
  ) {}

  matrix(name: string, rows: number, columns: number, asked?: number): void {
    const wanted = asked ?? this.types[name.replace(/^.*\./, "")] ?? this.type;
    const values = new Float32Array(rows * columns);
    const deviation = 1 / Math.sqrt(columns);
    for (let i = 0; i < values.length; i++) values[i] = this.generator.bell() * deviation;
    const type = storedType(wanted, columns);
    this.tensors.push([`${name}.weight`, [columns, rows], type, quantize(type, values)]);
  }

  norm(name: string, width: number): void {
    const values = Float32Array.from({ length: width }, () => 1 + 0.1 * this.generator.bell());
    this.tensors.push([`${name}.weight`, [width], ggmlType.F32, quantize(ggmlType.F32, values)]);
  }

  block(name: string, stack: RandomStack): void {
    const { width, heads, kvHeads, headSize, feedForward } = stack;
    this.norm(`${name}.attn_norm`, width);
    this.matrix(`${name}.attn_q`, heads * headSize, width);
    this.matrix(`${name}.attn_k`, kvHeads * headSize, width);
    this.matrix(`${name}.attn_v`, kvHeads * headSize, width);
    this.matrix(`${name}.attn_output`, width, heads * headSize);
    this.norm(`${name}.ffn_norm`, width);
    this.matrix(`${name}.ffn_gate`, feedForward, width);
    this.matrix(`${name}.ffn_up`, feedForward, width);
    this.matrix(`${name}.ffn_down`, width, feedForward);
  }
}

/** A complete GGUF file of a Llama. */
export function randomModel(shape: RandomModelShape): Uint8Array {
  const generator = new Generator(shape.seed);
  const headSize = shape.headSize ?? shape.width / shape.heads;
  const maker = new TensorMaker(generator, shape.type, shape.types);
  maker.matrix("token_embd", shape.vocabulary, shape.width, shape.embeddingType);
  for (let index = 0; index < shape.layers; index++) {
    maker.block(`blk.${index}`, { ...shape, headSize });
  }
  maker.norm("output_norm", shape.width);
  if (!shape.tied) maker.matrix("output", shape.vocabulary, shape.width);

  const tokenizer = shape.tokenizer === "spm"
    ? sentencePieceMetadata(shape.vocabulary, generator)
    : byteMetadata(shape.vocabulary);
  return writeGguf({
    metadata: [...shapeMetadata(shape, headSize), ...tokenizer], tensors: maker.tensors,
  });
}

/** The shape of a random byte-pooled model. Heads are width / heads wide. */
export interface RandomBytePoolShape {
  local: { width: number; heads: number; kvHeads: number; feedForward: number };
  encoders: number;
  decoders: number;
  window: number;
  trunk: { width: number; heads: number; kvHeads: number; feedForward: number };
  blocks: number;
  /** Default 1; written only when given. */
  repeat?: number;
  rule: "space" | "fixed";
  patchLength: number;
  ngramRows: number;
  ngramOrders: number[];
  context: number;
  vocabulary: number;
  /** ggml type of every matrix. */
  type: number;
  /** Types of single matrices of the blocks, as of `RandomModelShape`. */
  types?: Record<string, number>;
  seed: number;
}

function bytePoolMetadata(shape: RandomBytePoolShape): MetadataEntry[] {
  const whole = (name: string, value: number): MetadataEntry =>
    [`bytepool.${name}`, "uint32", value];
  const stack = (
    prefix: string, { width, heads, kvHeads, feedForward }: RandomBytePoolShape["local"],
  ): MetadataEntry[] => [
    whole(`${prefix}embedding_length`, width), whole(`${prefix}feed_forward_length`, feedForward),
    whole(`${prefix}attention.head_count`, heads),
    whole(`${prefix}attention.head_count_kv`, kvHeads),
  ];
  const entries: MetadataEntry[] = [
    ["general.architecture", "string", "bytepool"],
    ["general.name", "string", `random ${shape.seed}`],
    whole("context_length", shape.context),
    whole("block_count", shape.blocks),
    ...stack("", shape.trunk), ...stack("local.", shape.local),
    whole("local.encoder_count", shape.encoders), whole("local.decoder_count", shape.decoders),
    whole("local.attention.sliding_window", shape.window),
    ["bytepool.patch.rule", "string", shape.rule],
    whole("patch.length", shape.patchLength),
    whole("ngram.rows", shape.ngramRows),
    ["bytepool.attention.layer_norm_rms_epsilon", "float32", 1e-5],
    ["bytepool.rope.freq_base", "float32", 10000],
  ];
  if (shape.ngramRows > 0) entries.push(["bytepool.ngram.orders", "int32[]", shape.ngramOrders]);
  if (shape.repeat !== undefined) entries.push(whole("block_repeat", shape.repeat));
  return entries;
}

/** A complete GGUF file of a byte-pooled model. */
export function randomBytePool(shape: RandomBytePoolShape): Uint8Array {
  const maker = new TensorMaker(new Generator(shape.seed), shape.type, shape.types);
  const withHeads = (stack: RandomBytePoolShape["local"]): RandomStack =>
    ({ ...stack, headSize: stack.width / stack.heads });
  const [local, trunk] = [withHeads(shape.local), withHeads(shape.trunk)];
  maker.matrix("token_embd", shape.vocabulary, local.width);
  if (shape.ngramRows > 0) {
    for (const order of shape.ngramOrders) {
      maker.matrix(`ngram.${order}`, shape.ngramRows, local.width);
    }
  }
  for (let i = 0; i < shape.encoders; i++) maker.block(`enc.${i}`, local);
  maker.norm("pool_norm", local.width);
  maker.matrix("pool_up", trunk.width, local.width);
  for (let i = 0; i < shape.blocks; i++) maker.block(`blk.${i}`, trunk);
  maker.norm("unpool_norm", trunk.width);
  maker.matrix("unpool_down", local.width, trunk.width);
  for (let i = 0; i < shape.decoders; i++) maker.block(`dec.${i}`, local);
  maker.norm("output_norm", local.width);
  return writeGguf({
    metadata: [...bytePoolMetadata(shape), ...byteMetadata(shape.vocabulary)],
    tensors: maker.tensors,
  });
}

function convertTensor(tensor: GgufTensor, wanted: number): TensorEntry {
  const { name, dims, bytes } = tensor;
  if (dims.length !== 2) return [name, dims, tensor.type, bytes];
  const type = dims[0] % 32 === 0 ? wanted : ggmlType.F32;
  // A loader has nothing to do for a tensor of the right type, and rounding twice may move it.
  if (type === tensor.type) return [name, dims, type, bytes];
  return [name, dims, type, quantize(type, dequantize(tensor.type, bytes, dims[0] * dims[1]))];
}

/**
 * Rewrites a file with every matrix in the given ggml type (F32 where the row length is not a
 * multiple of 32); vectors, metadata and tensor order stay.
 */
export function convertModel(bytes: Uint8Array, type: number): Uint8Array {
  const file = readGguf(bytes);
  const metadata: MetadataEntry[] = [];
  for (const [key, metadataType] of file.metadataTypes) {
    metadata.push([key, metadataType, file.metadata.get(key)]);
  }
  const tensors = Array.from(file.tensors.values(), (tensor) => convertTensor(tensor, type));
  return writeGguf({ metadata, tensors, version: file.version });
}
