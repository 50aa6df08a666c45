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

/** Whether two values are equal as JSON Schema has it: 1 is 1.0, members have no order. */
export function sameValue(a: Json, b: Json): boolean {
  if (isArray(a)) {
    return isArray(b) && a.length === b.length
      && a.every((value, i) => sameValue(value, b[i] as Json));
  }
  if (!isObject(a)) return a === b;
  const names = Object.keys(a);
  return isObject(b) && names.length === Object.keys(b).length && names.every((name) => (
    Object.hasOwn(b, name) && sameValue(a[name] as Json, b[name] as Json)));
}

/** The values without those that are equal to an earlier one. */
export function distinct(values: readonly Json[]): Json[] {
  const seen = new Set<string>();
  return values.filter((value, i) => {
    // Texts are equal where values are, unless members are ordered otherwise.
    if (typeof value === "object" && value !== null) {
      return !values.slice(0, i).some((earlier) => sameValue(earlier, value));
    }
    const key = `${typeof value} ${String(value)}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
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
