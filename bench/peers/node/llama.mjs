// llama.cpp as the native addon node-llama-cpp, without a graphics card, through its sequences.
// Does not know: what is timed.

import { getLlama, LlamaLogLevel } from "node-llama-cpp";
import { writeBySteps } from "../measure.mjs";

const GREEDY = { temperature: 0 };

export async function open({ model: modelPath, context: contextSize, threads }) {
  const llama = await getLlama({
    gpu: false, build: "never", skipDownload: true, progressLogs: false, maxThreads: threads,
    logLevel: LlamaLogLevel.error,
  });
  const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
  const context = await model.createContext({ contextSize, sequences: 1, threads, batchSize: 512 });
  const sequence = context.getSequence();
  /** Reads tokens and gives the one after them. */
  const read = async (tokens) => {
    const items = tokens.map((token, i) => (i < tokens.length - 1 ? token
      : [token, { generateNext: { token: true, options: GREEDY } }]));
    return (await sequence.controlledEvaluate(items)).at(-1).next.token;
  };
  return {
    async prompt(tokens) {
      await sequence.clearHistory();
      await read(tokens);
    },
    async write(tokens, count, limitMs) {
      await sequence.clearHistory();
      const first = await read(tokens);
      // As its users write: one generator that is pulled.
      const writer = sequence.evaluate([first], { ...GREEDY, yieldEogToken: true });
      return writeBySteps(first, async () => (await writer.next()).value, count, limitMs);
    },
  };
}
