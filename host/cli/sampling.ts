// The options of the commands that write text: how it is sampled and where it ends. Names are those
// of llama.cpp where it has them. Knows nothing of the limits, which are the library's to check.

import { NibbleError } from "../errors";
import type { GenerateOptions } from "../options";
import { settingsOf } from "../settings";
import { UsageError, numberOption, type Arguments } from "./arguments";

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

/** All flags, by what the library calls them. */
const FLAGS = {
  ...NUMBERS, "max-tokens": "maxTokens", seed: "seed", stop: "stop", speculation: "speculation",
  "dry-sequence-breaker": "dryBreakers",
} as const satisfies Record<string, keyof GenerateOptions>;

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

/** Throws UsageError for values that no text could be written with. */
export function samplingOptions(args: Arguments): GenerateOptions {
  return checked(samplingOf(args));
}

export function generateOptions(args: Arguments): GenerateOptions {
  return checked({
    ...samplingOf(args),
    maxTokens: numberOption(args, "max-tokens"),
    seed: numberOption(args, "seed"),
    stop: args.values["stop"] as string[] | undefined,
  });
}

function samplingOf(args: Arguments): GenerateOptions {
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

/** The options, if the library takes them; what it says of them names the flags. */
function checked(options: GenerateOptions): GenerateOptions {
  try {
    settingsOf(options);
    return options;
  } catch (error) {
    if (!(error instanceof NibbleError)) throw error;
    throw new UsageError(error.message.replace(/^Option (\w+)/, (whole, name: string) => {
      const flag = Object.entries(FLAGS).find(([, option]) => option === name)?.[0];
      return flag === undefined ? whole : flag === "max-tokens" ? "-n" : `--${flag}`;
    }));
  }
}
