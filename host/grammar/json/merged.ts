// Several schemas that hold together, as one list of conditions for each type of values. Only what
// each says itself is looked at: alternatives were chosen before. Knows nothing of how values are
// written.

import { compare, decimalOf, isMultiple, leastMultiple, type Decimal } from "./decimals";
import { formatMatch, type Judge } from "./judge";
import { DIVISOR_MAX, type Bound, type NumberCondition } from "./numbers";
import { TYPES, type Schema, type TypeName } from "./schema";
import type { StringCondition } from "./strings";
import { distinct, isArray, isObject, type Json } from "./values";

/** What values have to be for which all of some schemas hold. */
export interface Merged {
  readonly schemas: readonly Schema[];
  readonly place: string;
  /** Types that values may have; those without a value may be among them. */
  readonly types: readonly TypeName[];
  /** All values, if they are listed. */
  readonly values: readonly Json[] | undefined;
  /** Values that are not meant; numbers and texts are seen to by their conditions. */
  readonly unlike: readonly Json[];
  /** One of these, where numbers are among the types. */
  readonly numbers: readonly NumberCondition[];
  readonly strings: StringCondition;
  readonly minItems: number;
  readonly maxItems: number;
  readonly minProperties: number;
  readonly maxProperties: number;
  /** Names of members that have to be there. */
  readonly required: readonly string[];
}

const ANY_STRING: StringCondition = { least: 0, most: Infinity, matches: [], unlike: [] };

export function merged(schemas: readonly Schema[], judge: Judge): Merged {
  const unlike = schemas.flatMap((it) => it.unlike ?? []);
  const required = [...new Set(schemas.flatMap((it) => it.required ?? []))];
  const listed = schemas.find((it) => it.values)?.values?.[0];
  const types = TYPES.filter((type) => schemas.every((it) => !it.types || it.types.includes(type)));
  const isUnlike = (wanted: (value: Json) => boolean): boolean => unlike.some((value) => (
    wanted(value) && Object.keys(value as object).length === 0));
  return {
    schemas,
    place: schemas[0]?.place ?? "#",
    types,
    values: listed && distinct(listed).filter((value) => (
      schemas.every((schema) => judge.holdsAlone(value, schema)))),
    unlike,
    numbers: types.includes("number") ? numbersOf(schemas, unlike) : [],
    strings: types.includes("string") ? stringsOf(schemas, unlike) : ANY_STRING,
    minItems: Math.max(isUnlike(isArray) ? 1 : 0, ...schemas.map((it) => it.minItems ?? 0)),
    maxItems: Math.min(...schemas.map((it) => it.maxItems ?? Infinity)),
    minProperties: Math.max(isUnlike(isObject) ? 1 : 0,
      ...schemas.map((it) => it.minProperties ?? 0)),
    maxProperties: Math.min(...schemas.map((it) => it.maxProperties ?? Infinity)),
    required,
  };
}

function stringsOf(schemas: readonly Schema[], unlike: readonly Json[]): StringCondition {
  const matches = schemas.flatMap((it) => [
    ...it.matches ?? [], ...(it.format === undefined ? [] : [formatMatch(it.format)])]);
  const seen = new Set<string>();
  return {
    least: Math.max(0, ...schemas.map((it) => it.minLength ?? 0)),
    most: Math.min(...schemas.map((it) => it.maxLength ?? Infinity)),
    matches: matches.filter(({ source, isNegated }) => {
      const key = `${isNegated} ${source}`;
      return !seen.has(key) && seen.add(key);
    }),
    unlike: unlike.filter((value) => typeof value === "string"),
  };
}

/** The ranges of numbers, between those that are not meant. */
function numbersOf(schemas: readonly Schema[], unlike: readonly Json[]): NumberCondition[] {
  let low: Bound | undefined;
  let high: Bound | undefined;
  let multipleOf: Decimal | undefined;
  for (const schema of schemas) {
    const { minimum, exclusiveMinimum, maximum, exclusiveMaximum, multiplesOf = [] } = schema;
    if (minimum !== undefined) low = tighter(low, bound(minimum, false), 1);
    if (exclusiveMinimum !== undefined) low = tighter(low, bound(exclusiveMinimum, true), 1);
    if (maximum !== undefined) high = tighter(high, bound(maximum, false), -1);
    if (exclusiveMaximum !== undefined) high = tighter(high, bound(exclusiveMaximum, true), -1);
    for (const divisor of multiplesOf.map(decimalOf)) {
      // What is refused already need not grow on.
      if (multipleOf && multipleOf.units > DIVISOR_MAX) break;
      multipleOf = multipleOf ? leastMultiple(multipleOf, divisor) : divisor;
    }
  }
  const isFractional = schemas.some((it) => it.isFractional);
  const holes = distinct(unlike).filter((value) => typeof value === "number")
    .sort((a, b) => a - b).map(decimalOf)
    .filter((value) => !multipleOf || isMultiple(value, multipleOf));
  const ranges: NumberCondition[] = [];
  for (const value of holes) {
    const isInside = !(low && compare(value, low.value) < 0)
      && !(high && compare(value, high.value) > 0);
    if (!isInside) continue;
    const hole: Bound = { value, isOpen: true };
    ranges.push({ low, high: tighter(high, hole, -1), multipleOf, isFractional });
    low = tighter(low, hole, 1);
  }
  return [...ranges, { low, high, multipleOf, isFractional }];
}

function bound(value: number, isOpen: boolean): Bound {
  return { value: decimalOf(value), isOpen };
}

/** The tighter of two bounds; the sign says which way. */
function tighter(a: Bound | undefined, b: Bound, sign: 1 | -1): Bound {
  if (!a) return b;
  const order = compare(a.value, b.value) * sign;
  return order > 0 || order === 0 && a.isOpen ? a : b;
}
