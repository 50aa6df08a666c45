// Hugging Face's safetensors files: where each tensor lies, in one file or in several with an
// index. Knows nothing of what the tensors are for.
//
//   |u64 length|JSON: {"NAME": {"dtype": "F16", "shape": [rows, columns], "data_offsets": [from,
//   to]}, "__metadata__": {}}|data ...; offsets count from behind the JSON

import { NibbleError } from "../errors";
import { badCheckpoint, isObject, parseJson, readJson, type Folder, type ReadableFile,
} from "./files";
import { TYPE } from "./tools";

/** The limit of the format's own reader. */
const HEADER_BYTES_MAX = 100e6;
const SHARDS_MAX = 1024;
const DTYPES: Record<string, { type: number; bytes: number }> = {
  F32: { type: TYPE.F32, bytes: 4 }, F16: { type: TYPE.F16, bytes: 2 },
  BF16: { type: TYPE.BF16, bytes: 2 },
};

/** A tensor of a checkpoint. */
export interface StoredTensor {
  name: string;
  shape: number[];
  /** ggml's number of its type. */
  type: number;
  file: ReadableFile;
  position: number;
  bytes: number;
}

const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";

/**
 * All tensors of a checkpoint; the files stay open, in `files`, for the caller to close. Throws
 * BAD_CHECKPOINT, MISSING_SHARD, MISSING_TENSOR.
 */
export async function readTensors(
  folder: Folder, files: ReadableFile[],
): Promise<Map<string, StoredTensor>> {
  const index = await readJson(folder, INDEX);
  const tensors = new Map<string, StoredTensor>();
  if (!index) {
    const file = await folder.open(SINGLE);
    if (!file) throw await nothingToRead(folder);
    files.push(file);
    for (const tensor of await readHeader(file)) tensors.set(tensor.name, tensor);
    return tensors;
  }
  for (const [shard, names] of shardsOf(index)) {
    const file = await folder.open(shard);
    if (!file) {
      throw new NibbleError("MISSING_SHARD", `${folder.name} has no ${shard}, which ${INDEX} `
        + "names; download it, too.");
    }
    files.push(file);
    const own = new Map((await readHeader(file)).map((tensor) => [tensor.name, tensor]));
    for (const name of names) {
      const tensor = own.get(name);
      if (!tensor) {
        throw new NibbleError("MISSING_TENSOR",
          `${file.name} has no tensor "${name}", which ${INDEX} says is in it.`);
      }
      tensors.set(name, tensor);
    }
  }
  return tensors;
}

async function nothingToRead(folder: Folder): Promise<NibbleError> {
  const pickle = await folder.open("pytorch_model.bin");
  await pickle?.close();
  const what = pickle ? "only pytorch_model.bin, which is a program as much as data; save the "
    + "model as safetensors first (save_pretrained of transformers does)"
    : `no ${SINGLE} and no ${INDEX}`;
  return new NibbleError("MISSING_SHARD", `${folder.name} has ${what}.`);
}

/** Names of tensors by the file that they are in. */
function shardsOf(index: Record<string, unknown>): Map<string, string[]> {
  const map = index["weight_map"];
  if (!isObject(map)) throw badCheckpoint(INDEX, "it has no weight_map");
  const shards = new Map<string, string[]>();
  for (const [name, file] of Object.entries(map)) {
    if (typeof file !== "string" || !/^\w[\w.-]*$/.test(file)) {
      throw badCheckpoint(INDEX, `the file of "${name}" is no plain name in the same folder`);
    }
    const names = shards.get(file);
    if (names) names.push(name);
    else shards.set(file, [name]);
  }
  if (shards.size <= SHARDS_MAX) return shards;
  throw badCheckpoint(INDEX, `it names ${shards.size} files; at most ${SHARDS_MAX} are read`);
}

async function readHeader(file: ReadableFile): Promise<StoredTensor[]> {
  if (file.size < 8) throw badCheckpoint(file.name, "it is too short; download it again");
  const first = new Uint8Array(8);
  await file.read(first, 0);
  const length = Number(new DataView(first.buffer).getBigUint64(0, true));
  if (length > HEADER_BYTES_MAX || length > file.size - 8) {
    throw badCheckpoint(file.name, `its header claims ${length} bytes; it is no safetensors file, `
      + "or only a part of one (or a Git LFS pointer); download it again");
  }
  const bytes = new Uint8Array(length);
  await file.read(bytes, 8);
  const header = parseJson(new TextDecoder().decode(bytes), `The header of ${file.name}`);
  return Object.entries(header).filter(([name]) => name !== "__metadata__")
    .map(([name, value]) => tensorOf(name, value, file, 8 + length));
}

function tensorOf(
  name: string, value: unknown, file: ReadableFile, start: number,
): StoredTensor {
  const wrong = (what: string): NibbleError => badCheckpoint(file.name, `"${name}" ${what}`);
  const { dtype, shape, data_offsets: offsets } = isObject(value) ? value : {};
  const layout = typeof dtype === "string" && Object.hasOwn(DTYPES, dtype)
    ? DTYPES[dtype] : undefined;
  if (!layout) throw wrong(`has type ${String(dtype)}; F32, F16 and BF16 are read`);
  if (!isSizes(shape)) throw wrong("has no usable shape");
  if (!isSizes(offsets) || offsets.length !== 2) throw wrong("has no usable place");
  const [from, to] = offsets as [number, number];
  const bytes = shape.reduce((product, size) => product * size, layout.bytes);
  if (to - from !== bytes) throw wrong(`has ${to - from} bytes; its shape needs ${bytes}`);
  if (start + to > file.size) {
    throw wrong(`ends at byte ${start + to}, but the file has only ${file.size}; download it `
      + "again");
  }
  return { name, shape, type: layout.type, file, position: start + from, bytes };
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= 8
    && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
