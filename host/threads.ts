// Several threads on one engine's memory: how many, the memory, and their start. What they do is
// the engine's business (assembly/threads.ts). Knows nothing of how a platform makes a thread.

import type { Engines } from "./builds";
import { Engine, PLAN } from "./engine";
import { NibbleError } from "./errors";
import { unlessAborted } from "./waiting";

/** What a platform brings for threads. */
export interface ThreadHost {
  /** Processors that may be used. */
  processors(): number;
  /** Why memory cannot be shared here and now, as the end of a sentence; undefined when it can. */
  refusal(): string | undefined;
  /**
   * Starts a thread that instantiates the module on the memory and calls `serve(thread)`; resolves
   * when it is about to. It must not keep the program from ending.
   */
  start(module: WebAssembly.Module, memory: WebAssembly.Memory, thread: number): Promise<void>;
  warn(sentence: string): void;
}

/** Arguments of `plan`, but for the threads and the limit. */
export type Plan = readonly [
  positions: number, sessions: number, weights: number, cache: number,
];

/** An engine on shared memory, whose other threads are about to start. */
export interface Shared {
  readonly engine: Engine;
  /** Until they have. A model may be read meanwhile: what their start writes never changes. */
  readonly started: Promise<void>;
}

export const THREADS_MAX = 16;
const THREADS_DEFAULT_MAX = 4;
/** Smaller models are read from a cache, and starting threads takes longer than they gain. */
const PARAMETERS_MIN = 50_000_000;
const PAGE = 65536;

/** What `load` did in the way of threads, to be said once. */
const warned = new Set<string>();

/**
 * How many threads a model gets. One processor is left to whoever else is there; a model that is
 * too small stays with one; and so does every model where memory cannot be shared, with a warning.
 */
export function threadsFor(
  host: ThreadHost | undefined, asked: number | undefined, parameters: number,
): number {
  if (asked === 1 || (asked === undefined && parameters < PARAMETERS_MIN)) return 1;
  if (!host) {
    if (asked === undefined) return 1;
    throw new NibbleError("BAD_OPTION", `Option threads is ${asked}, but this runtime has no `
      + "threads; leave it out.");
  }
  const count = asked ?? Math.max(1, Math.min(THREADS_DEFAULT_MAX, host.processors() - 1));
  const refusal = count > 1 ? host.refusal() : undefined;
  if (refusal === undefined) return count;
  const sentence = `The model runs on one thread instead of ${count}: ${refusal}.`;
  if (!warned.has(sentence)) host.warn(sentence);
  warned.add(sentence);
  return 1;
}

/**
 * An engine on a memory of just the size that the plan takes, and the threads that share it.
 *   measurer   an engine that has read the model's header
 * Throws the engine's failures and ENGINE_MISSING; the start, WORKER_FAILED or the signal's reason.
 */
export async function startShared(
  host: ThreadHost, engines: Engines, measurer: Engine, plan: Plan, threads: number,
  limit: bigint, signal: AbortSignal | undefined,
): Promise<Shared> {
  // One page more, since the statics of the two builds are not quite as large as one another.
  const within = limit > PAGE ? limit - BigInt(PAGE) : limit;
  measurer.call((e) => e.measure(...plan, threads, within));
  const pages = Math.ceil(Number(measurer.exports.planBytes(PLAN.total)) / PAGE) + 1;
  const { simd } = measurer;
  const module = await engines.compile({ simd, threads: true });
  if (!module) throw new NibbleError("ENGINE_MISSING", "The build with threads is missing.");
  const memory = sharedMemory(pages);
  const engine = await Engine.start(module, simd, { memory, threads });
  if (engine.exports.knownAnswer() !== 1) throw failureOf(new Error("it computes wrongly"));
  const starts = (): Promise<unknown> => Promise.all(Array.from({ length: threads - 1 },
    (_, i) => host.start(module, memory, i + 1)));
  const started = unlessAborted(starts, signal).then(() => undefined, (cause: unknown) => {
    signal?.throwIfAborted();
    throw failureOf(cause);
  });
  return { engine, started };
}

function failureOf(cause: unknown): NibbleError {
  return new NibbleError("WORKER_FAILED", `A thread could not be started (${String(cause)}); `
    + "load with threads: 1.", { cause });
}

/** Throws OUT_OF_MEMORY. */
function sharedMemory(pages: number): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (cause) {
    throw new NibbleError("OUT_OF_MEMORY",
      `There is no room for the ${pages * PAGE} bytes that the model takes.`, { cause });
  }
}
