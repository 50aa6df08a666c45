// A shape as a GGUF file: every matrix Q4_0, the embedding giving the logits too, a vocabulary of
// bytes and fillers. Made once, under its final name only when it is whole.
// Does not know: what the weights are (tensors.mjs).

import { closeSync, existsSync, openSync, renameSync, writeSync } from "node:fs";
import { blocksOf, BLOCK_BYTES, GROUP, tensorsOf } from "./tensors.mjs";
import { CONTEXT } from "./shapes.mjs";

const ALIGNMENT = 32;
const F32 = 0;
const Q4_0 = 2;
/** GGUF's numbers for kinds of values. */
const KIND = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 };

/** Token ids 0 to 2 are the unknown token, the beginning and the end; these are the bytes. */
export const FIRST_BYTE_TOKEN = 3;

/** Collects little-endian values. */
class Writer {
  pieces = [];

  #put(bytes, write) {
    const piece = Buffer.alloc(bytes);
    write(piece);
    this.pieces.push(piece);
  }

  uint32(value) { this.#put(4, (piece) => piece.writeUInt32LE(value)); }
  int32(value) { this.#put(4, (piece) => piece.writeInt32LE(value)); }
  uint64(value) { this.#put(8, (piece) => piece.writeBigUInt64LE(BigInt(value))); }
  float32(value) { this.#put(4, (piece) => piece.writeFloatLE(value)); }
  bool(value) { this.#put(1, (piece) => piece.writeUInt8(value ? 1 : 0)); }

  string(text) {
    const bytes = Buffer.from(text);
    this.uint64(bytes.length);
    this.pieces.push(bytes);
  }

  /** A key and its value; `int32[]` and its like are arrays. */
  entry([key, kind, value]) {
    this.string(key);
    const element = kind.replace("[]", "");
    if (element === kind) {
      this.uint32(KIND[kind]);
      this[kind](value);
      return;
    }
    this.uint32(KIND.array);
    this.uint32(KIND[element]);
    this.uint64(value.length);
    for (const each of value) this[element](each);
  }
}

/** Writes the file unless it is there. */
export function writeGguf(shape, path) {
  if (existsSync(path)) return;
  const tensors = tensorsOf(shape);
  const writer = new Writer();
  writer.pieces.push(Buffer.from("GGUF"));
  writer.uint32(3);
  writer.uint64(tensors.length);
  const metadata = metadataOf(shape);
  writer.uint64(metadata.length);
  metadata.forEach((entry) => writer.entry(entry));
  let offset = 0;
  for (const tensor of tensors) {
    const isMatrix = tensor.rows !== undefined;
    writer.string(tensor.name);
    writer.uint32(isMatrix ? 2 : 1);
    writer.uint64(tensor.columns);
    if (isMatrix) writer.uint64(tensor.rows);
    writer.uint32(isMatrix ? Q4_0 : F32);
    writer.uint64(offset);
    offset += aligned(bytesOf(tensor));
  }
  const file = openSync(`${path}.part`, "w");
  writeWhole(file, Buffer.concat(writer.pieces));
  for (const tensor of tensors) {
    writeWhole(file, tensor.rows === undefined
      ? new Uint8Array(new Float32Array(tensor.columns).fill(1).buffer) : blocksOf(tensor));
  }
  closeSync(file);
  renameSync(`${path}.part`, path);
}

const aligned = (bytes) => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

function bytesOf({ rows, columns }) {
  return rows === undefined ? columns * 4 : ((rows * columns) / GROUP) * BLOCK_BYTES;
}

/** All bytes of a piece, and zeros up to the next multiple of the alignment. */
function writeWhole(file, bytes) {
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at, bytes.length - at);
  writeSync(file, Buffer.alloc(aligned(bytes.length) - bytes.length));
}

function metadataOf(shape) {
  const own = (name, value) => [`${shape.architecture}.${name}`, "uint32", value];
  const stack = (prefix, { width, heads, kvHeads, feedForward }) => [
    own(`${prefix}embedding_length`, width), own(`${prefix}feed_forward_length`, feedForward),
    own(`${prefix}attention.head_count`, heads),
    own(`${prefix}attention.head_count_kv`, kvHeads),
  ];
  const common = [
    ["general.architecture", "string", shape.architecture],
    ["general.name", "string", `${shape.title}, random weights`],
    own("context_length", CONTEXT), own("block_count", shape.blocks),
    [`${shape.architecture}.attention.layer_norm_rms_epsilon`, "float32", 1e-5],
    [`${shape.architecture}.rope.freq_base`, "float32", 10000],
  ];
  if (shape.architecture === "llama") {
    return [...common, ...stack("", shape.stack),
      ...(shape.tokenBytes === 1 ? byteVocabulary(shape) : pieceVocabulary(shape))];
  }
  return [...common, ...stack("", shape.trunk), ...stack("local.", shape.local),
    own("local.encoder_count", shape.encoders), own("local.decoder_count", shape.decoders),
    own("local.attention.sliding_window", shape.window),
    ["bytepool.patch.rule", "string", "space"], own("patch.length", shape.patchLength),
    own("ngram.rows", shape.ngramRows), ["bytepool.ngram.orders", "int32[]", shape.ngramOrders],
    ...byteVocabulary(shape)];
}

/** Bytes and fillers that no text contains. A text of bytes has as many tokens, and no others. */
function pieceVocabulary({ vocabulary }) {
  const tokens = ["<unk>", "<s>", "</s>"];
  const bytes = Array.from({ length: 256 }, (_, byte) =>
    `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  tokens.push(...bytes);
  const types = [2, 3, 3, ...bytes.map(() => 6)];
  while (tokens.length < vocabulary) {
    types.push(1);
    tokens.push(`~#${tokens.length}#~`);
  }
  return [
    ["tokenizer.ggml.model", "string", "llama"],
    ["tokenizer.ggml.tokens", "string[]", tokens],
    ["tokenizer.ggml.scores", "float32[]", tokens.map((_, id) => -id)],
    ["tokenizer.ggml.token_type", "int32[]", types],
    ["tokenizer.ggml.bos_token_id", "uint32", 1],
    ["tokenizer.ggml.eos_token_id", "uint32", 2],
    ["tokenizer.ggml.add_bos_token", "bool", false],
    ["tokenizer.ggml.add_space_prefix", "bool", false],
  ];
}

/** The bytes in GPT-2's alphabet, then control tokens. */
function byteVocabulary({ vocabulary }) {
  const isPrintable = (byte) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  let next = 0x100;
  const tokens = Array.from({ length: 256 }, (_, byte) =>
    String.fromCharCode(isPrintable(byte) ? byte : next++));
  while (tokens.length < vocabulary) tokens.push(`<|reserved_${tokens.length}|>`);
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
