// Arguments of the commands: parsing, and what all of them share. Knows nothing of what the
// commands do.

import { statSync, type Stats } from "node:fs";
import { parseArgs, type ParseArgsConfig } from "node:util";
import { NibbleError } from "../errors";
import type { LoadOptions } from "../options";
import { load, type Model } from "../platform/node";
import { printable } from "../source";
import { readText } from "./files";
import { nearest } from "./nearest";
import { progressBar } from "./progress";

type OptionsConfig = NonNullable<ParseArgsConfig["options"]>;
type Values = Record<string, string | boolean | (string | boolean)[] | undefined>;

/** The arguments cannot be understood; exit code 2. */
export class UsageError extends Error {}

const COMMON = {
  model: { type: "string", short: "m" },
  context: { type: "string" },
  weights: { type: "string" },
  cache: { type: "string" },
  "memory-limit": { type: "string" },
  threads: { type: "string" },
  json: { type: "boolean" },
} satisfies OptionsConfig;

/** Contexts have at most a million tokens, of which few are longer than some dozen bytes. */
const PROMPT = { bytesMax: 64e6, reason: "which no context holds" };

export interface Arguments {
  /** MODEL, or undefined for the embedded one; and the positionals after it. */
  model: string | undefined;
  rest: string[];
  json: boolean;
  /** Options by their long names. */
  values: Values;
}

/**
 * Parses the arguments of a command that has `own` options besides the common ones. The first
 * positional is a model only if it looks like one, else it is the first of `positionals` others.
 */
export function parseArguments(
  args: string[], own: OptionsConfig, positionals: number,
): Arguments {
  const { values, positionals: found } = parse(args, { ...COMMON, ...own });
  const named = typeof values["model"] === "string" ? values["model"] : undefined;
  const isFirst = named === undefined && looksLikeModel(found[0]);
  const model = named ?? (isFirst ? found[0] : undefined);
  const rest = isFirst ? found.slice(1) : found;
  if (rest.length > positionals) {
    if (model === undefined) refuseFile(found[0] ?? "");
    throw new UsageError(`Too many arguments: ${JSON.stringify(rest[positionals])}; quote a `
      + "prompt of several words.");
  }
  return { model, rest, json: values["json"] === true, values };
}

/**
 * Options and positionals. Throws UsageError for options that do not exist, and for those that can
 * stand there once and stand there twice, of which one would be ignored.
 */
export function parse<Options extends OptionsConfig>(args: string[], options: Options) {
  const config = { args: withNegatives(args), options, allowPositionals: true } as const;
  const seen = new Set<string>();
  for (const token of parseArgs({ ...config, strict: false, tokens: true }).tokens) {
    if (token.kind !== "option") continue;
    const { name, rawName, index } = token;
    const option = Object.hasOwn(options, name) ? options[name] : undefined;
    if (!option) throw unknownOption(rawName, config.args[index] ?? rawName, options);
    if (seen.has(name) && option.type === "string" && option.multiple !== true) {
      throw new UsageError(`Option ${rawName} is there twice; give it once.`);
    }
    seen.add(name);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    const ambiguous = /^Option '(?:-\w, )?(--?[\w-]+).*' argument is ambiguous/.exec(words)?.[1];
    if (ambiguous !== undefined) {
      const joined = ambiguous.startsWith("--") ? `${ambiguous}=` : ambiguous;
      throw new UsageError(`Option ${ambiguous} needs a value behind it; one that begins with "-" `
        + `is written ${joined}VALUE.`);
    }
    const named = /^Option '(?:-\w, )?(--?[\w-]+)/.exec(words)?.[1];
    if (named !== undefined) {
      throw new UsageError(`Option ${named} ${words.includes("does not take") ? "takes no value"
        : "needs a value behind it"}.`);
    }
    throw new UsageError(words.split("\n", 1)[0] ?? words); // what follows are hints of its own
  }
}

/** `argument` is where it stands: -temp would be an option -t, and others. */
function unknownOption(name: string, argument: string, options: OptionsConfig): UsageError {
  const names = Object.keys(options).map((known) => `--${known}`);
  const isShort = !name.startsWith("--");
  const meant = isShort && argument.length < 4 ? undefined
    : nearest(isShort ? `-${argument}` : name, names);
  return new UsageError(`Unknown option ${printable(isShort ? argument : name)}; ${
    meant ? `did you mean ${meant}?` : "\"nibble help\" lists all, and texts go behind \"--\"."}`);
}

/** The parser takes -1 behind an option for another option; joined to its own, it is a value. */
function withNegatives(args: readonly string[]): string[] {
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const joined: string[] = [];
  for (const [i, arg] of args.entries()) {
    const option = i < end && /^-\.?\d/.test(arg) ? args[i - 1] : undefined;
    if (option !== undefined && /^--[\w-]+$|^-[a-z]$/i.test(option)) {
      joined.push(`${joined.pop()}${option.startsWith("--") ? "=" : ""}${arg}`);
    } else joined.push(arg);
  }
  return joined;
}

/** Throws when a positional that is one too many was meant as a model. */
function refuseFile(path: string): void {
  let status: Stats | undefined;
  try {
    status = statSync(path, { throwIfNoEntry: false });
  } catch {
    return; // what cannot even be looked up, such as a long text, is no file
  }
  if (status?.isDirectory()) {
    throw new NibbleError("IS_DIRECTORY", `${path} is a directory; a GGUF file was expected.`);
  }
  if (status) {
    throw new UsageError(`${path} does not end in .gguf; if it is the model, name it with -m.`);
  }
}

function looksLikeModel(argument: string | undefined): boolean {
  return argument !== undefined
    && (/^https?:\/\//i.test(argument) || /\.(gguf|shards\.json)$/i.test(argument));
}

/** A numeric option, or undefined when it is absent; limits are the library's to check. */
export function numberOption(args: Arguments, name: string): number | undefined {
  const value = args.values[name];
  if (value === undefined) return undefined;
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : NaN;
  if (!Number.isNaN(number)) return number;
  throw new UsageError(`--${name} takes a number, not ${JSON.stringify(value)}.`);
}

/** Loads the model of the arguments, or the embedded one, with a progress bar on a terminal. */
export async function loadModel(
  args: Arguments, signal: AbortSignal, own: LoadOptions = {},
): Promise<Model> {
  const bar = progressBar(args.model ?? "embedded model");
  const text = (name: string): string | undefined => args.values[name] as string | undefined;
  try {
    return await load(args.model, {
      context: numberOption(args, "context"),
      weights: text("weights") as LoadOptions["weights"],
      cache: text("cache") as LoadOptions["cache"],
      threads: numberOption(args, "threads"),
      memoryLimit: text("memory-limit"),
      onProgress: bar.update,
      signal,
      ...own,
    });
  } finally {
    bar.end();
  }
}

/**
 * The prompt of the arguments, or standard input for "-" or for none with a pipe. The newline with
 * which `echo` and editors end a text is not part of the prompt.
 */
export async function readPrompt(args: Arguments, signal: AbortSignal): Promise<string> {
  const [prompt] = args.rest;
  if (prompt !== undefined && prompt !== "-") return prompt;
  if (prompt === undefined && process.stdin.isTTY) return "";
  return (await readText("-", PROMPT, signal)).replace(/^\ufeff/, "").replace(/\r?\n$/, "");
}
