// Whether something is JSON at all, and small enough to look at. Nothing here calls itself, so that
// no depth is too deep to be refused. Knows nothing of schemas.

import { DEPTH_MAX, PLACES_MAX, TEXT_MAX, VALUES_MAX, badSchema, quoted, tooLarge } from "./limits";
import { isArray, isObject, placeOf, type Json } from "./values";

/**
 * The same thing as JSON. Throws BAD_SCHEMA for what JSON cannot say, and GRAMMAR_TOO_COMPLEX
 * beyond the limits; of things that contain themselves, the depth is.
 */
export function measured(schema: unknown): Json {
  const rest: { value: unknown; place: string; depth: number }[] =
    [{ value: schema, place: "#", depth: 0 }];
  let values = 0;
  let characters = 0;
  let places = 0;
  for (let next = rest.pop(); next; next = rest.pop()) {
    const { value, place, depth } = next;
    values++;
    places += place.length;
    if (places > PLACES_MAX) {
      throw tooLarge(place, "is one of too many values below long names", "use shorter names");
    }
    if (typeof value === "string") characters += value.length;
    if (depth > DEPTH_MAX) {
      throw tooLarge(place, `is nested deeper than ${DEPTH_MAX} levels`);
    }
    const inner = partsOf(value, place);
    // Checked before anything is done with each of them.
    if (values + rest.length + inner.length > VALUES_MAX) {
      throw tooLarge("#", `has more than ${VALUES_MAX} values, the most at ${quoted(place)}`);
    }
    for (const [name, part] of inner) {
      if (typeof name === "string") characters += name.length;
      rest.push({ value: part, place: placeOf(place, name), depth: depth + 1 });
    }
    if (characters > TEXT_MAX) throw tooLarge("#", `has more than ${TEXT_MAX} characters`);
  }
  return schema as Json;
}

/** The items or members of a value. */
function partsOf(value: unknown, place: string): readonly (readonly [string | number, unknown])[] {
  if (isArray(value)) {
    if (value.length > VALUES_MAX) throw tooLarge(place, `has more than ${VALUES_MAX} items`);
    return Array.from(value, (item, i) => [i, item] as const);
  }
  if (isObject(value)) {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
      throw badSchema(place, "is an object of a class, not plain JSON");
    }
    const names = Object.keys(value);
    if (names.length > VALUES_MAX) throw tooLarge(place, `has more than ${VALUES_MAX} members`);
    return names.map((name) => [name, value[name]] as const);
  }
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw badSchema(place, `is ${value}, which JSON cannot say`);
  }
  if (value !== null && !["string", "number", "boolean"].includes(typeof value)) {
    throw badSchema(place, `is ${value === undefined ? "undefined" : `a ${typeof value}`}, `
      + "which JSON cannot say");
  }
  return [];
}
