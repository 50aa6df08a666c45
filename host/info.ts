// What a loaded model is, read back out of the engine: shape, metadata, tensors, memory plan.
// Reads records as assembly/metadata.ts and model.ts lay them out; knows nothing of printing.

import { PLAN, type Engine } from "./engine";
import type { Simd } from "./options";

export type MetadataValue = string | number | bigint | boolean;

/** A metadata entry; of arrays only the type and the count are kept. */
export interface MetadataEntry {
  key: string;
  value: MetadataValue | { arrayOf: string; count: number };
}

export interface TensorInfo {
  name: string;
  type: string;
  /** What it was packed as: F32, Q4_0 or Q8_0. */
  packed: string;
  rows: number;
  columns: number;
  bytes: number;
}

export interface ModelInfo {
  architecture: string;
  ggufVersion: number;
  numerics: number;
  parameters: number;
  vocabulary: number;
  tokenizer: "sentencepiece" | "byte" | "byte-pair";
  contextMax: number;
  context: number;
  sessions: number;
  layers: number;
  width: number;
  heads: number;
  kvHeads: number;
  headSize: number;
  feedForward: number;
  /** Byte-pooled models: the blocks that see every byte; all else above is of the global blocks. */
  local?: { layers: number; width: number };
  /** Byte-pooled models: patches of each session at most. */
  patches?: number;
  cache: "int8" | "f32";
  /** The engine's build, and the threads that share its memory. */
  simd: Simd;
  threads: number;
  /** Bytes of each part of the memory plan, and of the whole memory. */
  memory: Record<keyof typeof PLAN, number>;
  /** How the model's chats are written, as a Jinja template. */
  chatTemplate?: string;
  metadata: MetadataEntry[];
  tensors: TensorInfo[];
}

const VALUE_TYPES = ["u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array",
  "u64", "i64", "f64"];
const TENSOR_TYPES: Record<number, string> = {
  0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0",
  12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 30: "BF16",
};
const TOKENIZERS = ["sentencepiece", "byte", "byte-pair"] as const;
const PACKED_TYPES = ["F32", "Q4_0", "Q8_0"];

export function describeModel(engine: Engine): ModelInfo {
  const count = (name: Parameters<Engine["fact"]>[0]): number => engine.fact(name);
  const memory = Object.fromEntries(Object.entries(PLAN).map(
    ([name, category]) => [name, Number(engine.exports.planBytes(category))],
  )) as ModelInfo["memory"];
  const template = templateOf(engine);
  return {
    architecture: String(readMetadata(engine, "general.architecture")),
    ggufVersion: count("ggufVersion"),
    numerics: Number(engine.exports.NUMERICS.value),
    parameters: count("parameters"),
    vocabulary: count("vocabulary"),
    tokenizer: TOKENIZERS[count("tokenizer")] ?? "byte",
    contextMax: count("contextMax"),
    context: count("context"),
    sessions: count("sessions"),
    layers: count("layers"),
    width: count("width"),
    heads: count("heads"),
    kvHeads: count("kvHeads"),
    headSize: count("headSize"),
    feedForward: count("feedForward"),
    ...(count("patches") === 0 ? {} : {
      local: { layers: count("tokenLayers"), width: count("tokenWidth") },
      patches: count("patches"),
    }),
    cache: count("int8Cache") ? "int8" : "f32",
    simd: engine.simd,
    threads: engine.threads,
    memory,
    ...(template === undefined ? {} : { chatTemplate: template }),
    metadata: readAllMetadata(engine),
    tensors: Array.from({ length: count("tensors") }, (_, i) => readTensor(engine, i)),
  };
}

/** The chat template of the file. */
export function templateOf(engine: Engine): string | undefined {
  const value = readMetadata(engine, "tokenizer.chat_template");
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Every entry, in file order. */
export function readAllMetadata(engine: Engine): MetadataEntry[] {
  return Array.from({ length: engine.fact("metadataEntries") }, (_, i) => readEntry(engine, i));
}

/** The value of one metadata key; undefined where the file has none. */
function readMetadata(engine: Engine, key: string): MetadataEntry["value"] | undefined {
  for (let i = 0; i < engine.fact("metadataEntries"); i++) {
    const entry = readEntry(engine, i);
    if (entry.key === key) return entry.value;
  }
  return undefined;
}

function view(engine: Engine, address: number, length: number): DataView {
  return new DataView(engine.exports.memory.buffer, address >>> 0, length);
}

function readText(engine: Engine, address: number, length: number): string {
  return engine.text(address, length);
}

/** KeptEntry: seven 32-bit words. */
function readEntry(engine: Engine, index: number): MetadataEntry {
  const record = view(engine, engine.call((e) => e.metadataEntry(index)), 28);
  const word = (i: number): number => record.getUint32(i * 4, true);
  const key = readText(engine, word(0), word(1));
  const type = word(2);
  if (type === 9) {
    return { key, value: { arrayOf: VALUE_TYPES[word(3)] ?? "?", count: word(4) } };
  }
  return { key, value: readValue(engine, type, word(5), word(6)) };
}

function readValue(engine: Engine, type: number, address: number, length: number): MetadataValue {
  if (type === 8) return readText(engine, address, length);
  const value = view(engine, address, length);
  switch (type) {
    case 0: return value.getUint8(0);
    case 1: return value.getInt8(0);
    case 2: return value.getUint16(0, true);
    case 3: return value.getInt16(0, true);
    case 4: return value.getUint32(0, true);
    case 5: return value.getInt32(0, true);
    case 6: return value.getFloat32(0, true);
    case 7: return value.getUint8(0) !== 0;
    case 10: return value.getBigUint64(0, true);
    case 11: return value.getBigInt64(0, true);
    default: return value.getFloat64(0, true);
  }
}

/** Tensor: the fields of assembly/model.ts, in their order. */
function readTensor(engine: Engine, index: number): TensorInfo {
  const record = view(engine, engine.call((e) => e.tensorRecord(index)), 72);
  const word = (i: number): number => record.getUint32(i * 4, true);
  return {
    name: readText(engine, word(0), word(1)),
    type: TENSOR_TYPES[word(2)] ?? "?",
    packed: PACKED_TYPES[word(3)] ?? "?",
    rows: word(5),
    columns: word(6),
    bytes: Number(record.getBigUint64(64, true)),
  };
}
