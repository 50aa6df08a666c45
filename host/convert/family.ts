// config.json of a checkpoint: which family it is and how large. Knows nothing of tensors or
// tokens. What would silently compute something else is refused by its name.
//
// MobileLLM's traps: it says tie_word_embeddings false, but share_embedding true, and has no
// lm_head; layer_sharing runs each block twice in a row.

import { NibbleError } from "../errors";
import { badCheckpoint, isObject, type Json } from "./files";
import { entry } from "./header";
import type { RawEntry } from "./tools";

/** What the weights are shaped by. */
export interface Shape {
  layers: number;
  width: number;
  heads: number;
  kvHeads: number;
  headSize: number;
  feedForward: number;
  vocabulary: number;
  /** Logits come from the embedding. */
  isTied: boolean;
  /** Times in a row that each block runs. */
  repeat: number;
}

const FILE = "config.json";
const FAMILIES = ["llama", "mobilellm"];

/** Reads the shape. Throws UNSUPPORTED_ARCHITECTURE, UNSUPPORTED_FEATURE or BAD_CHECKPOINT. */
export function shapeOf(config: Json): Shape {
  const family = String(config["model_type"] ?? "");
  if (!FAMILIES.includes(family)) {
    throw new NibbleError("UNSUPPORTED_ARCHITECTURE",
      `${FILE} says model_type ${JSON.stringify(family.slice(0, 60))}; "llama" (SmolLM and its `
      + 'kin) and "mobilellm" can be converted.');
  }
  refuseFeatures(config);
  const heads = whole(config, "num_attention_heads");
  const width = whole(config, "hidden_size");
  const headSize = whole(config, "head_dim", width / heads);
  return {
    layers: whole(config, "num_hidden_layers"), width, heads, headSize,
    kvHeads: whole(config, "num_key_value_heads", heads),
    feedForward: whole(config, "intermediate_size"),
    vocabulary: whole(config, "vocab_size"),
    isTied: config["tie_word_embeddings"] === true || config["share_embedding"] === true,
    repeat: config["layer_sharing"] === true ? 2 : 1,
  };
}

/** A count of the config, from 1 to 2^31. */
function whole(config: Json, key: string, fallback?: number): number {
  const value = config[key] ?? fallback;
  if (value === undefined) throw badCheckpoint(FILE, `it has no ${key}`);
  if (Number.isSafeInteger(value) && (value as number) > 0 && (value as number) < 2 ** 31) {
    return value as number;
  }
  throw badCheckpoint(FILE, `${key} is ${JSON.stringify(value)}, not a whole number above 0`);
}

function refuseFeatures(config: Json): void {
  const refuse = (what: string): never => {
    throw new NibbleError("UNSUPPORTED_FEATURE",
      `${FILE} asks for ${what}, which is not supported; converting without it would give wrong `
      + "text.");
  };
  const scaling = config["rope_scaling"];
  const kind = isObject(scaling) ? scaling["rope_type"] ?? scaling["type"] : undefined;
  if (scaling !== undefined && scaling !== null && kind !== "default") refuse("rope_scaling");
  for (const key of ["attention_bias", "mlp_bias"]) if (config[key] === true) refuse(key);
  const activation = config["hidden_act"] ?? "silu";
  if (activation !== "silu") refuse(`hidden_act ${JSON.stringify(activation)}`);
  if (isObject(config["quantization_config"])) {
    refuse("quantization_config (convert the checkpoint that it was made from)");
  }
}

/** The metadata that describes the shape, under llama.cpp's keys. */
export function shapeEntries(config: Json, shape: Shape, name: string): RawEntry[] {
  const positive = (key: string, fallback: number): number => {
    const value = config[key] ?? fallback;
    if (typeof value === "number" && value > 0 && Number.isFinite(value)) return value;
    throw badCheckpoint(FILE, `${key} is ${JSON.stringify(value)}, not a number above 0`);
  };
  // Newer transformers put theta beside the scaling.
  const parameters = isObject(config["rope_parameters"]) ? config["rope_parameters"] : {};
  const theta = typeof parameters["rope_theta"] === "number" ? parameters["rope_theta"] : 10000;
  const { layers, width, heads, kvHeads, headSize, feedForward, vocabulary, repeat } = shape;
  return [
    entry.text("general.architecture", "llama"),
    entry.text("general.type", "model"),
    entry.text("general.name", name),
    entry.whole("llama.context_length", whole(config, "max_position_embeddings")),
    entry.whole("llama.embedding_length", width),
    entry.whole("llama.block_count", layers),
    ...(repeat > 1 ? [entry.whole("llama.block_repeat", repeat)] : []),
    entry.whole("llama.feed_forward_length", feedForward),
    entry.whole("llama.attention.head_count", heads),
    entry.whole("llama.attention.head_count_kv", kvHeads),
    ...(headSize * heads === width ? [] : [
      entry.whole("llama.attention.key_length", headSize),
      entry.whole("llama.attention.value_length", headSize),
    ]),
    entry.float("llama.attention.layer_norm_rms_epsilon", positive("rms_norm_eps", 1e-6)),
    entry.float("llama.rope.freq_base", positive("rope_theta", theta)),
    entry.whole("llama.rope.dimension_count", headSize),
    entry.whole("llama.vocab_size", vocabulary),
  ];
}
