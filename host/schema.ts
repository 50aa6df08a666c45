// What the shape of a text may be given as: among others a JSON schema, or a schema of a library
// that speaks Standard Schema and Standard JSON Schema (Zod, ArkType, Valibot); and the type of the
// value that it stands for. Only types: knows nothing of how they are checked.

import type { Completion } from "./completion";

/** What a text is to be; at most one of these. */
export interface ShapeOptions<S extends Schema = Schema, Choice extends string = string> {
  /** JSON that is valid by this schema: a JSON schema, or one of Zod, Valibot, ArkType, ... */
  schema?: S | undefined;
  /** A text that this regular expression of ECMAScript matches as a whole. */
  regex?: string | undefined;
  /** A text of this grammar in GBNF, llama.cpp's notation. */
  grammar?: string | undefined;
  /** One of these texts. */
  choices?: readonly Choice[] | undefined;
}

/** A text that has a value, unless it was cut by a limit. */
export type Shaped<Value> = Completion & (
  | { finishReason: "stop"; value: Value }
  | { finishReason: Exclude<Completion["finishReason"], "stop">; value: undefined });

/** What is known of a completion, from the types of the options `schema` and `choices`. */
export type CompletionOf<S, Choice> =
  [S] extends [never] ? [Choice] extends [never] ? Completion : Shaped<Choice>
    : [Choice] extends [never] ? Shaped<ValueOf<S>> : Completion & { value?: unknown };

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

export type Validation<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly Issue[] };

export interface Issue {
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
                // Without a type, `properties` and the like leave other types as they are.
                : S extends { readonly type: infer Type } ? OfType<Type, S, Root>
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
  S extends { readonly prefixItems: infer Items extends readonly unknown[] }
    ? [...Prefix<S, { -readonly [I in keyof Items]: FromSchema<Items[I], Root> }>, ...Rest<S, Root>]
    : S extends { readonly items: infer Item } ? FromSchema<Item, Root>[] : unknown[];

/** All of them are there only where `minItems` says so. */
type Prefix<S, Items extends readonly unknown[]> =
  S extends { readonly minItems: Items["length"] } ? Items : Partial<Items>;

type Rest<S, Root> = S extends { readonly items: infer Item }
  ? Item extends false ? [] : FromSchema<Item, Root>[] : [];

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
