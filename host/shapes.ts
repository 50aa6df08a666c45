// What shape a text is asked to have, out of the options of a call: as a constraint on the model's
// tokens, kept for the next call that asks for the same, and as the value of the text once it is
// written. Knows nothing of sessions.

import { withoutLastSpace, type Completion, type Writing } from "./completion";
import type { Engine } from "./engine";
import { NibbleError } from "./errors";
import { Automaton } from "./grammar/automaton";
import { choicesGrammar } from "./grammar/choices";
import { constrain, type Constraint } from "./grammar/constraint";
import { gbnfGrammar } from "./grammar/gbnf";
import { measured } from "./grammar/json/measure";
import { regexGrammar } from "./grammar/regex";
import { grammarOfSchema } from "./grammar/schema";
import type { Grammar } from "./grammar/syntax";
import type { GenerateOptions } from "./options";
import type { CompletionOf, Schema, ShapeOptions } from "./schema";
import { jsonSchemaOf, valueOf } from "./value";

/**
 * Constraints that are kept, with what they have learned of their states. A service has few forms;
 * the one unused the longest goes.
 */
const KEPT_MAX = 8;
/**
 * What they may take together: an eighth of the memory of a small worker. Most take some tenths of
 * a megabyte; long lists, and forms under which much was written, up to 15 each.
 */
const KEPT_BYTES_MAX = 16 * 2 ** 20;

const NAMES = ["schema", "regex", "grammar", "choices"] as const satisfies
  readonly (keyof ShapeOptions)[];

/** The shapes of the texts of one loaded model. */
export class Shapes {
  readonly #kept = new Map<string, Constraint>();

  /**
   * What options ask for; undefined where they ask for nothing. Throws BAD_OPTION, BAD_SCHEMA,
   * UNSUPPORTED_SCHEMA, BAD_REGEX, BAD_GRAMMAR, GRAMMAR_EMPTY or GRAMMAR_TOO_COMPLEX.
   */
  constraintOf(engine: Engine, options: GenerateOptions): Constraint | undefined {
    const name = shapeOf(options);
    if (name === undefined) return undefined;
    const value = name === "schema" ? jsonSchemaOf(options.schema as Schema) : options[name];
    const key = `${name} ${keyOf(name, value)}`;
    const constraint = this.#kept.get(key) ?? constrain(engine, grammarOf(name, value));
    this.#kept.delete(key);
    this.#kept.set(key, constraint);
    this.#forget();
    return constraint;
  }

  /** Lets the oldest go until the rest is few and small enough; the newest stays. */
  #forget(): void {
    let bytes = 0;
    const newest = [...this.#kept].reverse();
    newest.forEach(([key, constraint], i) => {
      bytes += constraint.byteLength + key.length;
      if (i > 0 && (i >= KEPT_MAX || bytes > KEPT_BYTES_MAX)) this.#kept.delete(key);
    });
  }
}

/**
 * Whether some text can have the shape at all, for those who want to know before they have a model.
 * Throws as `constraintOf`.
 */
export function checkShape(options: ShapeOptions): void {
  const name = shapeOf(options);
  if (name === undefined) return;
  void new Automaton(grammarOf(name, name === "schema" ? jsonSchemaOf(options.schema as Schema)
    : options[name]));
}

/** Which option says the shape. Throws BAD_OPTION where more than one does, or with a stop. */
export function shapeOf(options: GenerateOptions): keyof ShapeOptions | undefined {
  const [name, other] = NAMES.filter((it) => options[it] !== undefined);
  if (other !== undefined) {
    throw new NibbleError("BAD_OPTION",
      `Options ${name} and ${other} both say what the text is to be; give one of them.`);
  }
  if (name !== undefined && (options.stop?.length ?? 0) > 0) {
    throw new NibbleError("BAD_OPTION", `Option stop does not go with ${name}, which says itself `
      + "where the text may end; leave stop out.");
  }
  return name;
}

/** An answer of a chat: where it has a shape, white space at its end is part of it. */
export function answerOf(writing: Writing, options: GenerateOptions): Writing {
  return shapeOf(options) === undefined ? withoutLastSpace(writing) : writing;
}

/** A completion with its value, where its options ask for one. Throws VALUE_REFUSED. */
export async function withValue<S, Choice>(
  completion: Completion, options: GenerateOptions,
): Promise<CompletionOf<S, Choice>> {
  const { schema, choices } = options;
  if (schema === undefined && choices === undefined) return completion as CompletionOf<S, Choice>;
  const { text, finishReason } = completion;
  const value: unknown = finishReason !== "stop" ? undefined
    : schema === undefined ? text : await valueOf(schema, text);
  return { ...completion, value } as CompletionOf<S, Choice>;
}

function grammarOf(name: keyof ShapeOptions, value: unknown): Grammar {
  switch (name) {
    case "schema": return grammarOfSchema(value);
    case "choices": return choicesGrammar(value as string[]);
    default:
      if (typeof value !== "string") {
        throw new NibbleError("BAD_OPTION", value instanceof RegExp
          ? "Option regex takes a text, such as \"[0-9]+\": give the source of the RegExp, and say "
            + "there what its flags say."
          : `Option ${name} takes a text.`);
      }
      return name === "regex" ? regexGrammar(value) : gbnfGrammar(value);
  }
}

/**
 * What a form is known by. A schema is measured first: what JSON cannot say must not pass for what
 * it would be written as (a NaN for null, a Map for {}), and parts that share parts, without end as
 * JSON, are refused. Of the other ways only what is refused anyway is written as something else.
 */
function keyOf(name: keyof ShapeOptions, value: unknown): string {
  if (name === "schema") return JSON.stringify(measured(value));
  const isReadable = typeof value === "string"
    || (Array.isArray(value) && value.every((text) => typeof text === "string"));
  return isReadable ? JSON.stringify(value) : "";
}
