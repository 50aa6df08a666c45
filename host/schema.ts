// What the shape of a value may be given as: a JSON schema, or a schema of a library that speaks
// Standard Schema and Standard JSON Schema (Zod, ArkType, Valibot); the type of its values; and the
// value out of a text. Knows nothing of grammars or models.

import { NibbleError } from "./errors";

/** A JSON schema, draft 2020-12 or draft 7. Written in place, or `as const`, it types the value. */
export type JsonSchema = boolean | { readonly [keyword: string]: unknown };

/** Standard Schema, version 1, with the JSON schema of the specification's second part. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
    readonly validate: (value: unknown) => Validation<Output> | Promise<Validation<Output>>;
    readonly jsonSchema: {
      readonly input: (options: { target: "draft-2020-12" }) => Record<string, unknown>;
    };
  };
}

type Validation<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly Issue[] };

interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

export type Schema = JsonSchema | StandardSchema;

/** The type of a schema's values, after what the library makes of them. */
export type ValueOf<S> =
  S extends { readonly "~standard": { readonly types?: infer T } }
    ? NonNullable<T> extends { readonly output: infer Output } ? Output : unknown
    : FromSchema<S, S>;

/** Of a JSON schema: as exact as its keywords are known to the compiler, else `unknown`. */
type FromSchema<S, Root> =
  S extends false ? never
    : S extends { readonly const: infer Value } ? Value
      : S extends { readonly enum: readonly (infer Value)[] } ? Value
        : S extends { readonly $ref: infer Place } ? FromSchema<Referred<Place, Root>, Root>
          : S extends { readonly anyOf: readonly (infer Option)[] } ? Each<Option, Root>
            : S extends { readonly oneOf: readonly (infer Option)[] } ? Each<Option, Root>
              : S extends { readonly allOf: infer All } ? Every<All, Root>
                : S extends { readonly type: infer Type } ? OfType<Type, S, Root>
                  : S extends { readonly properties: object } ? ObjectOf<S, Root>
                    : unknown;

type Each<Option, Root> = Option extends unknown ? FromSchema<Option, Root> : never;

type Every<All, Root> = All extends readonly [infer First, ...infer Others]
  ? FromSchema<First, Root> & Every<Others, Root> : unknown;

type Referred<Place, Root> =
  Place extends "#" ? Root
    : Place extends `#/$defs/${infer Name}`
      ? Root extends { readonly $defs: { readonly [N in Name]: infer S } } ? S : true
      : Place extends `#/definitions/${infer Name}`
        ? Root extends { readonly definitions: { readonly [N in Name]: infer S } } ? S : true
        : true;

type OfType<Type, S, Root> =
  Type extends readonly (infer One)[] ? OfType<One, S, Root>
    : Type extends "string" ? string
      : Type extends "number" | "integer" ? number
        : Type extends "boolean" ? boolean
          : Type extends "null" ? null
            : Type extends "array" ? ArrayOf<S, Root>
              : Type extends "object" ? ObjectOf<S, Root>
                : unknown;

type ArrayOf<S, Root> =
  S extends { readonly prefixItems: infer Items }
    ? { -readonly [I in keyof Items]: FromSchema<Items[I], Root> }
    : S extends { readonly items: infer Item } ? FromSchema<Item, Root>[] : unknown[];

type ObjectOf<S, Root> =
  S extends { readonly properties: infer Properties } ? Flat<
    & { -readonly [Name in keyof Properties as Name extends Required<S> ? Name : never]:
      FromSchema<Properties[Name], Root> }
    & { -readonly [Name in keyof Properties as Name extends Required<S> ? never : Name]?:
      FromSchema<Properties[Name], Root> }>
    : S extends { readonly additionalProperties: infer Value }
      ? { [name: string]: FromSchema<Value, Root> } : { [name: string]: unknown };

type Required<S> = S extends { readonly required: readonly (infer Name)[] } ? Name : never;

type Flat<T> = { [Name in keyof T]: T[Name] };

/** Whether a schema is a library's and not a JSON schema itself. */
function isStandard(schema: unknown): schema is StandardSchema {
  // ArkType's are functions.
  return (typeof schema === "object" || typeof schema === "function") && schema !== null
    && "~standard" in schema;
}

/** The JSON schema of a schema: of what is written, not of what is made of it. Throws BAD_SCHEMA. */
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
  throw new NibbleError("VALUE_REFUSED", "The text has the form of the schema, but the schema's own "
    + `check refuses it${path ? ` at ${path}` : ""}: ${sentenceOf(first?.message ?? "no reason")}`,
  { cause: { value, issues: result.issues } });
}

/** Foreign words as the end of a sentence. */
function sentenceOf(reason: unknown): string {
  const words = reason instanceof Error ? reason.message : String(reason);
  return `${words.replace(/\s+/g, " ").slice(0, 300).replace(/[.\s]+$/, "")}.`;
}
