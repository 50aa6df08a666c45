// A process of its own that compiles what means harm, with a heap that the caller bounds, and says
// for each what became of it and what it cost: how often the blocks of the compiler ran, as V8's
// coverage counts them, which is the same on every machine; and the memory outside of the heap.
// Knows nothing of what is allowed.

import { Session } from "node:inspector/promises";
import { NibbleError } from "../../host/errors";
import { Automaton } from "../../host/grammar/automaton";
import { HARM, type Harm } from "./harm";

export interface Cost {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly blocks: number;
  /** Bytes of typed arrays. */
  readonly arrays: number;
}

const session = new Session();
session.connect();
await session.post("Profiler.enable");
await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });

/** How often blocks ran since the last call. */
async function blocksSince(): Promise<number> {
  const { result } = await session.post("Profiler.takePreciseCoverage");
  return result.filter(({ url }) => url === import.meta.url)
    .flatMap(({ functions }) => functions.flatMap(({ ranges }) => ranges))
    .reduce((sum, { count }) => sum + count, 0);
}

function compiled({ read }: Harm, input: unknown): { code: string; message: string } {
  try {
    void new Automaton(read(input as never));
    return { code: "", message: "" };
  } catch (error) {
    if (error instanceof NibbleError) return { code: error.code, message: error.message };
    throw error;
  }
}

for (const [name, harm] of HARM) {
  const input = harm.make();
  await blocksSince();
  const arrays = process.memoryUsage().arrayBuffers;
  const { code, message } = compiled(harm, input);
  const cost: Cost = { name, code, message, blocks: await blocksSince(),
    arrays: process.memoryUsage().arrayBuffers - arrays };
  process.stdout.write(`${JSON.stringify(cost)}\n`);
}
session.disconnect();
