// wllama 3: llama.cpp's server as WebAssembly. It takes and gives text only, so reading and writing
// are what its own timings say. Does not know: what is timed.

import { Wllama } from "/bench/peers/node_modules/@wllama/wllama/esm/index.js";

const END = 2;

export async function open({ model, context, threads, firstByteToken }) {
  const wllama = new Wllama({
    default: "/bench/peers/node_modules/@wllama/wllama/esm/wasm/wllama.wasm",
  }, { suppressNativeLog: true });
  const file = await (await fetch(model)).blob();
  await wllama.loadModel([file], {
    n_ctx: context, n_batch: 512, n_threads: threads, n_gpu_layers: 0, n_parallel: 1,
    warmup: false, log_level: 3,
  });
  const complete = async (tokens, count) => {
    const result = await wllama.createCompletion({
      prompt: String.fromCharCode(...tokens.map((token) => token - firstByteToken)),
      max_tokens: count, temperature: 0, cache_prompt: false, ignore_eos: true,
      logit_bias: { [END]: -100 },
    });
    const { timings } = result;
    if (timings.prompt_n !== tokens.length) {
      throw new Error(`wllama read ${timings.prompt_n} tokens of ${tokens.length}`);
    }
    return { ...timings, text: result.choices[0].text };
  };
  return {
    async prompt(tokens) {
      return { ms: (await complete(tokens, 1)).prompt_ms };
    },
    // It cannot be stopped by the clock without losing its timings; the whole run has a limit.
    async write(tokens, count) {
      const { predicted_n: number, predicted_ms: ms, text } = await complete(tokens, count);
      // The vocabulary's fillers say their own ids.
      const written = Array.from({ length: number });
      return { tokens: written.fill(Number(/^~#(\d+)#~/.exec(text)?.[1] ?? NaN), 0, 1), ms };
    },
    notes: () => ({ isMultithread: wllama.isMultithread() }),
  };
}
