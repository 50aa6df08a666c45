// Nibble on Node: files by path; the engine and the embedded model from files beside this one.

import { readFile } from "node:fs/promises";
import { fileOf, type BuildFile } from "../builds";
import type { Model, Platform } from "../model";
import { loadModel } from "../open";
import type { LoadOptions } from "../options";
import type { SourceInput } from "../source";
import { addressOf } from "./addresses";
import { openBeside, openPath } from "./files";
import { onceEach } from "./once";
import { threads } from "./threads";

const compiled = onceEach(async (file: BuildFile) =>
  WebAssembly.compile(await readFile(addressOf(file))));

const platform: Platform = {
  compile: (build) => compiled(fileOf(build)),
  simd: () => process.env["NIBBLE_SIMD"],
  threads,
  yieldNow: () => new Promise((resolve) => setImmediate(resolve)),
  openPath,
  openEmbedded: () => openBeside(new URL("./bytepool-10m.gguf", import.meta.url)),
};

/** Loads a model from a path, URL, Response, stream or bytes; the embedded one from nothing. */
export function load(input?: SourceInput, options: LoadOptions = {}): Promise<Model> {
  return loadModel(platform, input, options);
}

export * from "../index";
