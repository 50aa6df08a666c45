// Schemas of libraries and the values of texts: the JSON schema that a library's schema stands for,
// and what it makes of a text. Knows nothing of grammars or models.

import { NibbleError } from "./errors";
import type { JsonSchema, Schema, StandardSchema, ValueOf } from "./schema";

/** Whether a schema is a library's and not a JSON schema itself. */
function isStandard(schema: unknown): schema is StandardSchema {
  // ArkType's are functions.
  return (typeof schema === "object" || typeof schema === "function") && schema !== null
    && typeof (schema as Partial<StandardSchema>)["~standard"] === "object"
    && (schema as StandardSchema)["~standard"] !== null;
}

/** The JSON schema of what is written, not of what is made of it. Throws BAD_SCHEMA. */
export function jsonSchemaOf(schema: Schema): JsonSchema {
  if (!isStandard(schema)) return schema;
  const { jsonSchema, vendor } = schema["~standard"];
  if (typeof jsonSchema?.input !== "function") {
    throw new NibbleError("BAD_SCHEMA", `This schema of ${vendor} cannot tell its JSON schema; `
      + "give a JSON schema, or a Standard JSON Schema (Zod from 4.2 on, ArkType, Valibot with "
      + "toStandardJsonSchema of @valibot/to-json-schema).");
  }
  try {
    return jsonSchema.input({ target: "draft-2020-12" });
  } catch (cause) {
    throw new NibbleError("BAD_SCHEMA",
      `${vendor} finds no JSON schema for this schema: ${sentenceOf(cause)}`, { cause });
  }
}

/**
 * The value that a text in JSON stands for, as the schema's library gives it out. Throws
 * VALUE_REFUSED where a check that no JSON schema can express refuses it.
 */
export async function valueOf<S extends Schema>(schema: S, text: string): Promise<ValueOf<S>> {
  const value: unknown = JSON.parse(text);
  if (!isStandard(schema)) return value as ValueOf<S>;
  const result = await schema["~standard"].validate(value);
  if (!result.issues) return result.value as ValueOf<S>;
  const [first] = result.issues;
  const path = (first?.path ?? []).map((step) => (
    String(typeof step === "object" ? step.key : step))).join(".");
  const place = path ? ` at ${path}` : "";
  throw new NibbleError("VALUE_REFUSED", "The text has the form of the schema, but the schema's "
    + `own check refuses it${place}: ${sentenceOf(first?.message ?? "no reason")}`,
  { cause: { value, issues: result.issues } });
}

/** Foreign words as the end of a sentence. */
function sentenceOf(reason: unknown): string {
  const words = reason instanceof Error ? reason.message : String(reason);
  return `${words.replace(/\s+/g, " ").slice(0, 300).replace(/[.\s]+$/, "")}.`;
}
