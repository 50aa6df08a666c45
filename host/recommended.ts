// What a model's file recommends for sampling: the keys `general.sampling.*`, as llama.cpp reads
// them. A value that the options would refuse is not followed, and it is said why: a file's advice
// must not keep its model from being used. Knows nothing of sessions.

import { NibbleError } from "./errors";
import type { MetadataEntry } from "./info";
import type { GenerateOptions } from "./options";
import { settingsOf } from "./settings";

/** How texts are sampled by default, and which of the file's keys are not followed. */
export interface Recommended {
  readonly options: Readonly<GenerateOptions>;
  readonly ignored: readonly { readonly key: string; readonly reason: string }[];
}

const PREFIX = "general.sampling.";

/** Options by the keys' last words. */
const OPTIONS: Readonly<Record<string, keyof GenerateOptions>> = {
  temp: "temperature", top_k: "topK", top_p: "topP", min_p: "minP",
  xtc_probability: "xtcProbability", xtc_threshold: "xtcThreshold",
  penalty_last_n: "repeatTokens", penalty_repeat: "repeatPenalty",
  mirostat: "mirostat", mirostat_tau: "mirostatTau", mirostat_eta: "mirostatEta",
};

/** The recommendations in a file's metadata. */
export function recommendedBy(metadata: readonly MetadataEntry[]): Recommended {
  const options: Record<string, unknown> = {};
  const ignored: { key: string; reason: string }[] = [];
  for (const { key, value } of metadata) {
    if (!key.startsWith(PREFIX)) continue;
    const word = key.slice(PREFIX.length);
    const name = Object.hasOwn(OPTIONS, word) ? OPTIONS[word] : undefined;
    if (name === undefined) {
      ignored.push({ key, reason: word === "sequence" ? "The order of the steps is fixed."
        : "There is no such setting." });
      continue;
    }
    const number = numberOf(word, value);
    try {
      settingsOf({ [name]: number });
      options[name] = number;
    } catch (error) {
      if (!(error instanceof NibbleError)) throw error;
      ignored.push({ key, reason: error.message });
    }
  }
  return { options, ignored };
}

/** llama.cpp writes -1 for all of the context. */
function numberOf(word: string, value: MetadataEntry["value"]): MetadataEntry["value"] {
  const number = typeof value === "bigint" ? Number(value) : value;
  return word === "penalty_last_n" && number === -1 ? 2 ** 20 : number;
}
