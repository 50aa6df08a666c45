// Nibble in browsers: the engine and the embedded model are fetched from beside this file.

import { loadModel, type Model, type Platform } from "../model";
import type { LoadOptions } from "../options";
import { openSource, type SourceInput } from "../source";
import { compileFetched } from "./fetched";
import { once } from "./once";

const platform: Platform = {
  // Written out as bundlers look for it, so that they copy the files and change the addresses.
  compile: once(() => compileFetched(new URL("./nibble.wasm", import.meta.url))),
  yieldNow,
  openEmbedded: (signal) =>
    openSource(new URL("./bytepool-10m.gguf", import.meta.url), { signal }),
};

/** A turn for the page. A message comes at once; a timer after 4 ms, or 1 s in a hidden page. */
function yieldNow(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}

/** Loads a model from a URL, Response, Blob, stream or bytes; the embedded one from nothing. */
export function load(input?: SourceInput, options: LoadOptions = {}): Promise<Model> {
  return loadModel(platform, input, options);
}

export * from "../index";
