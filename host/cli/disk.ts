// The disk as conversions use it: files that are read at any place, folders, and outputs that have
// their final name only once they are whole. Knows nothing of what is in them.

import { createHash, type Hash } from "node:crypto";
import { open, readFile, rename, rm, stat, statfs, type FileHandle } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { Folder, ReadableFile } from "../convert/files";
import type { Output } from "../convert/write";
import { NibbleError } from "../errors";
import { printable } from "../source";

/** A file for reading; undefined when there is none. Throws FILE_UNREADABLE or IS_DIRECTORY. */
export async function openFile(path: string): Promise<ReadableFile | undefined> {
  const name = printable(path);
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    const status = await file.stat();
    if (status.isFile()) return readable(file, name, status.size);
    await file.close();
  } catch (cause) {
    await file?.close();
    if (isMissing(cause)) return undefined;
    throw unreadable(name, cause);
  }
  throw new NibbleError("FILE_UNREADABLE", `${name} is not a file.`);
}

function isMissing(cause: unknown): boolean {
  const { code } = cause as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR";
}

function unreadable(name: string, cause: unknown): NibbleError {
  const { code } = cause as NodeJS.ErrnoException;
  return new NibbleError("FILE_UNREADABLE", `${name} cannot be read (${code ?? String(cause)}).`,
    { cause });
}

function readable(file: FileHandle, name: string, size: number): ReadableFile {
  return {
    name, size,
    async read(target, position) {
      for (let done = 0; done < target.length;) {
        const { bytesRead } = await file.read(target, done, target.length - done, position + done)
          .catch((cause: unknown) => {
            throw unreadable(name, cause);
          });
        if (bytesRead === 0) {
          throw new NibbleError("FILE_UNREADABLE", `${name} has become shorter while it was read.`);
        }
        done += bytesRead;
      }
    },
    close: () => file.close(),
  };
}

/** A folder, if the path is one. */
export async function openFolder(path: string): Promise<Folder | undefined> {
  const status = await stat(path).catch(() => undefined);
  if (!status?.isDirectory()) return undefined;
  return { name: printable(resolve(path)), open: (file) => openFile(join(path, file)) };
}

/** A file of an output. */
export interface Piece {
  size: number;
  sha256: string;
}

/** An output in files that get their names in the end. */
export interface DiskOutput extends Output {
  /** Each piece, in order; known when writing has ended. */
  pieces(): Piece[];
  /** Ends writing; what was written, for reading back. */
  finish(): Promise<ReadableFile>;
  /** Gives each piece its name, and writes the last words that go with them. */
  commit(names: readonly string[], last?: { name: string; text: string }): Promise<void>;
  /** Takes away whatever has no name yet. */
  discard(): Promise<void>;
}

/** What an output needs of a file; for tests. */
export type OpenForWriting = (path: string) => Promise<Pick<FileHandle, "write" | "sync"
  | "close">>;

const create: OpenForWriting = (path) => open(path, "wx");

/**
 * An output beside `path`, in pieces of at most `pieceBytes`, for `size` bytes in all. Throws
 * OUTPUT_FOLDER_MISSING, OUTPUT_UNWRITABLE or DISK_FULL.
 */
export async function createOutput(
  path: string, size: number, pieceBytes = Infinity, openForWriting = create,
): Promise<DiskOutput> {
  const folder = dirname(path);
  const name = printable(path);
  await checkFolder(folder, name, size);
  const temporary = (i: number): string =>
    join(folder, `.${basename(path)}.${process.pid}.${i}.part`);
  const pieces: { size: number; hash: Hash }[] = [];
  let current: Awaited<ReturnType<OpenForWriting>> | undefined;
  let written = 0;

  async function guarded<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (cause) {
      throw writeError(name, written, size, cause);
    }
  }

  async function closeCurrent(): Promise<void> {
    const file = current;
    current = undefined;
    if (!file) return;
    await guarded(file.sync().finally(() => file.close()));
  }

  async function put(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      if (!current) {
        current = await guarded(openForWriting(temporary(pieces.length)));
        pieces.push({ size: 0, hash: createHash("sha256") });
      }
      const piece = pieces.at(-1) as (typeof pieces)[number];
      const part = bytes.subarray(done, done + pieceBytes - piece.size);
      const { bytesWritten } = await guarded(current.write(part, 0, part.length, null));
      piece.hash.update(part.subarray(0, bytesWritten));
      piece.size += bytesWritten;
      done += bytesWritten;
      written += bytesWritten;
      if (piece.size === pieceBytes) await closeCurrent();
    }
  }

  return {
    name,
    write: put,
    pieces: () => pieces.map(({ size: bytes, hash }) => (
      { size: bytes, sha256: hash.copy().digest("hex") })),
    async finish() {
      await closeCurrent();
      return joined(name, pieces.map((piece) => piece.size), temporary);
    },
    async commit(names, last) {
      const text = last && join(folder, last.name);
      if (last && text) {
        const file = await guarded(openForWriting(temporary(pieces.length)));
        await guarded(file.write(new TextEncoder().encode(last.text)).finally(() => file.close()));
      }
      for (const [i, piece] of names.entries()) await rename(temporary(i), join(folder, piece));
      // The list comes last: where it is, everything is.
      if (text) await rename(temporary(pieces.length), text);
    },
    async discard() {
      await current?.close().catch(() => undefined);
      for (let i = 0; i <= pieces.length; i++) await rm(temporary(i), { force: true });
    },
  };
}

async function checkFolder(folder: string, name: string, size: number): Promise<void> {
  const status = await stat(folder).catch(() => undefined);
  if (!status?.isDirectory()) {
    throw new NibbleError("OUTPUT_FOLDER_MISSING",
      `${name} cannot be written: there is no folder ${printable(folder)}; create it first.`);
  }
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  // Some file systems do not tell; the disk will.
  if (free > 0 && free < size) {
    throw new NibbleError("DISK_FULL", `${name} needs ${size} bytes, but only ${free} are free `
      + "there; make room or choose another folder.");
  }
}

function writeError(name: string, written: number, size: number, cause: unknown): NibbleError {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG") {
    return new NibbleError("DISK_FULL", `The disk was full after ${written} of the ${size} bytes `
      + `of ${name}; make room or choose another folder.`, { cause });
  }
  return new NibbleError("OUTPUT_UNWRITABLE",
    `${name} cannot be written (${code ?? String(cause)}).`, { cause });
}

/** Pieces on disk as one file. */
async function joined(
  name: string, sizes: readonly number[], path: (i: number) => string,
): Promise<ReadableFile> {
  const files = await Promise.all(sizes.map((_, i) => open(path(i))));
  const parts = files.map((file, i) => readable(file, name, sizes[i] as number));
  return {
    name,
    size: sizes.reduce((sum, size) => sum + size, 0),
    async read(target, position) {
      let start = 0;
      for (const part of parts) {
        const from = Math.max(position, start);
        const to = Math.min(position + target.length, start + part.size);
        if (from < to) {
          await part.read(target.subarray(from - position, to - position), from - start);
        }
        start += part.size;
      }
    },
    async close() {
      await Promise.all(files.map((file) => file.close()));
    },
  };
}

/** Whether two paths lead to one file. */
export async function isSameFile(a: string, b: string): Promise<boolean> {
  if (resolve(a) === resolve(b)) return true;
  const [one, other] = await Promise.all([a, b].map((path) => stat(path).catch(() => undefined)));
  return one !== undefined && other !== undefined && one.ino === other.ino && one.dev === other.dev;
}

/** The compiled tools, which lie beside the command. */
export async function compileTools(): Promise<WebAssembly.Module> {
  return WebAssembly.compile(await readFile(new URL("./nibble-tools.wasm", import.meta.url)));
}
