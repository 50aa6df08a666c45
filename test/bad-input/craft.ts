// Takes good model files apart and puts them together wrong.
// Duty: small good models, edits of their parts, and patches of single bytes at named places.
// Does not know: what a loader says about the result.

import {
  ggmlType, randomModel, readGguf, writeGguf,
  type MetadataEntry, type MetadataType, type RandomModelShape, type TensorEntry,
} from "../reference";

const shape: RandomModelShape = {
  width: 64, layers: 1, heads: 4, kvHeads: 2, feedForward: 96, vocabulary: 258, context: 64,
  type: ggmlType.Q4_0, embeddingType: ggmlType.Q8_0, tied: true, seed: 11, tokenizer: "byte",
};

/** Good files, each of some 20 KB. */
export const goodByte = randomModel(shape);
export const goodSentencePiece = randomModel({
  ...shape, vocabulary: 300, tokenizer: "spm", tied: false, seed: 12,
});
export const goodFloat = randomModel({
  ...shape, type: ggmlType.F32, embeddingType: ggmlType.F32, seed: 13,
});
export const goodHalf = randomModel({
  ...shape, type: ggmlType.F16, embeddingType: ggmlType.BF16, seed: 14,
});

/** A file in parts that can be changed. */
export interface Parts {
  metadata: MetadataEntry[];
  tensors: TensorEntry[];
  version: number;
}

/** The parts of a file, changed, as a file again; offsets and counts stay right. */
export function changed(good: Uint8Array, change: (parts: Parts) => void): Uint8Array {
  const file = readGguf(good);
  const parts: Parts = {
    metadata: Array.from(file.metadataTypes, ([key, type]) => [key, type, file.metadata.get(key)]),
    tensors: Array.from(file.tensors.values(), ({ name, dims, type, bytes }) => (
      [name, dims, type, bytes.slice()])),
    version: file.version,
  };
  change(parts);
  return writeGguf(parts);
}

/** The file with one metadata value set, or added at the end. */
export function withKey(
  good: Uint8Array, key: string, type: MetadataType, value: unknown,
): Uint8Array {
  return changed(good, ({ metadata }) => {
    const entry: MetadataEntry = [key, type, value];
    const index = metadata.findIndex(([name]) => name === key);
    metadata.splice(index < 0 ? metadata.length : index, index < 0 ? 0 : 1, entry);
  });
}

/** The file without one metadata key. */
export function withoutKey(good: Uint8Array, key: string): Uint8Array {
  return changed(good, (parts) => {
    parts.metadata = parts.metadata.filter(([name]) => name !== key);
  });
}

/** The file with one tensor replaced by what `change` returns, or taken out for undefined. */
export function withTensor(
  good: Uint8Array, name: string, change: (tensor: TensorEntry) => TensorEntry | undefined,
): Uint8Array {
  return changed(good, (parts) => {
    parts.tensors = parts.tensors.flatMap((tensor) => {
      if (tensor[0] !== name) return [tensor];
      const other = change(tensor);
      return other ? [other] : [];
    });
  });
}

/** The file with bytes of one tensor's data changed. */
export function withData(
  good: Uint8Array, name: string, change: (data: DataView) => void,
): Uint8Array {
  return withTensor(good, name, (tensor) => {
    const [, , , bytes] = tensor;
    change(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    return tensor;
  });
}

/** A copy with bytes changed in place. */
export function patched(good: Uint8Array, change: (view: DataView) => void): Uint8Array {
  const copy = good.slice();
  change(new DataView(copy.buffer));
  return copy;
}

/** Where the bytes behind a key's or a tensor's name begin: its type, or its dimensions. */
export function behindName(file: Uint8Array, name: string): number {
  const wanted = Buffer.concat([lengthOf(name), Buffer.from(name)]);
  const at = Buffer.from(file.buffer, file.byteOffset, file.length).indexOf(wanted);
  if (at < 0) throw new Error(`the file has no name ${name}`);
  return at + wanted.length;
}

function lengthOf(name: string): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(Buffer.byteLength(name)));
  return bytes;
}

/** The places of one matrix's entry in the tensor directory. */
export interface DirectoryPlaces {
  nameLength: number;
  dimensions: number;
  columns: number;
  rows: number;
  type: number;
  offset: number;
}

/** A copy with a matrix's directory entry changed in place. */
export function withDirectory(
  good: Uint8Array, name: string, change: (view: DataView, places: DirectoryPlaces) => void,
): Uint8Array {
  const at = behindName(good, name);
  return patched(good, (view) => change(view, {
    nameLength: at - name.length - 8, dimensions: at, columns: at + 4, rows: at + 12,
    type: at + 20, offset: at + 24,
  }));
}

/** Header bytes by hand: "GGUF", a version, two counts, then what is given. */
export function rawHeader(
  version: number, tensors: bigint, entries: bigint, ...rest: (bigint | number | string)[]
): Uint8Array {
  const start = Buffer.alloc(24);
  start.write("GGUF");
  start.writeUInt32LE(version, 4);
  start.writeBigUInt64LE(tensors, 8);
  start.writeBigUInt64LE(entries, 16);
  return new Uint8Array(Buffer.concat([start, ...rest.map(rawPiece)]));
}

/** bigint: 64 bits, number: 32 bits, string: its bytes alone. */
function rawPiece(piece: bigint | number | string): Buffer {
  if (typeof piece === "string") return Buffer.from(piece);
  const bytes = Buffer.alloc(typeof piece === "bigint" ? 8 : 4);
  if (typeof piece === "bigint") bytes.writeBigUInt64LE(piece);
  else bytes.writeUInt32LE(piece);
  return bytes;
}
