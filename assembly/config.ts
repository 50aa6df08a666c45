// The hyper-parameters, out of the metadata, each checked with its reason. Knows nothing of
// tensors.

import * as errors from "./errors";
import { failAbout, failNamed } from "./errors";
import { TYPE_ARRAY, TYPE_STRING, failKey, find, header, tensorCount } from "./gguf";
import { parts } from "./parts";
import { readPatches } from "./patches";
import { equals } from "./text";
import {
  failValue, integerOf, lookUp, readFloat, readInteger, readNeededFloat,
} from "./values";

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

/** A stack of decoder blocks of one width. What its caches look like is filled in by session.ts. */
// @ts-ignore: decorator
@unmanaged export class Stack {
  /** Numbers of the residual stream. */
  width: i32;
  heads: i32;
  kvHeads: i32;
  headSize: i32;
  feedForward: i32;
  /** Blocks in the file, and how many times in a row each is run. */
  blocks: i32;
  repeat: i32;
  /** Its first block's place among all blocks of the model. */
  firstBlock: i32;
  /** Positions that attention sees, counted back from its own; CONTEXT_MAX for all. */
  window: i32;
  /** RMSNorm's epsilon. */
  epsilon: f32;
  /** Pairs (2i, 2i+1) turn together, rather than (i, i + headSize/2). */
  interleaved: bool;
  ropeBase: f64;

  /** Whether the caches are quantized. */
  isInt8: bool;
  /** Positions of its caches. */
  positions: i32;
  /** Numbers of one head's cached key or value, padding included. */
  stride: i32;
  /** Bytes of one head's keys (values take the same) and of their scales, in one layer. */
  headBytes: usize;
  headScaleBytes: usize;
  /** Bytes of the unrounded first key, which others are kept as differences from (int8 cache). */
  firstKeyBytes: usize;
  /** Where its caches begin in a session's. */
  cacheOffset: usize;

  /** Steps through its blocks; each has its own slice of the cache. */
  get layers(): i32 {
    return this.blocks * this.repeat;
  }

  /** The model's block that a layer runs. */
  blockOf(layer: i32): i32 {
    return this.firstBlock + layer / this.repeat;
  }
}

/** The blocks blk.N: all of a Llama; the global blocks, one row a patch, of a byte-pooled model. */
export const trunk: Stack = changetype<Stack>(memory.data(96, 16));
/** The encoders enc.N, then the decoders dec.N, of a byte-pooled model, one row a byte. */
export const local: Stack = changetype<Stack>(memory.data(96, 16));
/** The stack whose rows are tokens. */
export let tokenStack: Stack = trunk;
/** Whether bytes are pooled into patches; otherwise there is only the trunk. */
export let isPooled: bool = false;
/** Encoders among the local blocks. */
export let encoders: i32 = 0;
/** Positions that the model was made for. */
export let contextMax: i32 = 0;
export let vocabulary: i32 = 0;
/** The file has no tensors at all: text can be cut into tokens, and that is all. */
export let isVocabularyOnly: bool = false;

/** Blocks in the file. */
export function blockCount(): i32 {
  return trunk.blocks + (isPooled ? local.blocks : 0);
}

/** The stack of one of them. */
export function stackOf(block: i32): Stack {
  return block < trunk.blocks ? trunk : local;
}

/** Reads everything; OK, or what is wrong with the model. */
export function readConfig(): i32 {
  isVocabularyOnly = tensorCount == 0;
  if (isVocabularyOnly) return readVocabularyAlone();
  const architecture = find("general.architecture");
  if (architecture == null) return failAbout(errors.MISSING_KEY, "general.architecture");
  if (architecture.type != TYPE_STRING) {
    return failKey(errors.WRONG_KEY_TYPE, architecture, architecture.type);
  }
  const name = header + architecture.value;
  isPooled = equals(name, architecture.count, "bytepool");
  if (!isPooled && !equals(name, architecture.count, "llama")) {
    return failNamed(errors.UNSUPPORTED_ARCHITECTURE, name, architecture.count);
  }
  const split = find("split.count");
  if (split != null && integerOf(split, 0) > 1 && integerOf(split, 0) != <i64>parts) {
    return failAbout(errors.SPLIT_FILE, "split.count", integerOf(split, 0));
  }
  const prefix = isPooled ? "bytepool." : "llama.";
  let status = readDimensions(prefix);
  if (status >= 0) status = readVocabularySize();
  return status < 0 ? status : readFeatures(prefix);
}

/** A file of any architecture, of which nothing will run: a stack of no blocks. */
function readVocabularyAlone(): i32 {
  isPooled = false;
  tokenStack = trunk;
  contextMax = <i32>CONTEXT_MAX;
  memory.fill(changetype<usize>(trunk), 0, offsetof<Stack>());
  trunk.repeat = 1;
  trunk.ropeBase = 1;
  return readVocabularySize();
}

function readVocabularySize(): i32 {
  const tokens = find("tokenizer.ggml.tokens");
  if (tokens == null) return failAbout(errors.MISSING_KEY, "tokenizer.ggml.tokens");
  if (tokens.type != TYPE_ARRAY || tokens.elementType != TYPE_STRING) {
    return failKey(errors.WRONG_KEY_TYPE, tokens, tokens.type);
  }
  if (tokens.count < 1 || <i64>tokens.count > VOCABULARY_MAX) {
    return failAbout(errors.TOO_MANY, "tokens", tokens.count, VOCABULARY_MAX);
  }
  vocabulary = tokens.count;
  return errors.OK;
}

function readDimensions(prefix: string): i32 {
  let value = readInteger(prefix, "context_length", 1, CONTEXT_MAX, -1);
  if (value < 0) return <i32>value;
  contextMax = <i32>value;
  let status = readWidths(trunk, prefix);
  if (status < 0) return status;
  value = readInteger(prefix, "block_count", 1, BLOCKS_MAX, -1);
  if (value < 0) return <i32>value;
  trunk.blocks = <i32>value;
  value = readInteger(prefix, "block_repeat", 1, BLOCKS_MAX / <i64>trunk.blocks, 1);
  if (value < 0) return <i32>value;
  trunk.repeat = <i32>value;
  trunk.firstBlock = 0;
  trunk.window = <i32>CONTEXT_MAX;
  tokenStack = isPooled ? local : trunk;
  status = isPooled ? readLocal() : errors.OK;
  return status < 0 ? status : readNumerics(prefix);
}

/** The local blocks of a byte-pooled model. */
function readLocal(): i32 {
  let status = readWidths(local, "bytepool.local.");
  if (status < 0) return status;
  const room = BLOCKS_MAX - <i64>trunk.blocks;
  let value = readInteger("bytepool.local.", "encoder_count", 1, room, -1);
  if (value < 0) return <i32>value;
  encoders = <i32>value;
  value = readInteger("bytepool.local.", "decoder_count", 1, room - value, -1);
  if (value < 0) return <i32>value;
  local.blocks = encoders + <i32>value;
  local.repeat = 1;
  local.firstBlock = trunk.blocks;
  value = readInteger("bytepool.local.", "attention.sliding_window", 1, CONTEXT_MAX, CONTEXT_MAX);
  if (value < 0) return <i32>value;
  local.window = <i32>value;
  return readPatches();
}

function readWidths(stack: Stack, prefix: string): i32 {
  let value = readInteger(prefix, "embedding_length", 1, WIDTH_MAX, -1);
  if (value < 0) return <i32>value;
  stack.width = <i32>value;
  value = readInteger(prefix, "feed_forward_length", 1, WIDTH_MAX, -1);
  if (value < 0) return <i32>value;
  stack.feedForward = <i32>value;
  value = readInteger(prefix, "attention.head_count", 1, HEADS_MAX, -1);
  if (value < 0) return <i32>value;
  stack.heads = <i32>value;
  value = readInteger(prefix, "attention.head_count_kv", 1, <i64>stack.heads, <i64>stack.heads);
  if (value < 0) return <i32>value;
  stack.kvHeads = <i32>value;
  if (stack.heads % stack.kvHeads != 0) {
    return failValue(prefix, "attention.head_count_kv", value, 1, stack.heads);
  }
  return readHeads(stack, prefix);
}

function readHeads(stack: Stack, prefix: string): i32 {
  // Without a key_length the heads share the width; then it must divide.
  const shared = stack.width % stack.heads == 0 ? <i64>(stack.width / stack.heads) : 0;
  let value = readInteger(prefix, "attention.key_length", 4, HEAD_SIZE_MAX, shared);
  if (value < 0) return <i32>value;
  if (value < 4 || value > HEAD_SIZE_MAX || value % 4 != 0
    || value * <i64>stack.heads > WIDTH_MAX) {
    return failAbout(errors.BAD_VALUE, "head size (a multiple of 4)", value, 4, HEAD_SIZE_MAX);
  }
  stack.headSize = <i32>value;
  // Half-turned heads and values of another length than keys are other architectures.
  value = readInteger(prefix, "attention.value_length", 1, HEAD_SIZE_MAX, value);
  if (value < 0) return <i32>value;
  if (value != <i64>stack.headSize) {
    return failAbout(errors.UNSUPPORTED_FEATURE, "attention.value_length unlike key_length");
  }
  value = readInteger(prefix, "rope.dimension_count", 1, WIDTH_MAX, value);
  if (value < 0) return <i32>value;
  if (value != <i64>stack.headSize) {
    return failAbout(errors.UNSUPPORTED_FEATURE, "rope.dimension_count unlike the head size");
  }
  return errors.OK;
}

/** What all stacks of a model share. */
function readNumerics(prefix: string): i32 {
  const epsilon = readNeededFloat(prefix, "attention.layer_norm_rms_epsilon", 0, 1);
  if (epsilon < 0) return <i32>epsilon;
  // Below 1 angles would outgrow what math.ts can reduce.
  const given = readFloat(prefix, "rope.freq_base", 1, 1e12);
  if (given < 0) return <i32>given;
  trunk.epsilon = <f32>epsilon;
  local.epsilon = <f32>epsilon;
  trunk.ropeBase = isNaN(given) ? 10000 : given;
  local.ropeBase = trunk.ropeBase;
  trunk.interleaved = !isPooled;
  local.interleaved = false;
  return errors.OK;
}

/** Refuses by name what would silently compute something else. */
function readFeatures(prefix: string): i32 {
  const scaling = lookUp(prefix, "rope.scaling.type");
  if (scaling != null && !(scaling.type == TYPE_STRING
    && equals(header + scaling.value, scaling.count, "none"))) {
    return failAbout(errors.UNSUPPORTED_FEATURE, "rope.scaling.type");
  }
  const experts = lookUp(prefix, "expert_count");
  if (experts != null && integerOf(experts, 0) > 0) {
    return failAbout(errors.UNSUPPORTED_FEATURE, "expert_count");
  }
  const declared = readInteger(prefix, "vocab_size", 1, VOCABULARY_MAX, <i64>vocabulary);
  if (declared < 0) return <i32>declared;
  if (declared != <i64>vocabulary) {
    return failAbout(errors.BAD_VOCABULARY, "vocab_size unlike the number of tokens", declared);
  }
  const factor = readFloat(prefix, "rope.scaling.factor", 0, 1e12);
  if (scaling == null && !isNaN(factor) && factor != 1) {
    return failAbout(errors.UNSUPPORTED_FEATURE, "rope.scaling.factor");
  }
  const linear = readFloat(prefix, "rope.scale_linear", 0, 1e12);
  if (!isNaN(linear) && linear != 1) {
    return failAbout(errors.UNSUPPORTED_FEATURE, "rope.scale_linear");
  }
  return errors.OK;
}
