// A program of a project with threads: the model lives in a worker, and the page is cross-origin
// isolated.

import { loadInWorker } from "nibble-lm";

async function story() {
  const model = await loadInWorker(undefined, { threads: 2 });
  const { text } = await model.complete("Once upon a time", { seed: 7, maxTokens: 40 });
  await model.dispose();
  return `${model.info.threads} threads: ${text}`;
}

globalThis.story = story().catch((error) => `${error.code} ${error.message}`);
