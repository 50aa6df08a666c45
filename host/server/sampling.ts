// How a request wants its text sampled: OpenAI's fields, and those that llama.cpp's server adds, by
// its names. Knows nothing of prompts or replies.

import { STOP_CHARACTERS_MAX, type GenerateOptions } from "../options";
import type { Settings } from "../settings";
import { wrong, type Fields } from "./fields";
import { Refusal } from "./refusal";

/** As many tokens as any context has. */
export const TOKENS_MAX = 2 ** 20;
const STOPS_MAX = 4;
const BREAKERS_MAX = 64;
const BREAKER_CHARACTERS_MAX = 64;

/** Takes the fields that say how; what is absent stays undefined. */
export function samplingOf(fields: Fields): GenerateOptions {
  return {
    temperature: fields.number("temperature", 0, 2),
    topP: aboveZero(fields.number("top_p", 0, 1)),
    topK: fields.whole("top_k", 0, TOKENS_MAX),
    minP: fields.number("min_p", 0, 1),
    typicalP: fields.number("typical_p", 0.001, 1),
    xtcProbability: fields.number("xtc_probability", 0, 1),
    xtcThreshold: fields.number("xtc_threshold", 0, 1),
    mirostat: mirostatOf(fields.take("mirostat")),
    mirostatTau: fields.number("mirostat_tau", 0.01, 100),
    mirostatEta: fields.number("mirostat_eta", 0, 1),
    dynamicTemperatureRange: fields.number("dynatemp_range", 0, 10),
    dynamicTemperatureExponent: fields.number("dynatemp_exponent", 0, 10),
    frequencyPenalty: fields.number("frequency_penalty", -2, 2),
    presencePenalty: fields.number("presence_penalty", -2, 2),
    repeatPenalty: fields.number("repetition_penalty", 0.1, 10),
    repeatTokens: fields.whole("repeat_last_n", 0, TOKENS_MAX),
    dryMultiplier: fields.number("dry_multiplier", 0, 100),
    dryBase: fields.number("dry_base", 1, 10),
    dryAllowedLength: fields.whole("dry_allowed_length", 1, 50),
    dryTokens: allTokens(fields.whole("dry_penalty_last_n", -1, TOKENS_MAX)),
    dryBreakers: breakersOf(fields.take("dry_sequence_breakers")),
    logitBias: biasOf(fields.take("logit_bias")),
    speculation: speculationOf(fields.text("speculation")),
    seed: fields.whole("seed", 0, Number.MAX_SAFE_INTEGER),
    stop: stopsOf(fields.take("stop")),
  };
}

/** What the library calls them, and what requests do. */
const FIELDS: Partial<Record<keyof GenerateOptions, string>> = {
  temperature: "temperature", topK: "top_k", topP: "top_p", minP: "min_p", typicalP: "typical_p",
  xtcProbability: "xtc_probability", xtcThreshold: "xtc_threshold", mirostat: "mirostat",
  mirostatTau: "mirostat_tau", mirostatEta: "mirostat_eta",
  dynamicTemperatureRange: "dynatemp_range", dynamicTemperatureExponent: "dynatemp_exponent",
  frequencyPenalty: "frequency_penalty", presencePenalty: "presence_penalty",
  repeatPenalty: "repetition_penalty", repeatTokens: "repeat_last_n",
  dryMultiplier: "dry_multiplier", dryBase: "dry_base", dryAllowedLength: "dry_allowed_length",
  dryTokens: "dry_penalty_last_n", dryBreakers: "dry_sequence_breakers",
  speculation: "speculation",
};
/** Steps whose place mirostat takes. */
const BESIDE_MIROSTAT = ["typicalP", "xtcProbability", "dynamicTemperatureRange"];

/**
 * The server's own options, and over them what a request says: of the former without those that the
 * latter's mirostat takes the place of.
 */
export function overDefaults(
  options: GenerateOptions, defaults: GenerateOptions = {},
): GenerateOptions {
  const said = Object.entries(options).filter(([, value]) => value !== undefined);
  const own = Object.entries(defaults).filter(([name]) => (
    options.mirostat !== 2 || !BESIDE_MIROSTAT.includes(name)));
  return Object.fromEntries([...own, ...said]) as GenerateOptions;
}

/** Settings by the names that requests have for them. */
export function fieldsOf(settings: Settings): object {
  return Object.fromEntries(Object.entries(FIELDS).map(([name, field]) => (
    [field, settings[name as keyof Settings]])));
}

/** What the library says of an option, said of the request's field; all else as it is. */
export function byField(error: unknown): unknown {
  const { code, message = "" } = (error ?? {}) as { code?: string; message?: string };
  const name = code === "BAD_OPTION" ? /^Option (\w+) /.exec(message)?.[1] : undefined;
  const field = name !== undefined && Object.hasOwn(FIELDS, name)
    ? FIELDS[name as keyof GenerateOptions] : undefined;
  if (name === undefined || field === undefined) return error;
  return new Refusal(400, message.replace(`Option ${name}`, field), field, "invalid_value");
}

/** OpenAI takes 0, which keeps the likeliest token as any tiny share does. */
function aboveZero(value: number | undefined): number | undefined {
  return value === 0 ? Number.MIN_VALUE : value;
}

/** llama.cpp's -1 stands for all of the context. */
function allTokens(value: number | undefined): number | undefined {
  return value === -1 ? TOKENS_MAX : value;
}

function mirostatOf(value: unknown): 0 | 2 | undefined {
  if (value === undefined || value === 0 || value === 2) return value;
  throw wrong("mirostat", "0 (off) or 2");
}

function speculationOf(value: string | undefined): "off" | "lookup" | undefined {
  if (value === undefined || value === "off" || value === "lookup") return value;
  throw wrong("speculation", "off or lookup");
}

function breakersOf(breakers: unknown): string[] | undefined {
  if (breakers === undefined) return undefined;
  const isRight = Array.isArray(breakers) && breakers.length <= BREAKERS_MAX
    && breakers.every((text) => (
      typeof text === "string" && text !== "" && text.length <= BREAKER_CHARACTERS_MAX));
  if (isRight) return breakers as string[];
  throw wrong("dry_sequence_breakers",
    `at most ${BREAKERS_MAX} texts of 1 to ${BREAKER_CHARACTERS_MAX} characters, in an array`);
}

function stopsOf(stop: unknown): string[] | undefined {
  if (stop === undefined) return undefined;
  const stops = Array.isArray(stop) ? stop as unknown[] : [stop];
  const isRight = stops.length <= STOPS_MAX && stops.every((text) => (
    typeof text === "string" && text !== "" && text.length <= STOP_CHARACTERS_MAX));
  if (isRight) return stops as string[];
  throw wrong("stop",
    `a text or up to ${STOPS_MAX}, each of 1 to ${STOP_CHARACTERS_MAX} characters`);
}

function biasOf(bias: unknown): Record<number, number> | undefined {
  if (bias === undefined) return undefined;
  const entries = typeof bias === "object" && bias !== null && !Array.isArray(bias)
    ? Object.entries(bias) : undefined;
  const isRight = entries && entries.length <= 300 && entries.every(([token, value]) => (
    /^\d{1,9}$/.test(token) && typeof value === "number" && Math.abs(value) <= 100));
  if (isRight) return Object.fromEntries(entries) as Record<number, number>;
  throw wrong("logit_bias", "an object of at most 300 numbers from -100 to 100, by token id");
}
