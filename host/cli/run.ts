// nibble run: the prompt, then its continuation, as it is written. Knows nothing of how.

import type { FinishReason, Writing } from "../completion";
import { loadModel, parseArguments, readPrompt } from "./arguments";
import { WRITING, generateOptions } from "./sampling";
import { SHAPE, cutShape, shapeOptions } from "./shape";

export async function run(argv: string[], signal: AbortSignal): Promise<void> {
  const args = parseArguments(argv, { ...WRITING, ...SHAPE }, 1);
  const options = { ...generateOptions(args), ...await shapeOptions(args, signal), signal };
  const prompt = await readPrompt(args, signal);
  const model = await loadModel(args, signal);
  if (args.json) {
    const completion = await model.complete(prompt, options);
    process.stdout.write(`${JSON.stringify({ prompt, ...completion })}\n`);
    return;
  }
  const finishReason = await print(prompt, model.generate(prompt, options));
  const cut = cutShape(args, finishReason);
  if (cut) throw cut;
}

/** Returns why the text ended. */
async function print(prompt: string, writing: Writing): Promise<FinishReason> {
  let shown: string | undefined;
  try {
    for (;;) {
      const { done, value } = await writing.next();
      // The prompt appears with its first continuation, so that a refused prompt prints nothing.
      const text = (shown === undefined ? prompt : "") + (done ? "" : value);
      process.stdout.write(text);
      shown = text === "" ? shown ?? "" : text;
      if (done) return value.finishReason;
    }
  } finally {
    if (shown !== undefined && !shown.endsWith("\n")) process.stdout.write("\n");
  }
}
