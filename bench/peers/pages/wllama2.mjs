// wllama 2, the last that takes tokens: llama.cpp as WebAssembly. Does not know: what is timed.

import { Wllama } from "/bench/peers/node_modules/wllama2/esm/index.js";
import { writeBySteps } from "../measure.mjs";

const FOLDER = "/bench/peers/node_modules/wllama2/esm";

export async function open({ model, context, threads }) {
  const wllama = new Wllama({
    "single-thread/wllama.wasm": `${FOLDER}/single-thread/wllama.wasm`,
    "multi-thread/wllama.wasm": `${FOLDER}/multi-thread/wllama.wasm`,
  }, { suppressNativeLog: true });
  const file = await (await fetch(model)).blob();
  await wllama.loadModel([file], { n_ctx: context, n_batch: 512, n_threads: threads });
  await wllama.samplingInit({ temp: 0 });
  const read = async (tokens) => {
    await wllama.decode(tokens, {});
    return (await wllama.samplingSample()).token;
  };
  return {
    async prompt(tokens) {
      await wllama.kvClear();
      await read(tokens);
    },
    async write(tokens, count, limitMs) {
      await wllama.kvClear();
      return writeBySteps(await read(tokens), (token) => read([token]), count, limitMs);
    },
    notes: () => ({ isMultithread: wllama.isMultithread() }),
  };
}
