// Nibble on Deno: files by path; the engine and the embedded model from beside this file, which may
// lie on a disk or on a web server.

import { setImmediate } from "node:timers";
import { loadModel, type Model, type Platform } from "../model";
import type { LoadOptions } from "../options";
import { openSource, type Source, type SourceInput } from "../source";
import { compileFetched } from "./fetched";
import { openBeside, openPath } from "./files";
import { once } from "./once";

const platform: Platform = {
  compile: once(() => compileFetched(new URL("./nibble.wasm", import.meta.url))),
  yieldNow: () => new Promise((resolve) => setImmediate(resolve)),
  openPath,
  openEmbedded,
};

async function openEmbedded(signal?: AbortSignal): Promise<Source | undefined> {
  const address = new URL("./bytepool-10m.gguf", import.meta.url);
  return address.protocol === "file:" ? openBeside(address) : openSource(address, { signal });
}

/** Loads a model from a path, URL, Response, stream or bytes; the embedded one from nothing. */
export function load(input?: SourceInput, options: LoadOptions = {}): Promise<Model> {
  return loadModel(platform, input, options);
}

export * from "../index";
