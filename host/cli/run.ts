// nibble run: the prompt, then its continuation, as it is written.

import { loadModel, parseArguments, readPrompt } from "./arguments";
import { WRITING, generateOptions } from "./sampling";
import { SHAPE, shapeOptions } from "./shape";

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
  let last = prompt;
  let started = false;
  try {
    for await (const text of model.generate(prompt, options)) {
      // The prompt appears with its first continuation, so that a refused prompt prints nothing.
      process.stdout.write(started ? text : prompt + text);
      started = true;
      last = text;
    }
    if (!started) process.stdout.write(prompt);
    started = true;
  } finally {
    if (started && !last.endsWith("\n")) process.stdout.write("\n");
  }
}
