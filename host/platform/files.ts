// Models in files, by Node's modules, which Deno and Bun have too. Does not know what is in them.

import { open, type FileHandle } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { NibbleError } from "../errors";
import { printable, type Source } from "../source";

/** The model that the build puts beside the code, if it has one. */
export async function openBeside(address: URL): Promise<Source | undefined> {
  try {
    return await openPath(fileURLToPath(address));
  } catch (error) {
    if (error instanceof NibbleError && error.code === "FILE_NOT_FOUND") return undefined;
    throw error;
  }
}

/** Throws FILE_NOT_FOUND, IS_DIRECTORY, FILE_UNREADABLE or BAD_SOURCE. */
export async function openPath(path: string): Promise<Source> {
  if (path === "") throw new NibbleError("BAD_SOURCE", "The path of the model is empty.");
  const name = printable(path);
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    const status = await file.stat();
    if (status.isDirectory()) {
      throw new NibbleError("IS_DIRECTORY", `${name} is a directory; a GGUF file was expected.`);
    }
    return fileSource(file, name, status.isFile() ? status.size : undefined);
  } catch (cause) {
    await file?.close();
    throw cause instanceof NibbleError ? cause : pathError(name, cause);
  }
}

function pathError(name: string, cause: unknown): NibbleError {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new NibbleError("FILE_NOT_FOUND", `${name} does not exist; check the path.`, { cause });
  }
  return new NibbleError("FILE_UNREADABLE",
    `${name} cannot be read (${code ?? String(cause)}).`, { cause });
}

function fileSource(file: FileHandle, name: string, size: number | undefined): Source {
  return {
    name,
    // A size of 0 may be a special file that has content all the same.
    ...(size ? { size } : {}),
    takesShared: true,
    async read(target) {
      try {
        return (await file.read(target, 0, target.length, null)).bytesRead;
      } catch (cause) {
        throw pathError(name, cause);
      }
    },
    async close() {
      const closed = file.close();
      // Closing waits for a read, and that of a pipe may never end.
      if (size !== undefined) return closed;
      closed.catch(() => undefined);
    },
  };
}
