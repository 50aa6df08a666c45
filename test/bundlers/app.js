// The program of every project: what somebody would write after reading the README.

import { load } from "nibble-lm";

async function story() {
  const model = await load();
  const { text } = await model.complete("Once upon a time", { seed: 7, maxTokens: 40 });
  model.dispose();
  return text;
}

globalThis.story = story().catch((error) => `${error.code} ${error.message}`);
