// A Hugging Face folder as a model to be written: every tensor matched to its place. Knows nothing
// of how it is written.

import { NibbleError } from "../errors";
import { badCheckpoint, readJson, type Folder, type ReadableFile } from "./files";
import { shapeEntries, shapeOf } from "./family";
import type { Model, SourceTensor } from "./plan";
import { isIgnored, placesOf, type Place } from "./places";
import { readTensors, type StoredTensor } from "./safetensors";
import { vocabularyEntries } from "./vocabulary";

/**
 * Reads a folder's descriptions and the headers of its files, which stay open, in `files`, for the
 * caller to close. Throws NOT_A_CHECKPOINT, and what the descriptions' readers throw;
 * MISSING_TENSOR, UNKNOWN_TENSOR or WRONG_SHAPE.
 */
export async function readCheckpoint(folder: Folder, files: ReadableFile[]): Promise<Model> {
  const config = await readJson(folder, "config.json");
  if (!config) {
    throw new NibbleError("NOT_A_CHECKPOINT", `${folder.name} is neither a GGUF file nor a Hugging `
      + "Face checkpoint: there is no config.json in it.");
  }
  const shape = shapeOf(config);
  const name = folder.name.replace(/[\\/]+$/, "").replace(/^.*[\\/]/, "");
  const stored = await readTensors(folder, files);
  const places = placesOf(shape);
  const tensors = places.map((place) => placed(place, stored.get(place.from), folder));
  const known = new Set(places.map(({ from }) => from));
  for (const { name: other, file } of stored.values()) {
    if (known.has(other) || isIgnored(other, shape)) continue;
    throw new NibbleError("UNKNOWN_TENSOR", `Tensor "${other}" in ${file.name} has no place in `
      + "this architecture; converting without it would give wrong text.");
  }
  if (shape.headSize % 2 !== 0) throw badCheckpoint("config.json", "its heads have an odd size");
  const entries = [
    ...shapeEntries(config, shape, name || "model"),
    ...await vocabularyEntries(folder, config, shape.vocabulary),
  ];
  return { entries, tensors };
}

function placed(
  place: Place, tensor: StoredTensor | undefined, folder: Folder,
): SourceTensor {
  const { from, to, rows, columns, isVector, laced } = place;
  if (!tensor) {
    throw new NibbleError("MISSING_TENSOR", `${folder.name} has no tensor "${from}".`);
  }
  const expected = isVector ? [columns] : [rows, columns];
  if (tensor.shape.join() !== expected.join()) {
    throw new NibbleError("WRONG_SHAPE", `Tensor "${from}" in ${tensor.file.name} is `
      + `${tensor.shape.join(" x ")}; config.json makes it ${expected.join(" x ")}.`);
  }
  const { type, file, position, bytes } = tensor;
  return { name: to, label: from, dimensions: isVector ? 1 : 2, rows, columns, type, file, position,
    bytes, laced };
}
