// JSON values that stand in a schema: when two are equal, and how one is written. Knows nothing of
// what a schema means.

export type Json =
  null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
export type JsonObject = { readonly [name: string]: Json };

/** What lies between two values of an array or members of an object, and behind a name. */
export const COMMA = ", ";
export const COLON = ": ";

export function isArray(value: unknown): value is readonly Json[] {
  return Array.isArray(value);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * A text that two values share if they are equal as JSON Schema has it: 1 is 1.0, and members have
 * no order.
 */
export function identityOf(value: Json): string {
  if (isArray(value)) return `[${value.map(identityOf).join()}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.keys(value).sort().map((name) => (
    `${JSON.stringify(name)}:${identityOf(value[name] as Json)}`));
  return `{${members.join()}}`;
}

/** The values without those that are equal to an earlier one. */
export function distinct<Value extends Json>(values: readonly Value[]): Value[] {
  const seen = new Set<string>();
  return values.filter((value) => {
    const identity = identityOf(value);
    return !seen.has(identity) && seen.add(identity);
  });
}

/** A value on one line, in the one form in which values are written. */
export function textOf(value: Json): string {
  if (isArray(value)) return `[${value.map(textOf).join(COMMA)}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.keys(value).map((name) => (
    `${JSON.stringify(name)}${COLON}${textOf(value[name] as Json)}`));
  return `{${members.join(COMMA)}}`;
}

/** The place of a part, as a JSON pointer in a fragment: `#/properties/a~1b`. */
export function placeOf(place: string, ...names: readonly (string | number)[]): string {
  return place + names.map((name) => (
    `/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`)).join("");
}
