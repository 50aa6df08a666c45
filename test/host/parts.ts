// A model cut into several GGUF files, as llama.cpp's gguf-split does it, written anew.
// Does not know: how such files are read.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readGguf, writeGguf, type MetadataEntry, type TensorEntry } from "../reference";

/**
 * The model in `count` files, of which each but the first begins with the tensor of a number in
 * `cuts`; metadata in the first alone.
 */
export function splitFile(
  bytes: Uint8Array, count: number, cuts: readonly number[],
): Uint8Array[] {
  const file = readGguf(bytes);
  const tensors = [...file.tensors.values()].map(({ name, dims, type, bytes: data }): TensorEntry =>
    [name, dims, type, data]);
  const metadata = [...file.metadataTypes].map(([key, type]): MetadataEntry =>
    [key, type, file.metadata.get(key)]);
  return Array.from({ length: count }, (_, i) => writeGguf({
    metadata: [
      ...(i === 0 ? metadata : []), ["split.no", "uint16", i], ["split.count", "uint16", count],
      ["split.tensors.count", "int32", tensors.length],
    ],
    tensors: tensors.slice(cuts[i - 1] ?? 0, cuts[i]),
  }));
}

const nameOf = (i: number, count: number): string =>
  `m-${String(i).padStart(5, "0")}-of-${String(count).padStart(5, "0")}.gguf`;

/** Writes parts into a new folder, without those that are missing; returns the first one's path. */
export function putParts(folder: string, parts: readonly (Uint8Array | undefined)[]): string {
  mkdirSync(folder);
  parts.forEach((part, i) => {
    if (part) writeFileSync(join(folder, nameOf(i + 1, parts.length)), part);
  });
  return join(folder, nameOf(1, parts.length));
}
