// From what a caller names to a loaded model: its source, the build of the engine that runs here,
// the weights, and threads where they can be had. Knows nothing of platforms, nor of what a model
// does.

import { startEngine } from "./builds";
import { NibbleError } from "./errors";
import { loadInto } from "./load";
import { Model, type Platform } from "./model";
import { checkLoadOptions, type LoadOptions } from "./options";
import { openInput } from "./shards";
import type { Source, SourceInput } from "./source";
import { startShared, threadsFor } from "./threads";

/**
 * Loads a model, the embedded one when none is given. Throws NibbleError: the source's failures,
 * the file's, MODEL_REQUIRED or BAD_OPTION; or the signal's reason.
 */
export async function loadModel(
  platform: Platform, input: SourceInput | undefined, options: LoadOptions = {},
): Promise<Model> {
  checkLoadOptions(options);
  options.signal?.throwIfAborted();
  const { fetch, signal } = options;
  const source = input === undefined ? await openEmbedded(platform, signal)
    : await openInput(input, { openPath: platform.openPath, fetch, signal });
  const reader = await startEngine(platform, options.simd).catch(async (cause: unknown) => {
    await source.close();
    if (cause instanceof NibbleError) throw cause;
    throw new NibbleError("ENGINE_MISSING",
      `The engine could not be started: ${String(cause)}.`, { cause });
  });
  const engine = await loadInto(reader, source, options, async (plan, limit) => {
    const host = platform.threads;
    const threads = threadsFor(host, options.threads, reader.fact("parameters"));
    if (threads === 1 || !host) return undefined;
    const starting = startShared(host, platform, reader, plan, threads, limit, signal);
    if (options.threads !== undefined) return starting;
    // Nobody has asked for threads: without them it may do.
    const doWithout = (error: unknown): undefined => {
      signal?.throwIfAborted();
      host.warn(`The model runs on one thread: ${String(error)}`);
    };
    const shared = await starting.catch(doWithout);
    return shared && { ...shared, started: shared.started.catch((error: unknown) => {
      doWithout(error);
      shared.engine.end();
    }) };
  });
  return new Model(engine, platform, options.queue);
}

async function openEmbedded(platform: Platform, signal?: AbortSignal): Promise<Source> {
  const source = await platform.openEmbedded?.(signal);
  if (source) return source;
  throw new NibbleError("MODEL_REQUIRED", "No model was given and this build has none embedded; "
    + "name a GGUF file by its path or URL, or pass its bytes.");
}
