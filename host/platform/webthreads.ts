// Threads by Web Workers, for a model that lives in a worker itself. Does not know what they do.

import type { ThreadHost } from "../threads";

export const threads: ThreadHost = {
  processors: () => globalThis.navigator?.hardwareConcurrency ?? 1,
  refusal() {
    if (!globalThis.crossOriginIsolated) {
      return "this page is not cross-origin isolated, so memory cannot be shared; send the headers "
        + "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp";
    }
    // Threads are waited for, and a page must not wait.
    if ("document" in globalThis) return "the model lives in the page; use loadInWorker";
    return undefined;
  },
  start: (module, memory, thread) => new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./thread.js", import.meta.url), { type: "module" });
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      worker.terminate();
      reject(new Error(event.message ?? "thread.js must lie beside the script that loads it"));
    });
    worker.addEventListener("message", () => resolve());
    worker.postMessage({ module, memory, thread });
  }),
  warn: (sentence) => console.warn(`nibble: ${sentence}`),
};
