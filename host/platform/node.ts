// Nibble on Node: files by path, the engine from the file beside this one.

import { open, readFile, type FileHandle } from "node:fs/promises";
import { NibbleError } from "../errors";
import { loadModel, type Model, type Platform } from "../model";
import type { LoadOptions } from "../options";
import type { Source, SourceInput } from "../source";

let compiled: Promise<WebAssembly.Module> | undefined;

const platform: Platform = {
  compile() {
    compiled ??= readFile(new URL("./nibble.wasm", import.meta.url)).then(WebAssembly.compile);
    return compiled;
  },
  yieldNow: () => new Promise((resolve) => setImmediate(resolve)),
  openPath,
};

/** Loads a model from a path, URL, Response, stream or bytes. */
export function load(input: SourceInput, options: LoadOptions = {}): Promise<Model> {
  return loadModel(platform, input, options);
}

async function openPath(path: string): Promise<Source> {
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    const status = await file.stat();
    if (status.isDirectory()) {
      throw new NibbleError("IS_DIRECTORY", `${path} is a directory; a GGUF file was expected.`);
    }
    return fileSource(file, path, status.isFile() ? status.size : undefined);
  } catch (cause) {
    await file?.close();
    throw cause instanceof NibbleError ? cause : pathError(path, cause);
  }
}

function pathError(path: string, cause: unknown): NibbleError {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new NibbleError("FILE_NOT_FOUND", `${path} does not exist; check the path.`, { cause });
  }
  return new NibbleError("FILE_UNREADABLE",
    `${path} cannot be read (${code ?? String(cause)}).`, { cause });
}

function fileSource(file: FileHandle, path: string, size: number | undefined): Source {
  return {
    name: path,
    // A size of 0 may be a special file that has content all the same.
    ...(size ? { size } : {}),
    async read(target) {
      try {
        return (await file.read(target, 0, target.length, null)).bytesRead;
      } catch (cause) {
        throw pathError(path, cause);
      }
    },
    close: () => file.close(),
  };
}

export * from "../index";
