// What a Web Worker runs that is one of an engine's threads (webthreads.ts): this file is it.

import type { EngineExports } from "../engine";

interface Start {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  thread: number;
}

globalThis.addEventListener("message", ({ data }: MessageEvent<Start>) => {
  const { exports } = new WebAssembly.Instance(data.module, { env: { memory: data.memory } });
  globalThis.postMessage("ready");
  (exports as unknown as EngineExports).serve(data.thread);
  globalThis.close();
});
