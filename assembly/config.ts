// The hyper-parameters, out of the metadata, each checked with its reason. Knows nothing of
// tensors.

import * as errors from "./errors";
import { failAbout, failNamed } from "./errors";
import {
  Entry, TYPE_ARRAY, TYPE_F32, TYPE_F64, TYPE_STRING, failKey, find, header,
} from "./gguf";
import { NO_NUMBER } from "./sentences";
import { equals } from "./text";

/** Largest width, feed-forward width and row of attention heads: keeps one row's scratch small. */
const WIDTH_MAX: i64 = 32768;
/** Most blocks, stored or run: the deepest published models of this size have 62. */
export const BLOCKS_MAX: i64 = 512;
const HEADS_MAX: i64 = 512;
/** Head sizes are multiples of 4 (whole vectors); 256 is the largest published. */
const HEAD_SIZE_MAX: i64 = 256;
/** Positions: up to here the reduction of RoPE's angles is exact (math.ts). */
const CONTEXT_MAX: i64 = 1 << 20;
/** Vocabulary: the largest published has 262,144. */
const VOCABULARY_MAX: i64 = 1 << 20;

/** The dimensions of a stack of decoder blocks. */
// @ts-ignore: decorator
@unmanaged export class Shape {
  /** Numbers of the residual stream. */
  width: i32;
  heads: i32;
  kvHeads: i32;
  headSize: i32;
  feedForward: i32;
  /** Blocks in the file, and how many times in a row each is run. */
  blocks: i32;
  repeat: i32;
  /** RMSNorm's epsilon. */
  epsilon: f32;
  /** Pairs (2i, 2i+1) turn together, rather than (i, i + headSize/2). */
  interleaved: bool;
  ropeBase: f64;
}

export const shape: Shape = changetype<Shape>(memory.data(48, 16));
/** Positions that the model was made for. */
export let contextMax: i32 = 0;
export let vocabulary: i32 = 0;

/** Steps through the blocks of a forward pass; each has its own slice of the cache. */
export function layers(): i32 {
  return shape.blocks * shape.repeat;
}

/** An integer value of any width; `wrong` when it is none. */
export function integerOf(entry: Entry, wrong: i64): i64 {
  const at = header + entry.value;
  switch (entry.type) {
    case 0: return <i64>load<u8>(at);
    case 1: return <i64>load<i8>(at);
    case 2: return <i64>load<u16>(at);
    case 3: return <i64>load<i16>(at);
    case 4: return <i64>load<u32>(at);
    case 5: return <i64>load<i32>(at);
    case 10: return <i64>min<u64>(load<u64>(at), <u64>i64.MAX_VALUE);
    case 11: return load<i64>(at);
    default: return wrong;
  }
}

/**
 * An integer of the model from `least` to `most`; `fallback` when the key is absent, or a failure
 * when that is negative.
 */
function readInteger(key: string, least: i64, most: i64, fallback: i64): i64 {
  const entry = find(key);
  if (entry == null) {
    return fallback >= 0 ? fallback : <i64>failAbout(errors.MISSING_KEY, key);
  }
  const value = integerOf(entry, NO_NUMBER);
  if (value == NO_NUMBER) return <i64>failKey(errors.WRONG_KEY_TYPE, entry, entry.type);
  if (value < least || value > most) {
    return <i64>failKey(errors.BAD_VALUE, entry, value, least, most);
  }
  return value;
}

/** A float of the model; NaN when absent; a failure when it is not above 0, to `most`. */
function readFloat(key: string, least: f64, most: f64): f64 {
  const entry = find(key);
  if (entry == null) return NaN;
  if (entry.type != TYPE_F32 && entry.type != TYPE_F64) {
    return <f64>failKey(errors.WRONG_KEY_TYPE, entry, entry.type);
  }
  const value = entry.type == TYPE_F32 ? <f64>load<f32>(header + entry.value)
    : load<f64>(header + entry.value);
  if (value > 0 && value >= least && value <= most) return value;
  return <f64>failKey(errors.BAD_VALUE, entry, NO_NUMBER, <i64>least, <i64>most);
}

/** Reads everything; OK, or what is wrong with the model. */
export function readConfig(): i32 {
  const architecture = find("general.architecture");
  if (architecture == null) return failAbout(errors.MISSING_KEY, "general.architecture");
  if (architecture.type != TYPE_STRING) {
    return failKey(errors.WRONG_KEY_TYPE, architecture, architecture.type);
  }
  const name = header + architecture.value;
  if (!equals(name, architecture.count, "llama")) {
    return failNamed(errors.UNSUPPORTED_ARCHITECTURE, name, architecture.count);
  }
  const split = find("split.count");
  if (split != null && integerOf(split, 0) > 1) {
    return failAbout(errors.SPLIT_FILE, "split.count", integerOf(split, 0));
  }
  const dimensions = readDimensions();
  if (dimensions < 0) return dimensions;
  const tokens = find("tokenizer.ggml.tokens");
  if (tokens == null) return failAbout(errors.MISSING_KEY, "tokenizer.ggml.tokens");
  if (tokens.type != TYPE_ARRAY || tokens.elementType != TYPE_STRING) {
    return failKey(errors.WRONG_KEY_TYPE, tokens, tokens.type);
  }
  if (tokens.count < 1 || <i64>tokens.count > VOCABULARY_MAX) {
    return failAbout(errors.TOO_MANY, "tokens", tokens.count, VOCABULARY_MAX);
  }
  vocabulary = tokens.count;
  return readFeatures();
}

function readDimensions(): i32 {
  let value = readInteger("llama.context_length", 1, CONTEXT_MAX, -1);
  if (value < 0) return <i32>value;
  contextMax = <i32>value;
  value = readInteger("llama.embedding_length", 1, WIDTH_MAX, -1);
  if (value < 0) return <i32>value;
  shape.width = <i32>value;
  value = readInteger("llama.block_count", 1, BLOCKS_MAX, -1);
  if (value < 0) return <i32>value;
  shape.blocks = <i32>value;
  value = readInteger("llama.block_repeat", 1, BLOCKS_MAX / <i64>shape.blocks, 1);
  if (value < 0) return <i32>value;
  shape.repeat = <i32>value;
  value = readInteger("llama.feed_forward_length", 1, WIDTH_MAX, -1);
  if (value < 0) return <i32>value;
  shape.feedForward = <i32>value;
  value = readInteger("llama.attention.head_count", 1, HEADS_MAX, -1);
  if (value < 0) return <i32>value;
  shape.heads = <i32>value;
  value = readInteger("llama.attention.head_count_kv", 1, <i64>shape.heads, <i64>shape.heads);
  if (value < 0) return <i32>value;
  shape.kvHeads = <i32>value;
  if (shape.heads % shape.kvHeads != 0) {
    return failAbout(errors.BAD_VALUE, "llama.attention.head_count_kv", value, 1, shape.heads);
  }
  return readHeads();
}

function readHeads(): i32 {
  // Without a key_length the heads share the width; then it must divide.
  const shared = shape.width % shape.heads == 0 ? <i64>(shape.width / shape.heads) : 0;
  let value = readInteger("llama.attention.key_length", 4, HEAD_SIZE_MAX, shared);
  if (value < 0) return <i32>value;
  if (value < 4 || value > HEAD_SIZE_MAX || value % 4 != 0
    || value * <i64>shape.heads > WIDTH_MAX) {
    return failAbout(errors.BAD_VALUE, "head size (a multiple of 4)", value, 4, HEAD_SIZE_MAX);
  }
  shape.headSize = <i32>value;
  // Half-turned heads and values of another length than keys are other architectures.
  value = readInteger("llama.attention.value_length", 1, HEAD_SIZE_MAX, value);
  if (value < 0) return <i32>value;
  if (value != <i64>shape.headSize) {
    return failAbout(errors.UNSUPPORTED_FEATURE, "attention.value_length unlike key_length");
  }
  value = readInteger("llama.rope.dimension_count", 1, WIDTH_MAX, value);
  if (value < 0) return <i32>value;
  if (value != <i64>shape.headSize) {
    return failAbout(errors.UNSUPPORTED_FEATURE, "rope.dimension_count unlike the head size");
  }
  const epsilon = readFloat("llama.attention.layer_norm_rms_epsilon", 0, 1);
  if (epsilon < 0) return <i32>epsilon;
  if (isNaN(epsilon)) {
    return failAbout(errors.MISSING_KEY, "llama.attention.layer_norm_rms_epsilon");
  }
  shape.epsilon = <f32>epsilon;
  // Below 1 angles would outgrow what math.ts can reduce.
  const base = readFloat("llama.rope.freq_base", 1, 1e12);
  if (base < 0) return <i32>base;
  shape.ropeBase = isNaN(base) ? 10000 : base;
  shape.interleaved = true;
  return errors.OK;
}

/** Refuses by name what would silently compute something else. */
function readFeatures(): i32 {
  const scaling = find("llama.rope.scaling.type");
  if (scaling != null && !(scaling.type == TYPE_STRING
    && equals(header + scaling.value, scaling.count, "none"))) {
    return failAbout(errors.UNSUPPORTED_FEATURE, "rope.scaling.type");
  }
  const experts = find("llama.expert_count");
  if (experts != null && integerOf(experts, 0) > 0) {
    return failAbout(errors.UNSUPPORTED_FEATURE, "expert_count");
  }
  const declared = readInteger("llama.vocab_size", 1, VOCABULARY_MAX, <i64>vocabulary);
  if (declared < 0) return <i32>declared;
  if (declared != <i64>vocabulary) {
    return failAbout(errors.BAD_VOCABULARY, "llama.vocab_size unlike the number of tokens",
      declared);
  }
  const factor = readFloat("llama.rope.scaling.factor", 0, 1e12);
  if (scaling == null && !isNaN(factor) && factor != 1) {
    return failAbout(errors.UNSUPPORTED_FEATURE, "rope.scaling.factor");
  }
  const linear = readFloat("llama.rope.scale_linear", 0, 1e12);
  if (!isNaN(linear) && linear != 1) {
    return failAbout(errors.UNSUPPORTED_FEATURE, "rope.scale_linear");
  }
  return errors.OK;
}
