// Nibble on Deno: files by path; the engine and the embedded model from beside this file, which may
// lie on a disk or on a web server.

import process from "node:process";
import { setImmediate } from "node:timers";
import { fileOf, type BuildFile } from "../builds";
import type { Model, Platform } from "../model";
import { loadModel } from "../open";
import type { LoadOptions } from "../options";
import { openSource, type Source, type SourceInput } from "../source";
import { addressOf } from "./addresses";
import { compileFetched } from "./fetched";
import { openBeside, openPath } from "./files";
import { onceEach } from "./once";
import { threads } from "./threads";

const compiled = onceEach((file: BuildFile) => compileFetched(addressOf(file)));

const platform: Platform = {
  compile: (build) => compiled(fileOf(build)),
  simd: simdVariable,
  threads,
  yieldNow: () => new Promise((resolve) => setImmediate(resolve)),
  openPath,
  openEmbedded,
};

/** NIBBLE_SIMD, where the program may read it: without permission there is none. */
function simdVariable(): string | undefined {
  try {
    return process.env["NIBBLE_SIMD"];
  } catch {
    return undefined;
  }
}

async function openEmbedded(signal?: AbortSignal): Promise<Source | undefined> {
  const address = new URL("./bytepool-10m.gguf", import.meta.url);
  return address.protocol === "file:" ? openBeside(address) : openSource(address, { signal });
}

/** Loads a model from a path, URL, Response, stream or bytes; the embedded one from nothing. */
export function load(input?: SourceInput, options: LoadOptions = {}): Promise<Model> {
  return loadModel(platform, input, options);
}

export * from "../index";
