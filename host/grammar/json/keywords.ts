// The value of one keyword, checked: a sentence with its place where it is not what the standard
// asks for. Knows nothing of what keywords mean.

import { NibbleError } from "../../errors";
import { parsePattern, type Pattern } from "../pattern";
import { partsOf } from "./ahead";
import { COUNT_MAX, badSchema, quoted, tooLarge, unsupported } from "./limits";
import { TYPES, type Match, type TypeName } from "./schema";
import { isArray, isObject, type Json, type JsonObject } from "./values";

export function numberAt(value: Json, place: string): number {
  if (typeof value === "number") return value;
  throw badSchema(place, "has to be a number");
}

/** A count such as minLength. */
export function countAt(value: Json, place: string): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0) {
    throw badSchema(place, "has to be a whole number from 0 on");
  }
  return value;
}

/** A lower bound of a count, which has to be counted. */
export function leastAt(value: Json, place: string): number {
  const count = countAt(value, place);
  if (count > COUNT_MAX) throw tooLarge(place, `asks for more than ${COUNT_MAX} parts`);
  return count;
}

/** An upper bound of a count; beyond what is counted, the bound that is. */
export function mostAt(value: Json, place: string): number {
  return Math.min(countAt(value, place), COUNT_MAX);
}

export function divisorAt(value: Json, place: string): number {
  if (typeof value === "number" && value > 0) return value;
  throw badSchema(place, "has to be a number above 0");
}

export function booleanAt(value: Json, place: string): boolean {
  if (typeof value === "boolean") return value;
  throw badSchema(place, "has to be true or false");
}

export function textAt(value: Json, place: string): string {
  if (typeof value === "string") return value;
  throw badSchema(place, "has to be a string");
}

export function listAt(value: Json, place: string): readonly Json[] {
  if (isArray(value)) return value;
  throw badSchema(place, "has to be an array");
}

export function objectAt(value: Json, place: string): JsonObject {
  if (isObject(value)) return value;
  throw badSchema(place, "has to be an object");
}

export function namesAt(value: Json, place: string): string[] {
  const names = listAt(value, place);
  if (names.every((name): name is string => typeof name === "string")) return [...new Set(names)];
  throw badSchema(place, "has to be an array of strings");
}

/** The types a keyword names, with integers apart. */
export function typesAt(value: Json, place: string): (TypeName | "integer")[] {
  const names = isArray(value) ? value : [value];
  if (names.length === 0) throw badSchema(place, "names no type");
  return names.map((name) => {
    const known = [...TYPES, "integer" as const].find((type) => type === name);
    if (known) return known;
    throw badSchema(place, `has to be one or several of ${TYPES.join(", ")}, integer`);
  });
}

/** A regular expression, with the place in what is said of it. */
export function patternAt(value: Json, place: string): Pattern {
  const source = textAt(value, place);
  try {
    return parsePattern(source);
  } catch (error) {
    if (!(error instanceof NibbleError)) throw error;
    throw unsupported(place, `has the pattern "${quoted(source)}", of which it is to be said: `
      + error.message.replace(/\.$/, ""));
  }
}

/** What a text has to match, and what not, so that a regular expression matches it. */
export function matchesAt(value: Json, place: string): Match[] {
  return partsOf(textAt(value, place)).map(({ source, isNegated }) => (
    { source, isNegated, pattern: patternAt(source, place) }));
}
