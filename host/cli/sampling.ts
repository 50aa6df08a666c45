// The options of the commands that write text: how it is sampled and where it ends. Names are those
// of llama.cpp where it has them. Knows nothing of the limits, which are the library's to check.

import type { GenerateOptions } from "../options";
import { numberOption, type Arguments } from "./arguments";

const NUMBERS = {
  temp: "temperature", "top-k": "topK", "top-p": "topP", "min-p": "minP", typical: "typicalP",
  "xtc-probability": "xtcProbability", "xtc-threshold": "xtcThreshold",
  mirostat: "mirostat", "mirostat-ent": "mirostatTau", "mirostat-lr": "mirostatEta",
  "dynatemp-range": "dynamicTemperatureRange", "dynatemp-exp": "dynamicTemperatureExponent",
  "repeat-penalty": "repeatPenalty", "repeat-last-n": "repeatTokens",
  "presence-penalty": "presencePenalty", "frequency-penalty": "frequencyPenalty",
  "dry-multiplier": "dryMultiplier", "dry-base": "dryBase",
  "dry-allowed-length": "dryAllowedLength", "dry-penalty-last-n": "dryTokens",
} as const satisfies Record<string, keyof GenerateOptions>;

/** Options that are called the same there and here, but for how words are joined. */
const SAME = ["maxTokens", "seed", "stop", "speculation", "context", "weights", "cache",
  "threads", "memoryLimit"];

type Texts = Record<string, { type: "string"; short?: string; multiple?: true }>;

/** Which token comes next. */
export const SAMPLING: Texts = {
  ...Object.fromEntries(Object.keys(NUMBERS).map((name) => [name, { type: "string" } as const])),
  "dry-sequence-breaker": { type: "string", multiple: true },
  speculation: { type: "string" },
};

/** The same, and how long a text gets and what it begins with. */
export const WRITING: Texts = {
  ...SAMPLING,
  "max-tokens": { type: "string", short: "n" },
  seed: { type: "string" },
  stop: { type: "string", multiple: true },
};

export function samplingOptions(args: Arguments): GenerateOptions {
  const numbers = Object.entries(NUMBERS).map(([name, option]) => (
    [option, numberOption(args, name)]));
  const breakers = args.values["dry-sequence-breaker"] as string[] | undefined;
  return {
    ...Object.fromEntries(numbers) as GenerateOptions,
    // As in llama.cpp, "none" clears the usual ones.
    dryBreakers: breakers?.filter((text) => text !== "none"),
    speculation: args.values["speculation"] as GenerateOptions["speculation"],
  };
}

export function generateOptions(args: Arguments): GenerateOptions {
  return {
    ...samplingOptions(args),
    maxTokens: numberOption(args, "max-tokens"),
    seed: numberOption(args, "seed"),
    stop: args.values["stop"] as string[] | undefined,
  };
}

/** What an option of the library is called here; undefined where it is no flag. */
export function flagOf(option: string): string | undefined {
  if (option === "dryBreakers") return "--dry-sequence-breaker";
  const found = Object.entries(NUMBERS).find(([, name]) => name === option);
  if (found) return `--${found[0]}`;
  if (!SAME.includes(option)) return undefined;
  return `--${option.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`)}`;
}
