// Checkpoints as Hugging Face's libraries save them, made up for tests (scripts/checkpoint.mjs),
// and the same weights as an oracle's file that was not converted: rows as they were, rotary pairs
// in halves. Does not know: how the product converts.

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  brainToNumber, ggmlType, halfToNumber, quantize, writeGguf, type MetadataEntry,
  type TensorEntry,
} from "../reference";
import { root } from "../host/command";

export const folder = mkdtempSync(join(tmpdir(), "nibble-convert-"));

/** Makes a checkpoint; returns its path. */
export function checkpoint(name: string, family: string, ...options: string[]): string {
  const path = join(folder, name);
  const script = join(root, "scripts", "checkpoint.mjs");
  execFileSync(process.execPath, [script, family, path, ...options]);
  return path;
}

/** A tensor of a checkpoint. */
export interface Stored {
  shape: number[];
  values: Float32Array;
}

type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;

/** All tensors of a safetensors file, read anew. */
function readFile(path: string): [string, Stored][] {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + length)) as Header;
  return Object.entries(header).filter(([name]) => name !== "__metadata__")
    .map(([name, { dtype, shape, data_offsets: [from, to] }]) => {
      const data = bytes.subarray(8 + length + from, 8 + length + to);
      const size = dtype === "F32" ? 4 : 2;
      const value = (i: number): number => {
        if (dtype === "F32") return data.readFloatLE(i * 4);
        const bits = data.readUInt16LE(i * 2);
        return dtype === "F16" ? halfToNumber(bits) : brainToNumber(bits);
      };
      return [name, { shape, values: Float32Array.from({ length: data.length / size },
        (_, i) => value(i)) }];
    });
}

/** All tensors of a checkpoint. */
export function readTensors(path: string): Map<string, Stored> {
  const index = join(path, "model.safetensors.index.json");
  const files = existsSync(index) ? [...new Set(Object.values(
    (JSON.parse(readFileSync(index, "utf8")) as { weight_map: Record<string, string> }).weight_map,
  ))] : ["model.safetensors"];
  return new Map(files.flatMap((file) => readFile(join(path, file))));
}

/** Hugging Face's names to GGUF's. */
const NAMES: [RegExp, string][] = [
  [/^model\.layers\.(\d+)\./, "blk.$1."], [/input_layernorm/, "attn_norm"],
  [/post_attention_layernorm/, "ffn_norm"], [/self_attn\.([qkv])_proj/, "attn_$1"],
  [/self_attn\.o_proj/, "attn_output"], [/mlp\.(gate|up|down)_proj/, "ffn_$1"],
  [/model\.embed_tokens/, "token_embd"], [/model\.norm/, "output_norm"], [/lm_head/, "output"],
];

export const ggufName = (name: string): string =>
  NAMES.reduce((text, [from, to]) => text.replace(from, to), name);

/** A checkpoint's config and weights in F32, rows in their own order: for an oracle with halves. */
export function unlacedFile(path: string): Uint8Array {
  const config = JSON.parse(readFileSync(join(path, "config.json"), "utf8")) as
    Record<string, number | boolean | undefined>;
  const whole = (key: string, from: string): MetadataEntry =>
    [`llama.${key}`, "uint32", config[from]];
  const metadata: MetadataEntry[] = [
    ["general.architecture", "string", "llama"],
    whole("context_length", "max_position_embeddings"), whole("embedding_length", "hidden_size"),
    whole("block_count", "num_hidden_layers"), whole("feed_forward_length", "intermediate_size"),
    whole("attention.head_count", "num_attention_heads"),
    whole("attention.head_count_kv", "num_key_value_heads"),
    ["llama.attention.layer_norm_rms_epsilon", "float32", config["rms_norm_eps"]],
    ["llama.rope.freq_base", "float32", config["rope_theta"]],
  ];
  if (config["head_dim"] !== undefined) metadata.push(whole("attention.key_length", "head_dim"));
  if (config["layer_sharing"] === true) metadata.push(["llama.block_repeat", "uint32", 2]);
  const tensors = Array.from(readTensors(path), ([name, { shape, values }]): TensorEntry =>
    [ggufName(name), [...shape].reverse(), ggmlType.F32, quantize(ggmlType.F32, values)]);
  return writeGguf({ metadata, tensors });
}
