// What a conversion needs of a file system: files that are read at any place, and the folder that
// they lie in. Knows nothing of what is in them; cli/disk.ts has the real ones.

import { NibbleError } from "../errors";

/** A file that can be read anywhere. */
export interface ReadableFile {
  /** For messages. */
  readonly name: string;
  readonly size: number;
  /** Fills `target` with the bytes from `position` on; throws when there are too few. */
  read(target: Uint8Array, position: number): Promise<void>;
  close(): Promise<void>;
}

/** A folder of files. */
export interface Folder {
  readonly name: string;
  /** A file in it; undefined when there is none of this name. */
  open(file: string): Promise<ReadableFile | undefined>;
}

/** Texts of checkpoints; the largest real tokenizer.json has 34 MB. */
const TEXT_BYTES_MAX = 128e6;

/** All of a file in a folder; undefined when there is none. Throws FILE_TOO_LARGE. */
export async function readBytes(folder: Folder, name: string): Promise<Uint8Array | undefined> {
  const file = await folder.open(name);
  if (!file) return undefined;
  try {
    if (file.size > TEXT_BYTES_MAX) {
      throw new NibbleError("FILE_TOO_LARGE", `${file.name} is larger than `
        + `${TEXT_BYTES_MAX / 1e6} MB, the most that is read of a checkpoint's descriptions.`);
    }
    const bytes = new Uint8Array(file.size);
    await file.read(bytes, 0);
    return bytes;
  } finally {
    await file.close();
  }
}

/** The text of a file in a folder; undefined when there is none. */
export async function readText(folder: Folder, name: string): Promise<string | undefined> {
  const bytes = await readBytes(folder, name);
  return bytes && new TextDecoder().decode(bytes);
}

/** An object out of JSON. */
export type Json = Record<string, unknown>;

/** The object in a JSON file; undefined when there is no such file. Throws BAD_CHECKPOINT. */
export async function readJson(folder: Folder, name: string): Promise<Json | undefined> {
  const text = await readText(folder, name);
  return text === undefined ? undefined : parseJson(text, name);
}

/** The object that a text spells. Throws BAD_CHECKPOINT. */
export function parseJson(text: string, name: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw badCheckpoint(name, "it is not JSON; download it again", cause);
  }
  if (isObject(value)) return value;
  throw badCheckpoint(name, "it is not a JSON object");
}

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A description that cannot be used. */
export function badCheckpoint(name: string, what: string, cause?: unknown): NibbleError {
  return new NibbleError("BAD_CHECKPOINT", `${name} cannot be used: ${what}.`, { cause });
}
