// Schemas with so few values that all can be listed: the texts of the grammar are those of the
// candidates that a validator finds valid, no more and no fewer. Does not know: how grammars are
// made.

import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { Automaton } from "../../../host/grammar/automaton";
import { grammarOfSchema } from "../../../host/grammar/schema";
import { allTexts, line } from "./running";

const TEXTS = ["", "a", "b", "aa", "ab", "ba", "bb", "aab", "\"", "\\", "\n", "a\u0001", "é", "𝄞"];
const INTEGERS = Array.from({ length: 261 }, (_, i) => i - 130);
const DECIMALS = Array.from({ length: 801 }, (_, i) => (i - 400) / 100);

/** All arrays of up to so many of the values. */
function arraysOf(values: readonly unknown[], most: number): unknown[][] {
  let longest: unknown[][] = [[]];
  const all = [...longest];
  for (let length = 1; length <= most; length++) {
    longest = longest.flatMap((array) => values.map((value) => [...array, value]));
    all.push(...longest);
  }
  return all;
}

/** All objects of some of the names, in their order, with one of the values each. */
function objectsOf(names: readonly string[], values: readonly unknown[]): object[] {
  return names.reduce<object[]>((objects, name) => objects.flatMap((object) => (
    [object, ...values.map((value) => ({ ...object, [name]: value }))])), [{}]);
}

const few = { enum: [1, 2, "x", null] };
const arrays = { type: "array", items: few, maxItems: 3 };
const members = { type: "object", properties: { a: few, b: few, c: few } };
const pointOne = { type: "number", multipleOf: 0.01 };

const CASES: readonly (readonly [name: string, candidates: readonly unknown[],
  schemas: readonly object[]])[] = [
  ["integers", INTEGERS, [
    { type: "integer", minimum: -12, maximum: 120 },
    { type: "integer", exclusiveMinimum: -100, exclusiveMaximum: -9.5 },
    { type: "integer", minimum: 0.5, maximum: 99.5, multipleOf: 7 },
    { type: "number", multipleOf: 12, minimum: -100, maximum: 100 },
    { type: "integer", minimum: -9, maximum: 9, not: { enum: [0, 3, -9] } },
    { type: "integer", minimum: 5, maximum: 50, allOf: [{ multipleOf: 4 }, { multipleOf: 6 }] },
    { oneOf: [{ type: "integer", minimum: 1, maximum: 20 },
      { type: "integer", minimum: 15, maximum: 30 }] },
  ]],
  ["decimals", DECIMALS, [
    { ...pointOne, minimum: -1.25, maximum: 1.25 },
    { ...pointOne, exclusiveMinimum: 0.1, exclusiveMaximum: 0.3 },
    { ...pointOne, minimum: -0.055, maximum: 0.055 },
    { type: "number", multipleOf: 0.25, minimum: -4, exclusiveMaximum: 4 },
    { type: "number", multipleOf: 0.5, not: { type: "integer" }, minimum: -3, maximum: 3 },
    { type: "number", multipleOf: 0.15, minimum: 0, maximum: 3.9 },
  ]],
  ["strings", TEXTS, [
    { type: "string", pattern: "^[ab]*$", maxLength: 2 },
    { type: "string", pattern: "^a", allOf: [{ pattern: "^[ab]*$" }], maxLength: 2 },
    { type: "string", pattern: "^[ab]{1,3}$", not: { pattern: "a" }, maxLength: 2 },
    { type: "string", pattern: "^.?$", allOf: [{ pattern: "^[a\"\\\\\\né𝄞]$" }] },
    { enum: TEXTS, minLength: 1, maxLength: 1 },
    { enum: TEXTS, not: { pattern: "[ab]" } },
    { type: "string", pattern: "^[ab]{0,2}$", not: { enum: ["ab", ""] } },
    { type: "string", pattern: "^(?!a)[ab]{1,2}$" },
    { type: "string", pattern: "^(?!.*bb|$)(?=.*b)(a|b){0,2}$" },
    { type: "string", pattern: "^[ab]+$", allOf: [{ pattern: "b" }], maxLength: 2 },
  ]],
  ["arrays", arraysOf([1, 2, "x", null], 3), [
    arrays,
    { ...arrays, minItems: 2 },
    { ...arrays, uniqueItems: true },
    { ...arrays, contains: { const: 1 } },
    { ...arrays, contains: { const: 1 }, minContains: 2 },
    { ...arrays, contains: { type: "integer" }, minContains: 0, maxContains: 1 },
    { ...arrays, contains: { type: "string" }, maxContains: 2, minItems: 2 },
    { type: "array", prefixItems: [{ const: 1 }, few], items: { const: null }, maxItems: 3 },
    { type: "array", prefixItems: [{ const: 1 }, few, { const: "x" }], minItems: 2, items: false },
    { ...arrays, not: { items: { type: "integer" } } },
    { ...arrays, not: { contains: { type: "integer" } } },
    { ...arrays, not: { minItems: 2 } },
    { ...arrays, not: { prefixItems: [{ const: 1 }, { const: 2 }] } },
    { ...arrays, if: { minItems: 2 }, then: { contains: { const: 2 } }, else: { maxItems: 0 } },
  ]],
  ["objects", objectsOf(["a", "b", "c"], [1, 2, "x", null]), [
    members,
    { ...members, required: ["b"] },
    { ...members, required: ["a", "c"] },
    { ...members, minProperties: 2 },
    { ...members, maxProperties: 1 },
    { ...members, minProperties: 1, maxProperties: 2, required: ["c"] },
    { ...members, dependentRequired: { a: ["b"], c: ["a"] } },
    { ...members, dependentSchemas: { a: { properties: { b: { const: 1 } }, required: ["b"] } } },
    { ...members, propertyNames: { enum: ["a", "c"] } },
    { ...members, patternProperties: { "^[ab]$": { type: "integer" } },
      additionalProperties: false },
    { ...members, if: { properties: { a: { const: 1 } }, required: ["a"] },
      then: { required: ["b"] }, else: { required: ["c"] } },
    { ...members, not: { required: ["a", "b"] } },
    { ...members, not: { properties: { a: { type: "integer" } } } },
    { ...members, oneOf: [{ required: ["a"] }, { required: ["b"] }] },
    { ...members, anyOf: [{ required: ["a"] }, { properties: { b: { const: 1 } } }],
      maxProperties: 2 },
    { ...members, allOf: [{ properties: { a: { type: "integer" } } }, { required: ["a"] }] },
  ]],
];

describe.each(CASES)("the texts of %s", (_, candidates, schemas) => {
  const ajv = new Ajv2020({ strict: false, multipleOfPrecision: 6 });

  it.each(schemas.map((schema) => [JSON.stringify(schema), schema] as const))(
    "of %s", (_, schema) => {
      const validate = ajv.compile(schema);
      const valid = candidates.filter((value) => validate(value)).map(line);
      expect(valid.length).toBeGreaterThan(0);
      const automaton = new Automaton(grammarOfSchema(schema));
      expect(allTexts(automaton, 2000).sort()).toEqual(valid.sort());
    });
});
