// The options of the commands that write text: how it is sampled and where it ends. Knows nothing
// of the limits, which are the library's to check.

import type { GenerateOptions } from "../options";
import { numberOption, type Arguments } from "./arguments";

export const SAMPLING = {
  "max-tokens": { type: "string", short: "n" },
  temp: { type: "string" },
  "top-k": { type: "string" },
  "top-p": { type: "string" },
  "min-p": { type: "string" },
  "repeat-penalty": { type: "string" },
  seed: { type: "string" },
  stop: { type: "string", multiple: true },
} as const;

export function generateOptions(args: Arguments): GenerateOptions {
  return {
    maxTokens: numberOption(args, "max-tokens"),
    temperature: numberOption(args, "temp"),
    topK: numberOption(args, "top-k"),
    topP: numberOption(args, "top-p"),
    minP: numberOption(args, "min-p"),
    repeatPenalty: numberOption(args, "repeat-penalty"),
    seed: numberOption(args, "seed"),
    stop: args.values["stop"] as string[] | undefined,
  };
}
