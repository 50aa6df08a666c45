// A schema after it was read: each keyword with its value, and nothing of how it was written. All
// keywords are conditions that hold together; those for one type of values do not touch others.
// Knows nothing of grammars.

import type { Pattern } from "../pattern";
import type { Json } from "./values";

export type TypeName = "null" | "boolean" | "number" | "string" | "array" | "object";
export const TYPES: readonly TypeName[] =
  ["null", "boolean", "number", "string", "array", "object"];

/** A regular expression that a text has to match somewhere, or nowhere. */
export interface Match {
  readonly source: string;
  readonly pattern: Pattern;
  readonly isNegated: boolean;
}

/** What members have whose names match. */
export interface NamedBy {
  readonly source: string;
  readonly pattern: Pattern;
  readonly schema: Schema;
}

/** What every condition may leave unsaid. */
export interface Conditions {
  /** The schema `false`. */
  isNever?: true;
  types?: readonly TypeName[];
  /** Lists, in each of which the value is. */
  values?: readonly (readonly Json[])[];
  /** What the value is not. */
  unlike?: readonly Json[];

  minimum?: number;
  exclusiveMinimum?: number;
  maximum?: number;
  exclusiveMaximum?: number;
  /** All of them divide the number; an integer is a multiple of 1. */
  multiplesOf?: readonly number[];
  /** The opposite of an integer. */
  isFractional?: true;

  minLength?: number;
  maxLength?: number;
  matches?: readonly Match[];
  format?: string;

  prefixItems?: readonly Schema[];
  /** Items behind the prefix. */
  items?: Schema;
  minItems?: number;
  maxItems?: number;
  contains?: Schema;
  minContains?: number;
  maxContains?: number;
  isUnique?: true;

  properties?: ReadonlyMap<string, Schema>;
  patternProperties?: readonly NamedBy[];
  additionalProperties?: Schema;
  required?: readonly string[];
  minProperties?: number;
  maxProperties?: number;
  propertyNames?: Schema;

  /** Each also holds; references are among them. */
  allOf?: readonly Schema[];
  /** Of each list, one or more hold. */
  anyOf?: readonly (readonly Schema[])[];
  /** Of each list, exactly one holds. */
  oneOf?: readonly (readonly Schema[])[];
  /** None holds. */
  not?: readonly Schema[];
  /** If the first holds the second does, and the third otherwise. */
  conditionals?: readonly { readonly if: Schema; readonly then?: Schema; readonly else?: Schema }[];
}

export interface Schema extends Readonly<Conditions> {
  /** Its number; the same schema has the same. */
  readonly id: number;
  /** Where it, or what it was made of, stands in what was read. */
  readonly place: string;
}

/** Makes schemas, and knows the same again. */
export class Schemas {
  /** All that were made, by their numbers. */
  readonly all: Schema[] = [];
  readonly #made = new Map<string, Schema>();

  add(place: string, conditions: Conditions): Schema {
    const schema = { ...conditions, id: this.all.length, place };
    this.all.push(schema);
    return schema;
  }

  /** A schema that follows from others: one for each key, so that equal questions meet again. */
  derived(key: string, place: string, conditions: () => Conditions): Schema {
    const known = this.#made.get(key);
    if (known) return known;
    const made = this.add(place, conditions());
    this.#made.set(key, made);
    return made;
  }
}
