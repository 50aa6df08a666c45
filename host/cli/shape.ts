// The options of the commands that write text in a given shape: a JSON schema or a grammar in a
// file, a regular expression, or a list. Knows nothing of what they allow.

import type { FinishReason } from "../completion";
import { NibbleError } from "../errors";
import { repeatedName } from "../repeated";
import type { JsonSchema, ShapeOptions } from "../schema";
import { checkShape } from "../shapes";
import { printable } from "../source";
import { UsageError, type Arguments } from "./arguments";
import { readText } from "./files";

export const SHAPE = {
  schema: { type: "string" },
  regex: { type: "string" },
  grammar: { type: "string" },
  choices: { type: "string" },
} as const;

/** More than any schema or grammar that could be run. */
const LIMITS = { bytesMax: 4e6, reason: "which is no schema and no grammar" };

/**
 * The shape, which some text can have: it is tried before a model is loaded. Throws UsageError for
 * what stands among the arguments itself; what is wrong with a file is a failure.
 */
export async function shapeOptions(args: Arguments, signal: AbortSignal): Promise<ShapeOptions> {
  const names = Object.keys(SHAPE).filter((name) => args.values[name] !== undefined);
  const [name, other] = names;
  if (name === undefined) return {};
  if (other !== undefined) throw new UsageError(`--${name} does not go with --${other}.`);
  if (args.values["stop"] !== undefined) {
    throw new UsageError(`--stop does not go with --${name}, which says itself where a text ends.`);
  }
  const options = await optionsOf(name, args.values[name] as string, signal);
  try {
    checkShape(options);
  } catch (error) {
    if (!(error instanceof NibbleError)) throw error;
    if (name === "regex" || name === "choices") {
      throw new UsageError(error.message.replace(/^Option choices/, "--choices"));
    }
    throw new NibbleError(error.code, `${printable(args.values[name] as string)}: `
      + error.message, { cause: error });
  }
  return options;
}

/**
 * That a text was cut before it had the shape that it was asked to have, for those who take what is
 * printed for it; undefined where it has the shape, or none was asked for.
 */
export function cutShape(
  args: Arguments, finishReason: FinishReason | undefined,
): NibbleError | undefined {
  const name = Object.keys(SHAPE).find((it) => args.values[it] !== undefined);
  if (name === undefined || finishReason !== "length") return undefined;
  return new NibbleError("TEXT_CUT", `The text was cut by its limit, before it had all of what `
    + `--${name} asks for; raise -n, or --context.`);
}

async function optionsOf(name: string, value: string, signal: AbortSignal): Promise<ShapeOptions> {
  switch (name) {
    case "schema": return { schema: await readSchema(value, signal) };
    case "grammar": return { grammar: await readText(value, LIMITS, signal) };
    case "regex": return { regex: value };
    default: return { choices: choicesOf(value) };
  }
}

async function readSchema(file: string, signal: AbortSignal): Promise<JsonSchema> {
  const text = (await readText(file, LIMITS, signal)).replace(/^\ufeff/, "");
  let schema: JsonSchema;
  try {
    schema = JSON.parse(text) as JsonSchema;
  } catch (cause) {
    const words = cause instanceof Error ? cause.message.replace(/\s+/g, " ") : String(cause);
    throw new NibbleError("BAD_SCHEMA", `${printable(file)} is not JSON: ${words}.`, { cause });
  }
  const name = repeatedName(text);
  if (name === undefined) return schema;
  throw new NibbleError("BAD_SCHEMA", `${printable(file)} has the name "${printable(name)}" twice `
    + "in one object, of which only the last would count; leave one out.");
}

/** `a,b,c`, with `\,` for a comma inside a text, or a list in JSON. */
function choicesOf(value: string): string[] {
  if (!value.trimStart().startsWith("[")) {
    return value.split(/(?<!\\),/).map((text) => text.replaceAll("\\,", ","));
  }
  try {
    return JSON.parse(value) as string[];
  } catch {
    throw new UsageError("--choices takes a,b,c or a list of texts in JSON.");
  }
}
