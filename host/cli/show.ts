// nibble show: what a model file holds and where its bytes will lie.

import type { MetadataEntry, ModelInfo } from "../info";
import { recommendedBy } from "../recommended";
import { loadModel, parseArguments } from "./arguments";

const ISOLATE_BYTES = 128e6;
/** What a Worker takes besides the engine's memory: heap, script, code (test/platforms/memory). */
const AROUND_BYTES = 10e6;
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

/** How many tensors there are of each type, the most first. */
function typesText({ tensors }: ModelInfo): string {
  const counts = new Map<string, number>();
  for (const { type } of tensors) counts.set(type, (counts.get(type) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a).map(([type, count]) => `${count} ${type}`)
    .join(", ");
}

function isolateText(engineBytes: number): string {
  const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
  const spare = ISOLATE_BYTES - engineBytes - AROUND_BYTES;
  return `A Worker's isolate of 128 MB, some ${AROUND_BYTES / 1e6} of which JavaScript takes: `
    + (spare >= 0 ? `fits, ${megabytes(spare)} to spare`
      : `too small by ${megabytes(-spare)}; try a smaller --context, or --weights q4_0`);
}

/** What the file recommends, and why some of it is not followed; nothing where it is silent. */
function samplingText({ metadata }: ModelInfo): string[] {
  const { options, ignored } = recommendedBy(metadata);
  const values = Object.entries(options).map(([name, value]) => `${name} ${value}`);
  return [
    ...(values.length > 0 ? [`sampling by default: ${values.join(", ")}`] : []),
    ...ignored.map(({ key, reason }) => `${key} is not followed: ${reason}`),
  ];
}

function toText(info: ModelInfo): string {
  const number = (value: number): string => value.toLocaleString("en-US");
  const lines = [
    `GGUF version ${info.ggufVersion}, ${number(info.parameters)} parameters`,
    `${info.architecture}, tensors: ${typesText(info)}`,
    `${info.local ? "global: " : ""}${info.layers} layers, width ${info.width}, `
      + `${info.heads} heads (${info.kvHeads} for keys and values) of ${info.headSize}, `
      + `feed-forward ${info.feedForward}`,
    ...(info.local ? [`local: ${info.local.layers} layers, width ${info.local.width}; at most `
      + `${number(info.patches ?? 0)} patches`] : []),
    `${number(info.vocabulary)} tokens (${info.tokenizer}), context ${number(info.context)} of `
      + `${number(info.contextMax)}, ${info.cache} cache`,
    info.chatTemplate === undefined ? "no chat template"
      : `chat template of ${number(info.chatTemplate.length)} characters`,
    ...samplingText(info),
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
    isolateText(info.memory.total),
    "",
  ];
  const plain = info.tensors.filter((t) => t.packed === "F32" && t.type !== "F32");
  if (plain.length > 0) {
    lines.push(`Kept as F32, since their rows are no multiple of 32: `
      + `${plain.map((t) => t.name).join(", ")}`, "");
  }
  return lines.join("\n");
}
