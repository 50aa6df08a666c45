// Whether a given value is valid: the standard's meaning of each keyword, one after another. Used
// for the values that a schema lists itself. Knows nothing of grammars.

import { decimalOf, isMultiple } from "./decimals";
import { FORMATS } from "./formats";
import { unsupported, type Budget } from "./limits";
import { parsePattern } from "../pattern";
import type { Match, Schema } from "./schema";
import type { Strings } from "./strings";
import { distinct, identityOf, isArray, isObject, type Json, type JsonObject } from "./values";

export class Judge {
  readonly #strings: Strings;
  readonly #budget: Budget;
  readonly #lists = new WeakMap<readonly Json[], ReadonlySet<string>>();

  constructor(strings: Strings, budget: Budget) {
    this.#strings = strings;
    this.#budget = budget;
  }

  /** Whether a value is valid. Throws UNSUPPORTED_SCHEMA where a format cannot say. */
  holds(value: Json, schema: Schema): boolean {
    return this.holdsAlone(value, schema) && this.#isCombined(value, schema);
  }

  /** The same, as far as the schema itself says it, without those that it combines. */
  holdsAlone(value: Json, schema: Schema): boolean {
    this.#budget.spend(1, schema.place, "values");
    if (schema.isNever) return false;
    const { types, values = [], unlike = [] } = schema;
    if (types && !types.some((type) => type === typeOf(value))) return false;
    if (!values.every((list) => this.#isIn(value, list)) || this.#isIn(value, unlike)) return false;
    if (typeof value === "number" && !isNumber(value, schema)) return false;
    if (typeof value === "string" && !this.#isString(value, schema)) return false;
    if (isArray(value) && !this.#isArray(value, schema)) return false;
    return !isObject(value) || this.#isObject(value, schema);
  }

  /** Whether a value is in a list, which may be long and is asked often. */
  #isIn(value: Json, list: readonly Json[]): boolean {
    if (list.length === 0) return false;
    let identities = this.#lists.get(list);
    if (!identities) {
      identities = new Set(list.map(identityOf));
      this.#lists.set(list, identities);
    }
    return identities.has(identityOf(value));
  }

  #isCombined(value: Json, schema: Schema): boolean {
    const { allOf = [], anyOf = [], oneOf = [], not = [], conditionals = [] } = schema;
    const holds = (other: Schema | undefined): boolean => !other || this.holds(value, other);
    return allOf.every(holds) && !not.some(holds) && anyOf.every((list) => list.some(holds))
      && oneOf.every((list) => list.filter(holds).length === 1)
      && conditionals.every((it) => holds(holds(it.if) ? it.then : it.else));
  }

  #isString(value: string, schema: Schema): boolean {
    const { minLength = 0, maxLength = Infinity, matches = [], format, place } = schema;
    const length = minLength > 0 || maxLength < Infinity ? Array.from(value).length : minLength;
    if (length < minLength || length > maxLength) return false;
    if (!matches.every((match) => this.#strings.matches(match, value, place))) return false;
    if (format !== undefined && !this.#strings.matches(formatMatch(format), value, place)) {
      // The forms that are written are fewer than those that are valid.
      throw unsupported(place, `lists a value of format ${format} that is not in the usual form`);
    }
    return true;
  }

  #isArray(value: readonly Json[], schema: Schema): boolean {
    const { prefixItems = [], items, contains, minContains = 1, maxContains = Infinity } = schema;
    const { minItems = 0, maxItems = Infinity, isUnique } = schema;
    if (value.length < minItems || value.length > maxItems) return false;
    if (isUnique && distinct(value).length < value.length) return false;
    const isItem = (item: Json, i: number): boolean => {
      const wanted = i < prefixItems.length ? prefixItems[i] : items;
      return !wanted || this.holds(item, wanted);
    };
    if (!value.every(isItem)) return false;
    if (!contains) return true;
    const count = value.filter((item) => this.holds(item, contains)).length;
    return count >= minContains && count <= maxContains;
  }

  #isObject(value: JsonObject, schema: Schema): boolean {
    const { required = [], minProperties = 0, maxProperties = Infinity, propertyNames } = schema;
    const names = Object.keys(value);
    if (names.length < minProperties || names.length > maxProperties) return false;
    if (!required.every((name) => Object.hasOwn(value, name))) return false;
    return names.every((name) => (
      (!propertyNames || this.holds(name, propertyNames))
      && this.membersOf(schema, name).every((it) => this.holds(value[name] as Json, it))));
  }

  /** What one schema asks of the member of a name. */
  membersOf(schema: Schema, name: string): Schema[] {
    const { properties, patternProperties = [], additionalProperties, place } = schema;
    const own = properties?.get(name);
    const matching = patternProperties.filter(({ source, pattern }) => (
      this.#strings.matches({ source, pattern, isNegated: false }, name, place)));
    const found = [...(own ? [own] : []), ...matching.map((it) => it.schema)];
    return found.length > 0 || !additionalProperties ? found : [additionalProperties];
  }
}

const parsed = new Map<string, Match>();

/** A format as the pattern of what is written. */
export function formatMatch(format: string): Match {
  const source = FORMATS.get(format) as string;
  const match = parsed.get(format) ?? { source, pattern: parsePattern(source), isNegated: false };
  parsed.set(format, match);
  return match;
}

function typeOf(value: Json): string {
  return value === null ? "null" : isArray(value) ? "array" : typeof value;
}

function isNumber(value: number, schema: Schema): boolean {
  const { minimum = -Infinity, maximum = Infinity, multiplesOf = [], isFractional } = schema;
  const { exclusiveMinimum = -Infinity, exclusiveMaximum = Infinity } = schema;
  return value >= minimum && value <= maximum && value > exclusiveMinimum
    && value < exclusiveMaximum && !(isFractional && Number.isInteger(value))
    && multiplesOf.every((divisor) => isMultiple(decimalOf(value), decimalOf(divisor)));
}
