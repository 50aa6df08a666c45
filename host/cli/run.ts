// nibble run: the prompt, then its continuation, as it is written.

import type { GenerateOptions } from "../options";
import { loadModel, numberOption, parseArguments, readPrompt, type Arguments } from "./arguments";

const OPTIONS = {
  "max-tokens": { type: "string", short: "n" },
  temp: { type: "string" },
  "top-k": { type: "string" },
  "top-p": { type: "string" },
  "min-p": { type: "string" },
  "repeat-penalty": { type: "string" },
  seed: { type: "string" },
  stop: { type: "string", multiple: true },
} as const;

function generateOptions(args: Arguments, signal: AbortSignal): GenerateOptions {
  return {
    maxTokens: numberOption(args, "max-tokens"),
    temperature: numberOption(args, "temp"),
    topK: numberOption(args, "top-k"),
    topP: numberOption(args, "top-p"),
    minP: numberOption(args, "min-p"),
    repeatPenalty: numberOption(args, "repeat-penalty"),
    seed: numberOption(args, "seed"),
    stop: args.values["stop"] as string[] | undefined,
    signal,
  };
}

export async function run(argv: string[], signal: AbortSignal): Promise<void> {
  const args = parseArguments(argv, OPTIONS, 1);
  const options = generateOptions(args, signal);
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
