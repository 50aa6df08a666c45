// What shape an answer is asked to have: OpenAI's response_format, and the fields for the same of
// llama.cpp's server and of vLLM. Each says which field it was, for failures to name. Knows nothing
// of what schemas and grammars mean.

import { repeatedName } from "../repeated";
import type { JsonSchema, ShapeOptions } from "../schema";
import { wrong, type Fields } from "./fields";
import { Refusal } from "./refusal";

export interface Shape {
  options: ShapeOptions;
  /** The field that says it; undefined where none does. */
  param: string | undefined;
}

/** Any JSON object. */
const OBJECT: JsonSchema = { type: "object" };

/** Takes all fields that say a shape; at most one may. Throws Refusal. */
export function shapeOf(fields: Fields): Shape {
  const found: { param: string; options: ShapeOptions }[] = [];
  const add = (param: string, options: ShapeOptions | undefined): void => {
    if (options) found.push({ param, options });
  };
  add("response_format", formatOf(fields.object("response_format")));
  const grammar = fields.text("grammar");
  add("grammar", grammar === undefined || grammar === "" ? undefined : { grammar });
  for (const name of ["json_schema", "guided_json"]) {
    add(name, schemaOf(name, fields.take(name)));
  }
  const regex = fields.text("guided_regex");
  add("guided_regex", regex === undefined ? undefined : { regex });
  add("guided_choice", choicesOf("guided_choice", fields.take("guided_choice")));
  const guided = fields.text("guided_grammar");
  add("guided_grammar", guided === undefined ? undefined : { grammar: guided });
  addOutputs(fields.object("structured_outputs"), add);
  const [first, second] = found;
  if (first && second) {
    throw new Refusal(400, `${first.param} and ${second.param} both say what the answer is to be; `
      + "send one of them.", second.param, "invalid_value");
  }
  return { options: first?.options ?? {}, param: first?.param };
}

/** vLLM's newer field, which has the others inside. */
function addOutputs(
  outputs: Fields | undefined, add: (param: string, options: ShapeOptions | undefined) => void,
): void {
  if (!outputs) return;
  const name = (field: string): string => `structured_outputs.${field}`;
  add(name("json"), schemaOf(name("json"), outputs.take("json")));
  if (outputs.flag("json_object")) add(name("json_object"), { schema: OBJECT });
  const regex = outputs.text("regex");
  add(name("regex"), regex === undefined ? undefined : { regex });
  add(name("choice"), choicesOf(name("choice"), outputs.take("choice")));
  const grammar = outputs.text("grammar");
  add(name("grammar"), grammar === undefined ? undefined : { grammar });
  outputs.end("structured_outputs.");
}

/** OpenAI's text, json_object and json_schema; llama.cpp puts a `schema` beside the type. */
function formatOf(format: Fields | undefined): ShapeOptions | undefined {
  if (!format) return undefined;
  const type = format.take("type");
  let options: ShapeOptions | undefined;
  if (type === "json_object" || type === "json_schema") {
    const param = "response_format.schema";
    const beside = schemaOf(param, format.take("schema"));
    const own = type === "json_schema" ? format.object("json_schema") : undefined;
    if (own) {
      own.text("name");
      own.text("description");
      own.flag("strict"); // it is always kept
      options = schemaOf("response_format.json_schema.schema", own.take("schema"));
      own.end("response_format.json_schema.");
    }
    options ??= beside;
    if (type === "json_schema" && !options) {
      throw wrong("response_format.json_schema.schema", "a JSON schema");
    }
    options ??= { schema: OBJECT };
  } else if (type !== "text") {
    throw wrong("response_format.type", "text, json_object or json_schema");
  }
  format.end("response_format.");
  return options;
}

/** A JSON schema, or one as a text in JSON, which some of vLLM's clients send. */
function schemaOf(name: string, value: unknown): ShapeOptions | undefined {
  if (value === undefined) return undefined;
  let schema = value;
  if (typeof schema === "string") {
    const text = schema;
    try {
      schema = JSON.parse(text);
    } catch {
      throw wrong(name, "a JSON schema");
    }
    if (repeatedName(text) !== undefined) {
      throw wrong(name, "a JSON schema in which no object has a name twice");
    }
  }
  if (typeof schema === "boolean" || (typeof schema === "object" && schema !== null
    && !Array.isArray(schema))) {
    return { schema: schema as JsonSchema };
  }
  throw wrong(name, "a JSON schema");
}

function choicesOf(name: string, value: unknown): ShapeOptions | undefined {
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.every((text) => typeof text === "string")) {
    return { choices: value as string[] };
  }
  throw wrong(name, "a list of texts");
}
