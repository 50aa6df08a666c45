// What a text says, as a value of a schema: a prompt that asks for it, and the schema as the shape
// of the answer. Knows nothing of how answers are kept in shape.

import type { ChatMessage } from "./chat";
import { completionOf, type Writing } from "./completion";
import { NibbleError } from "./errors";
import { measured } from "./grammar/json/measure";
import type { ModelInfo } from "./info";
import { checkText, type GenerateOptions } from "./options";
import type { Schema, Shaped, ValueOf } from "./schema";
import { withValue } from "./shapes";
import { jsonSchemaOf } from "./value";

/** As of `complete`, but that the text's shape is known, and temperature 0 is the default. */
export interface ExtractOptions
  extends Omit<GenerateOptions, "schema" | "regex" | "grammar" | "choices" | "stop"> {
  /**
   * What is asked, with `{text}` where the text stands and, if wanted, `{schema}` where the JSON
   * schema does. Default for chat models a request in words, for others the text and "JSON:".
   */
  prompt?: string | undefined;
}

const PLACES = /\{text\}|\{schema\}/g;
const ASKED = "Here is a text:\n\n{text}\n\nAnswer only with JSON that holds what the text says, "
  + "by this JSON schema:\n{schema}";
const CONTINUED = "{text}\n\nJSON:\n";

/** What `extract` needs of a model. */
interface Writer {
  readonly info: Pick<ModelInfo, "chatTemplate">;
  generate(prompt: string, options: GenerateOptions): Writing;
  chat(messages: readonly ChatMessage[], options: GenerateOptions): Writing;
}

/** Writes what a text says as a value of the schema. Throws as `complete` does. */
export async function extract<S extends Schema>(
  model: Writer, text: string, schema: S, options: ExtractOptions,
): Promise<Shaped<ValueOf<S>>> {
  checkText(text);
  if (schema === undefined) {
    throw new NibbleError("BAD_SCHEMA", "No schema was given; extract needs one for its answer.");
  }
  const other = ["schema", "regex", "grammar", "choices", "stop"].find((name) => (
    (options as GenerateOptions)[name as keyof GenerateOptions] !== undefined));
  if (other !== undefined) {
    throw new NibbleError("BAD_OPTION",
      `Option ${other} does not go with extract, whose schema says what the answer is to be.`);
  }
  const isChat = model.info.chatTemplate !== undefined;
  const { prompt = isChat ? ASKED : CONTINUED, ...others } = options;
  if (typeof prompt !== "string" || !prompt.includes("{text}")) {
    throw new NibbleError("BAD_OPTION", "Option prompt takes a text with {text} in it.");
  }
  // In one go, since a text may have {schema} in it.
  const content = prompt.replace(PLACES, (place) => (
    place === "{text}" ? text : JSON.stringify(measured(jsonSchemaOf(schema)))));
  const all = { temperature: 0, ...others, schema };
  const writing = isChat ? model.chat([{ role: "user", content }], all)
    : model.generate(content, all);
  return withValue<S, never>(await completionOf(writing), all) as Promise<Shaped<ValueOf<S>>>;
}
