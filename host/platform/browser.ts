// Nibble in browsers: the engine and the embedded model are fetched from beside this file.

import { fileOf, type BuildFile } from "../builds";
import { NibbleError } from "../errors";
import { forgetKept, keepingFetch } from "../kept";
import type { Model, Platform } from "../model";
import { loadModel } from "../open";
import type { LoadOptions } from "../options";
import { loadRemote, type RemoteModel } from "../remote";
import type { SourceInput } from "../source";
import { addressOf } from "./addresses";
import { compileFetched } from "./fetched";
import { yieldNow } from "./message";
import { onceEach } from "./once";
import { threads } from "./webthreads";

// Written out as bundlers look for it, so that they copy the file and change the address.
const EMBEDDED = new URL("./bytepool-10m.gguf", import.meta.url);

const compiled = onceEach((file: BuildFile) => compileFetched(addressOf(file)));

const platform: Platform = {
  compile: (build) => compiled(fileOf(build)),
  threads,
  yieldNow,
};

/**
 * Loads a model from a URL, Response, Blob, stream or bytes; the embedded one from nothing. What is
 * fetched is kept in Cache Storage unless `keep` is false.
 */
export async function load(input?: SourceInput, options: LoadOptions = {}): Promise<Model> {
  const store = options.keep !== false && "caches" in globalThis
    ? await caches.open("nibble-models").catch(() => undefined) : undefined;
  const source = absolute(input) ?? EMBEDDED;
  if (!store) return loadModel(platform, source, options);
  const keeping = keepingFetch(store, options.fetch ?? globalThis.fetch.bind(globalThis),
    (sentence) => console.warn(`nibble: ${sentence}`));
  const asked = new Set<string>();
  const fetch: typeof keeping = (address, init) => {
    asked.add(address);
    return keeping(address, init);
  };
  try {
    return await loadModel(platform, source, { ...options, fetch });
  } catch (error) {
    // What was kept may be what is wrong; what is only interrupted goes on the next time.
    const isWhole = error instanceof NibbleError && error.code !== "FETCH_FAILED";
    if (isWhole) for (const address of asked) await forgetKept(store, address);
    throw error;
  }
}

/**
 * The same in a Web Worker of its own, so that the page never freezes. Everything that the model
 * does becomes a promise; of sources, URLs, Blobs and bytes can be sent there. Throws WORKER_FAILED
 * when the worker cannot be started.
 */
export function loadInWorker(
  input?: SourceInput, options: LoadOptions = {},
): Promise<RemoteModel> {
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  return loadRemote(worker, absolute(input), options, {
    onFailure: (fail) => worker.addEventListener("error", (event) => {
      event.preventDefault();
      fail(new NibbleError("WORKER_FAILED", `The worker has failed (${event.message ?? "it could "
        + "not be fetched"}); worker.js must lie beside the script that loads it.`));
    }),
    end: () => worker.terminate(),
  });
}

/** Addresses, as they read from this page. */
function absolute(input: SourceInput | undefined): SourceInput | undefined {
  const base = globalThis.location?.href; // runtimes that are no browser may have none
  return typeof input === "string" && URL.canParse(input, base) ? new URL(input, base) : input;
}

export * from "../index";
