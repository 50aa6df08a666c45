// Threads by Node's worker_threads, which Deno and Bun have too. Does not know what they do.

import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { ThreadHost } from "../threads";

/**
 * What a thread runs. As a text it needs no file that a bundler would have to find. In a block,
 * because `module` and `exports` are taken at the top of such a text on Deno and Bun.
 */
const PROGRAM = `{
  const { parentPort, workerData } = require("node:worker_threads");
  const { module, memory, thread } = workerData;
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  parentPort.postMessage("ready");
  exports.serve(thread);
}`;

export const threads: ThreadHost = {
  processors: availableParallelism,
  refusal: () => undefined,
  start: (module, memory, thread) => new Promise((resolve, reject) => {
    // Without the flags of this process: one of them may be what turns a text into a module.
    const worker = new Worker(PROGRAM,
      { eval: true, execArgv: [], workerData: { module, memory, thread } });
    worker.once("error", reject);
    worker.once("exit", (code) => reject(new Error(`it has ended with ${code}`)));
    worker.once("message", () => {
      worker.unref();
      resolve();
    });
  }),
  warn: (sentence) => console.warn(`nibble: ${sentence}`),
};
