// The options that users give: defaults, limits, and one sentence for each way to be wrong.
// Knows nothing of how they are carried out.

import { NibbleError } from "./errors";
import type { ShapeOptions } from "./schema";

/** Weight types that matrices can be converted to while loading, with the engine's numbers. */
export const WEIGHT_TYPES = { f32: 0, q4_0: 1, q8_0: 2 } as const;
export type WeightType = keyof typeof WEIGHT_TYPES;
/** The two ways to multiply vectors. */
export type Simd = "strict" | "relaxed";
export type CacheType = "int8" | "f32";
/** Whether a text is guessed at while it is written. */
export type Speculation = "lookup" | "off";

export interface LoadProgress {
  readonly loadedBytes: number;
  readonly totalBytes: number;
}

/** What `fetch` does with an address. */
export type FetchFunction =
  (address: string, init: { signal?: AbortSignal; headers?: Record<string, string> })
  => Promise<Response>;

export interface LoadOptions {
  /** Positions of each session; default the model's, at most 2,048. */
  context?: number | undefined;
  /** Conversations that can be open at once, 1 to 32; default 1. Each has a cache of its own. */
  sessions?: number | undefined;
  /** Texts that may wait for a free session, 0 to 65,536; more are refused; default 256. */
  queue?: number | undefined;
  /** Convert all matrices while loading; default as in the file. */
  weights?: WeightType | undefined;
  /** Default f32 when all matrices are F32 or heads are smaller than 32, else int8. */
  cache?: CacheType | undefined;
  /**
   * Threads that share the work, 1 to 16; default one less than there are processors, to 4, for
   * models from 50 million parameters on. Where memory cannot be shared it is one, with a warning.
   */
  threads?: number | undefined;
  /** Default relaxed where the runtime computes it rightly; the results are the same. */
  simd?: Simd | undefined;
  /** Most memory of the engine: bytes, or a number with B, KB, MB or GB (powers of ten). */
  memoryLimit?: number | string | undefined;
  /** The SHA-256 that the source must have, as 64 hexadecimal digits; checked while it streams. */
  sha256?: string | undefined;
  onProgress?: ((progress: LoadProgress) => void) | undefined;
  /**
   * Browsers only: keep what is fetched in Cache Storage for the next visit, and go on where an
   * interrupted download stopped; default true where there is a Cache Storage.
   */
  keep?: boolean | undefined;
  /** Gets addresses in the place of the global fetch: a Worker's assets, say, or with headers. */
  fetch?: FetchFunction | undefined;
  signal?: AbortSignal | undefined;
}

export interface GenerateOptions extends ShapeOptions {
  /** Most tokens to write; default 256. */
  maxTokens?: number | undefined;
  /**
   * Conversations only: lay the text aside after so many tokens of this call, to be taken up with
   * `resume`; default never.
   */
  pauseTokens?: number | undefined;
  /** 0 always takes the likeliest token; up to 10, default 0.8. */
  temperature?: number | undefined;
  /** Keep the k likeliest tokens; 0 keeps all; default 40. */
  topK?: number | undefined;
  /** Keep the likeliest tokens that together reach this share; above 0, to 1; default 0.95. */
  topP?: number | undefined;
  /** Keep tokens at least this much as likely as the likeliest; 0 to 1, default 0.05. */
  minP?: number | undefined;
  /**
   * Keep the tokens that are about as surprising as the model expects, until they reach this share;
   * 0.001 to 1, default 1, which is off (arXiv 2202.00666).
   */
  typicalP?: number | undefined;
  /** How often XTC takes out the likeliest tokens, all but the last; 0 to 1, default 0: never. */
  xtcProbability?: number | undefined;
  /** The share from which on tokens are among XTC's likeliest; 0 to 1, default 0.1. */
  xtcThreshold?: number | undefined;
  /**
   * 2 keeps the surprise of the text near `mirostatTau`, in the place of top-k, top-p and min-p
   * (arXiv 2007.14966); 0, the default, is off.
   */
  mirostat?: 0 | 2 | undefined;
  /** Bits of surprise that mirostat aims at; 0.01 to 100, default 5. */
  mirostatTau?: number | undefined;
  /** How fast mirostat learns; 0 to 1, default 0.1. */
  mirostatEta?: number | undefined;
  /**
   * Let the temperature follow the entropy of the tokens that are left, between `temperature` less
   * this and as much above; 0 to 10, default 0, which is off.
   */
  dynamicTemperatureRange?: number | undefined;
  /** Bends how the temperature follows: above 1 it stays low for longer; 0 to 10, default 1. */
  dynamicTemperatureExponent?: number | undefined;
  /** Divide the logits of recent tokens by this; 1 is off, up to 10, default 1. */
  repeatPenalty?: number | undefined;
  /** Take this off the logits of recent tokens, for each time they stand there; -2 to 2. */
  frequencyPenalty?: number | undefined;
  /** Take this off the logits of recent tokens, once; -2 to 2. */
  presencePenalty?: number | undefined;
  /** Tokens that the penalties look back on, of prompt and text; default 64. */
  repeatTokens?: number | undefined;
  /**
   * Makes going on with a repetition dear (DRY): this, times `dryBase` for each token that it is
   * longer than `dryAllowedLength`, is taken off the next one; 0 to 100, default 0, which is off.
   */
  dryMultiplier?: number | undefined;
  /** 1 to 10, default 1.75. */
  dryBase?: number | undefined;
  /** Repetitions shorter than this cost nothing; 1 to 50 tokens, default 2. */
  dryAllowedLength?: number | undefined;
  /** Tokens that DRY looks back on, of prompt and text; default all of the context. */
  dryTokens?: number | undefined;
  /**
   * Texts over which no repetition goes, and which are none; at most 64 of 1 to 64 characters.
   * Default a line break, a colon, a quotation mark and an asterisk.
   */
  dryBreakers?: readonly string[] | undefined;
  /** Added to the logits of these tokens, by id: -100 to 100, for at most 512 of them. */
  logitBias?: Readonly<Record<number, number>> | undefined;
  /** A whole number to 2^53; the same seed gives the same text. Default: a random one. */
  seed?: number | undefined;
  /** Texts at which to stop, themselves left out; at most 16 of 1 to 256 characters. */
  stop?: string | readonly string[] | undefined;
  /** Called with every token that is written, before its text is given out. */
  onToken?: ((step: TokenStep) => void) | undefined;
  /** Likeliest tokens that `onToken` is told of, 0 to 64; default 8. */
  likeliest?: number | undefined;
  /**
   * `lookup` guesses at what comes next where the text repeats itself or its prompt, and checks
   * several guesses in one pass: the same text, sooner where much is copied; default off.
   */
  speculation?: Speculation | undefined;
  /** Stops within one token or 8 ms; the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

export interface TokenizeOptions {
  /** Add BOS and EOS as the vocabulary asks; default true. */
  special?: boolean | undefined;
  /**
   * Control tokens that the text spells, such as `<|im_start|>`, become these tokens; default
   * false, so that nobody's text can forge them.
   */
  trusted?: boolean | undefined;
}

export interface EvaluateOptions {
  /** Tokens of one forward pass, 1 to 32; default 32. */
  rows?: number | undefined;
  /** Stops between two passes; the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** A token and the natural logarithm of its probability. */
export interface LikelyToken {
  readonly token: number;
  readonly logProbability: number;
}

/** A token that was written, and what else it might have been. */
export interface TokenStep {
  readonly token: number;
  /** Its bytes, which may begin or end inside a character. */
  readonly bytes: Uint8Array;
  readonly position: number;
  /** Of byte-pooled models: which patch it belongs to, counted from 0; not of forced tokens. */
  readonly patch?: number;
  /** The form of the text left no choice: it was not picked, and others were not weighed. */
  readonly isForced?: true;
  /** Natural logarithm of its probability, before temperature and other settings; 0 if forced. */
  readonly logProbability: number;
  /** The same of others, likeliest first; equal ones by id. */
  readonly likeliest: readonly LikelyToken[];
}

/** Rows of one forward pass at most (ROWS_MAX of the engine). */
export const ROWS_MAX = 32;
export const STOP_CHARACTERS_MAX = 256;

/** BAD_OPTION, in words. */
export function bad(sentence: string): NibbleError {
  return new NibbleError("BAD_OPTION", sentence);
}

/** The value itself when it is a number within the limits; throws BAD_OPTION. */
export function checkNumber(name: string, value: unknown, least: number, most: number): number {
  if (typeof value === "number" && value >= least && value <= most) return value;
  const range = least === Number.MIN_VALUE ? `above 0, to ${most}` : `from ${least} to ${most}`;
  throw bad(`Option ${name} is ${shown(value)}; it must be a number ${range}.`);
}

/** Refuses what is no text, which JavaScript would quietly turn into one. */
export function checkText(text: unknown): void {
  if (typeof text !== "string") throw bad(`A text was expected, not ${shown(text)}.`);
}

/** Refuses what is no list of token ids; whether they exist is the engine's to say. */
export function checkTokens(tokens: unknown): void {
  if (!Array.isArray(tokens)) throw bad(`Token ids come as an array, not as ${shown(tokens)}.`);
  for (const token of tokens as unknown[]) {
    if (!Number.isInteger(token)) throw bad(`A token id is a whole number, not ${shown(token)}.`);
  }
}

/** Refuses what is neither true nor false, such as "no". */
export function checkFlag(name: string, value: unknown): void {
  if (typeof value === "boolean") return;
  throw bad(`Option ${name} is ${shown(value)}; it must be true or false.`);
}

/** The value itself when it is a whole number within the limits; throws BAD_OPTION. */
export function checkInteger(name: string, value: unknown, least: number, most: number): number {
  if (Number.isInteger(value)) return checkNumber(name, value, least, most);
  throw bad(`Option ${name} is ${shown(value)}; it must be a whole number.`);
}

/** A value, as sentences show it. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
  if (typeof value === "function") return "a function";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

/** Refuses names that are no options, which are misspelt ones. */
export function checkNames(options: unknown, known: readonly string[]): void {
  if (typeof options !== "object" || options === null) {
    throw bad(`The options are ${shown(options)}; they must be an object.`);
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      throw bad(`There is no option ${shown(name)}; there are ${known.join(", ")}.`);
    }
  }
}

const LOAD_NAMES = ["context", "sessions", "queue", "weights", "cache", "threads", "simd",
  "memoryLimit", "sha256", "onProgress", "keep", "fetch",
  "signal"] as const satisfies readonly (keyof LoadOptions)[];

/** The engine's own limit (assembly/threads.ts). */
const THREADS_MAX = 16;

/** Checks the options of `load`; throws BAD_OPTION. */
export function checkLoadOptions(options: LoadOptions): void {
  checkNames(options, LOAD_NAMES);
  if (options.context !== undefined) checkInteger("context", options.context, 1, 2 ** 20);
  if (options.sessions !== undefined) checkInteger("sessions", options.sessions, 1, 32);
  if (options.queue !== undefined) checkInteger("queue", options.queue, 0, 65536);
  if (options.weights !== undefined && !Object.hasOwn(WEIGHT_TYPES, options.weights)) {
    throw bad(`Option weights is ${shown(options.weights)}; it must be q4_0, q8_0 or f32.`);
  }
  if (options.cache !== undefined && !["int8", "f32"].includes(options.cache)) {
    throw bad(`Option cache is ${shown(options.cache)}; it must be int8 or f32.`);
  }
  if (options.threads !== undefined) checkInteger("threads", options.threads, 1, THREADS_MAX);
  if (options.simd !== undefined) checkSimd("Option simd", options.simd);
  if (options.memoryLimit !== undefined) bytesOf(options.memoryLimit);
  if (options.sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(String(options.sha256))) {
    throw bad(`Option sha256 is ${shown(options.sha256)}; it must be 64 hexadecimal digits.`);
  }
  checkCallback("onProgress", options.onProgress);
  if (options.keep !== undefined && typeof options.keep !== "boolean") {
    throw bad(`Option keep is ${shown(options.keep)}; it must be true or false.`);
  }
  checkCallback("fetch", options.fetch);
  checkSignal(options.signal);
}

/** Refuses what is neither strict nor relaxed; throws BAD_OPTION. */
export function checkSimd(name: string, value: unknown): Simd {
  if (value === "strict" || value === "relaxed") return value;
  throw bad(`${name} is ${shown(value)}; it must be strict or relaxed.`);
}

/** Refuses what cannot be called. */
export function checkCallback(name: string, value: unknown): void {
  if (value === undefined || typeof value === "function") return;
  throw bad(`Option ${name} is ${shown(value)}; it must be a function.`);
}

/** Refuses a signal that could not be asked. */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal === undefined || typeof signal?.throwIfAborted === "function") return;
  throw bad(`Option signal is ${shown(signal)}; it must be an AbortSignal.`);
}

/** Bytes of a number or of a text like "128MB" (MB = 10^6); throws BAD_OPTION. */
export function bytesOf(limit: number | string): number {
  if (typeof limit !== "string") return checkInteger("memoryLimit", limit, 1, 2 ** 32);
  const parts = /^(\d+(?:\.\d+)?)\s*(B|KB|MB|GB)?$/i.exec(limit.trim());
  const unit = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9 }[(parts?.[2] ?? "B").toUpperCase()];
  if (!parts || unit === undefined) {
    throw bad(`Option memoryLimit is ${shown(limit)}; write it like 128MB.`);
  }
  return checkInteger("memoryLimit", Math.floor(Number(parts[1]) * unit), 1, 2 ** 32);
}

/** Checks the options of `evaluate` and fills in the defaults; throws BAD_OPTION. */
export function evaluateSettings(
  options: EvaluateOptions,
): { rows: number; signal?: AbortSignal } {
  checkNames(options, ["rows", "signal"]);
  checkSignal(options.signal);
  const rows = checkInteger("rows", options.rows ?? ROWS_MAX, 1, ROWS_MAX);
  return { rows, ...(options.signal ? { signal: options.signal } : {}) };
}
