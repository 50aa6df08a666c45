// Threads by Node's worker_threads, which Deno and Bun have too. Does not know what they do.

import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { ThreadHost } from "../threads";

/** What a thread runs. As a text it needs no file that a bundler would have to find. */
const PROGRAM = `const { parentPort, workerData } = require("node:worker_threads");
const { module, memory, thread } = workerData;
const { exports } = new WebAssembly.Instance(module, { env: { memory } });
parentPort.postMessage("ready");
exports.serve(thread);`;

export const threads: ThreadHost = {
  processors: availableParallelism,
  refusal: () => undefined,
  start: (module, memory, thread) => new Promise((resolve, reject) => {
    const worker = new Worker(PROGRAM, { eval: true, workerData: { module, memory, thread } });
    worker.once("error", reject);
    worker.once("message", () => {
      worker.unref();
      resolve();
    });
  }),
  warn: (sentence) => console.warn(`nibble: ${sentence}`),
};
