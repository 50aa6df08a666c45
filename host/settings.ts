// The options of a text with every default filled in: what the user says, else what the model's
// file recommends, else what is written here. Knows nothing of how they are carried out.

import {
  bad, checkCallback, checkInteger, checkNames, checkNumber, checkSignal, shown,
  STOP_CHARACTERS_MAX, type GenerateOptions, type TokenStep,
} from "./options";

/** Generate options with every default filled in. */
export interface Settings {
  maxTokens: number;
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  repeatPenalty: number;
  repeatTokens: number;
  frequencyPenalty: number;
  presencePenalty: number;
  typicalP: number;
  xtcProbability: number;
  xtcThreshold: number;
  mirostat: 0 | 2;
  mirostatTau: number;
  mirostatEta: number;
  dynamicTemperatureRange: number;
  dynamicTemperatureExponent: number;
  dryMultiplier: number;
  dryBase: number;
  dryAllowedLength: number;
  dryTokens: number;
  dryBreakers: readonly string[];
  logitBias: readonly (readonly [token: number, bias: number])[];
  seed: number;
  stop: readonly string[];
  onToken: ((step: TokenStep) => void) | undefined;
  likeliest: number;
  signal: AbortSignal | undefined;
}

/** BIASES_MAX of the engine. */
const BIASES_MAX = 512;
const STOPS_MAX = 16;
/** More than there are beginnings and ends of turns; each is looked for in every token once. */
const BREAKERS_MAX = 64;
const BREAKER_CHARACTERS_MAX = 64;
const BREAKERS = ["\n", ":", "\"", "*"];

const GENERATE_NAMES = ["maxTokens", "temperature", "topK", "topP", "minP", "typicalP",
  "xtcProbability", "xtcThreshold", "mirostat", "mirostatTau", "mirostatEta",
  "dynamicTemperatureRange", "dynamicTemperatureExponent", "repeatPenalty", "repeatTokens",
  "frequencyPenalty", "presencePenalty", "dryMultiplier", "dryBase", "dryAllowedLength",
  "dryTokens", "dryBreakers", "logitBias", "seed", "stop", "onToken", "likeliest",
  "signal", "schema", "regex", "grammar",
  "choices"] as const satisfies readonly (keyof GenerateOptions)[];

/**
 * Checks the options of `generate` and fills in the model's recommendations and the defaults;
 * throws BAD_OPTION.
 */
export function settingsOf(options: GenerateOptions, recommended: GenerateOptions = {}): Settings {
  checkNames(options, GENERATE_NAMES);
  checkSignal(options.signal);
  checkCallback("onToken", options.onToken);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => (
    value !== undefined && value !== null))) as GenerateOptions;
  const all = { ...recommended, ...given };
  const settings: Settings = {
    maxTokens: checkInteger("maxTokens", all.maxTokens ?? 256, 0, 2 ** 20),
    ...choiceOf(all),
    ...repetitionOf(all),
    logitBias: biasesOf(all.logitBias ?? {}),
    seed: checkInteger("seed", all.seed ?? randomSeed(), 0, Number.MAX_SAFE_INTEGER),
    stop: stopsOf(all.stop ?? []),
    onToken: options.onToken,
    likeliest: checkInteger("likeliest", all.likeliest ?? 8, 0, 64),
    signal: options.signal,
  };
  if (settings.mirostat !== 0) refuseBeside(given);
  return settings;
}

/** What decides which of the likely tokens comes. */
function choiceOf(all: GenerateOptions) {
  return {
    temperature: checkNumber("temperature", all.temperature ?? 0.8, 0, 10),
    topK: checkInteger("topK", all.topK ?? 40, 0, 2 ** 20),
    topP: checkNumber("topP", all.topP ?? 0.95, Number.MIN_VALUE, 1),
    minP: checkNumber("minP", all.minP ?? 0.05, 0, 1),
    typicalP: checkNumber("typicalP", all.typicalP ?? 1, 0.001, 1),
    xtcProbability: checkNumber("xtcProbability", all.xtcProbability ?? 0, 0, 1),
    xtcThreshold: checkNumber("xtcThreshold", all.xtcThreshold ?? 0.1, 0, 1),
    mirostat: mirostatOf(all.mirostat ?? 0),
    mirostatTau: checkNumber("mirostatTau", all.mirostatTau ?? 5, 0.01, 100),
    mirostatEta: checkNumber("mirostatEta", all.mirostatEta ?? 0.1, 0, 1),
    dynamicTemperatureRange: checkNumber("dynamicTemperatureRange",
      all.dynamicTemperatureRange ?? 0, 0, 10),
    dynamicTemperatureExponent: checkNumber("dynamicTemperatureExponent",
      all.dynamicTemperatureExponent ?? 1, 0, 10),
  };
}

/** What recent tokens lose, and what would repeat them. */
function repetitionOf(all: GenerateOptions) {
  return {
    repeatPenalty: checkNumber("repeatPenalty", all.repeatPenalty ?? 1, 0.1, 10),
    repeatTokens: checkInteger("repeatTokens", all.repeatTokens ?? 64, 0, 2 ** 20),
    frequencyPenalty: checkNumber("frequencyPenalty", all.frequencyPenalty ?? 0, -2, 2),
    presencePenalty: checkNumber("presencePenalty", all.presencePenalty ?? 0, -2, 2),
    dryMultiplier: checkNumber("dryMultiplier", all.dryMultiplier ?? 0, 0, 100),
    dryBase: checkNumber("dryBase", all.dryBase ?? 1.75, 1, 10),
    dryAllowedLength: checkInteger("dryAllowedLength", all.dryAllowedLength ?? 2, 1, 50),
    dryTokens: checkInteger("dryTokens", all.dryTokens ?? 2 ** 20, 0, 2 ** 20),
    dryBreakers: breakersOf(all.dryBreakers ?? BREAKERS),
  };
}

function mirostatOf(version: unknown): 0 | 2 {
  if (version === 0 || version === 2) return version;
  throw bad(`Option mirostat is ${shown(version)}; it must be 0 (off) or 2.`);
}

/** Steps that are off unless asked for, and that mirostat would leave without any say. */
function refuseBeside({ typicalP, xtcProbability, dynamicTemperatureRange }: GenerateOptions) {
  const on = { typicalP: (typicalP ?? 1) < 1, xtcProbability: (xtcProbability ?? 0) > 0,
    dynamicTemperatureRange: (dynamicTemperatureRange ?? 0) > 0 };
  for (const [name, isOn] of Object.entries(on)) {
    if (!isOn) continue;
    throw bad(`Option ${name} has no say beside mirostat 2, which takes its place; leave it out, `
      + "or set mirostat to 0.");
  }
}

function breakersOf(texts: unknown): readonly string[] {
  const isRight = Array.isArray(texts) && texts.length <= BREAKERS_MAX
    && texts.every((text) => typeof text === "string" && text !== ""
      && text.length <= BREAKER_CHARACTERS_MAX);
  if (isRight) return texts as string[];
  throw bad(`Option dryBreakers takes at most ${BREAKERS_MAX} texts of 1 to `
    + `${BREAKER_CHARACTERS_MAX} characters, in an array.`);
}

function biasesOf(bias: unknown): [number, number][] {
  if (typeof bias !== "object" || bias === null || Array.isArray(bias)) {
    throw bad(`Option logitBias is ${shown(bias)}; it must be an object of numbers by token id.`);
  }
  const entries = Object.entries(bias);
  if (entries.length > BIASES_MAX) {
    throw bad(`Option logitBias has ${entries.length} tokens; it takes at most ${BIASES_MAX}.`);
  }
  return entries.map(([token, value]) => [
    checkInteger("logitBias: token", token.trim() === "" ? NaN : Number(token), 0, 2 ** 31 - 1),
    checkNumber(`logitBias: ${token}`, value, -100, 100)]);
}

function stopsOf(stop: string | readonly string[]): readonly string[] {
  const sequences = typeof stop === "string" ? [stop] : stop;
  if (!Array.isArray(sequences) || sequences.length > STOPS_MAX) {
    throw bad(`Option stop takes a text or at most ${STOPS_MAX} of them.`);
  }
  for (const sequence of sequences) {
    if (typeof sequence !== "string" || !sequence || sequence.length > STOP_CHARACTERS_MAX) {
      throw bad(`Option stop takes texts of 1 to ${STOP_CHARACTERS_MAX} characters.`);
    }
  }
  return sequences;
}

function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}
