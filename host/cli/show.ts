// nibble show: what a model file holds and where its bytes will lie.

import type { MetadataEntry, ModelInfo } from "../info";
import { loadModel, parseArguments } from "./arguments";

/** Longest metadata value that is printed whole. */
const VALUE_SHOWN = 100;

export async function show(argv: string[], signal: AbortSignal): Promise<void> {
  const args = parseArguments(argv, {}, 0);
  const { info } = await loadModel(args, signal);
  process.stdout.write(args.json ? `${toJson(info)}\n` : toText(info));
}

function toJson(info: ModelInfo): string {
  return JSON.stringify(info, (_, value: unknown) => (
    typeof value === "bigint" ? value.toString() : value));
}

function valueText({ value }: MetadataEntry): string {
  if (typeof value === "object") return `[${value.count} x ${value.arrayOf}]`;
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > VALUE_SHOWN ? `${text.slice(0, VALUE_SHOWN)}... (${text.length})` : text;
}

function toText(info: ModelInfo): string {
  const number = (value: number): string => value.toLocaleString("en-US");
  const lines = [
    `GGUF version ${info.ggufVersion}, ${number(info.parameters)} parameters`,
    `${info.local ? "global: " : ""}${info.layers} layers, width ${info.width}, `
      + `${info.heads} heads (${info.kvHeads} for keys and values) of ${info.headSize}, `
      + `feed-forward ${info.feedForward}`,
    ...(info.local ? [`local: ${info.local.layers} layers, width ${info.local.width}; at most `
      + `${number(info.patches ?? 0)} patches`] : []),
    `${number(info.vocabulary)} tokens (${info.tokenizer}), context ${number(info.context)} of `
      + `${number(info.contextMax)}, ${info.cache} cache`,
    "",
    "Metadata",
    ...info.metadata.map((entry) => `  ${entry.key} = ${valueText(entry)}`),
    "",
    "Tensors",
    ...info.tensors.map((tensor) => `  ${tensor.name.padEnd(28)} ${tensor.type.padEnd(5)}`
      + `${tensor.packed === tensor.type ? "" : `-> ${tensor.packed} `}`
      + `${tensor.rows} x ${tensor.columns}`),
    "",
    "Memory",
    ...Object.entries(info.memory).map(([name, bytes]) => (
      `  ${name.padEnd(12)}${number(bytes).padStart(14)} bytes`)),
    "",
  ];
  const plain = info.tensors.filter((t) => t.packed === "F32" && t.type !== "F32");
  if (plain.length > 0) {
    lines.push(`Kept as F32, since their rows are no multiple of 32: `
      + `${plain.map((t) => t.name).join(", ")}`, "");
  }
  return lines.join("\n");
}
