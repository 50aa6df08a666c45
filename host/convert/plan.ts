// What a conversion will write, decided before the first byte: the metadata, and for each tensor
// where it comes from and which type it gets. Knows nothing of the sources' formats.

import { entry, type HeaderTensor } from "./header";
import type { ReadableFile } from "./files";
import { TYPE, type RawEntry, type Tools } from "./tools";

export type TargetType = "f32" | "f16" | "q8_0" | "q4_0";

/** Names of types, and ggml's numbers of them and of files that are mostly so. */
export const TARGETS: Record<TargetType, { type: number; fileType: number }> = {
  f32: { type: TYPE.F32, fileType: 0 }, f16: { type: TYPE.F16, fileType: 1 },
  q8_0: { type: TYPE.Q8_0, fileType: 7 }, q4_0: { type: TYPE.Q4_0, fileType: 2 },
};

/** A tensor where it lies now. */
export interface SourceTensor {
  /** In the file to be, and as the source calls it. */
  name: string;
  label: string;
  dimensions: number;
  rows: number;
  columns: number;
  /** ggml's number of its type. */
  type: number;
  file: ReadableFile;
  position: number;
  bytes: number;
  /** Rows of one head whose halves are to be laced (places.ts), or 0. */
  laced: number;
}

/** What a source has: where everything lies, and the metadata that does not depend on types. */
export interface Model {
  entries: RawEntry[];
  tensors: SourceTensor[];
}

/** A tensor and what becomes of it. */
export interface PlannedTensor extends SourceTensor, HeaderTensor {
  source: { type: number; bytes: number };
}

export interface Plan {
  entries: RawEntry[];
  tensors: PlannedTensor[];
}

/** The version of ggml's quantized formats, which readers compare. */
const QUANTIZATION_VERSION = 2;

/**
 * Which type each tensor gets. What gives the logits is the most delicate matrix: at q4_0 it gets
 * `head`, q8_0 unless told, as llama.cpp's own files have it.
 */
export function planOf(
  tools: Tools, model: Model, target: TargetType, head: TargetType | undefined,
): Plan {
  const giver = model.tensors.some(({ name }) => name === "output.weight")
    ? "output.weight" : "token_embd.weight";
  const headType = TARGETS[head ?? (target === "q4_0" ? "q8_0" : target)].type;
  const tensors = model.tensors.map((tensor) => {
    const asked = tensor.name === giver ? headType : TARGETS[target].type;
    const isMatrix = tensor.dimensions > 1;
    const fits = tensor.columns % tools.exports.blockItems(asked) === 0;
    const type = isMatrix && fits ? asked : TYPE.F32;
    return {
      ...tensor, type, bytes: bytesOf(tools, type, tensor.rows * tensor.columns),
      source: { type: tensor.type, bytes: tensor.bytes },
    };
  });
  const entries = [
    ...model.entries,
    entry.whole("general.quantization_version", QUANTIZATION_VERSION),
    entry.whole("general.file_type", TARGETS[target].fileType),
  ];
  return { entries, tensors };
}

function bytesOf(tools: Tools, type: number, count: number): number {
  return (count / tools.exports.blockItems(type)) * tools.exports.blockBytes(type);
}
