// Schemas that mean harm, or were never schemas: each is refused with one sentence that names the
// place (bounded.test.ts has what it costs). Does not know: how a schema becomes a grammar.

import { describe, expect, it } from "vitest";
import { NibbleError } from "../../../host/errors";
import { Automaton } from "../../../host/grammar/automaton";
import { grammarOfJson, grammarOfSchema } from "../../../host/grammar/schema";
import { accepts } from "./running";

function refusal(schema: unknown): NibbleError {
  try {
    void new Automaton(grammarOfSchema(schema));
  } catch (error) {
    if (error instanceof NibbleError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

function nested(depth: number, wrap: (inner: unknown) => unknown, core: unknown = {}): unknown {
  let schema = core;
  for (let i = 0; i < depth; i++) schema = wrap(schema);
  return schema;
}

function chain(length: number, link: (next: string) => unknown, last: unknown = {}): unknown {
  const $defs = Object.fromEntries(Array.from({ length }, (_, i) => (
    [`d${i}`, i + 1 < length ? link(`#/$defs/d${i + 1}`) : last])));
  return { $defs, $ref: "#/$defs/d0" };
}

const self: Record<string, unknown> = {};
self["properties"] = { self };

const many = Array.from({ length: 12 }, (_, i) => ({ anyOf: [
  { minimum: i, type: "number" }, { properties: { [`p${i}`]: { type: "null" } } },
  { minLength: i + 1, type: "string" }, { items: { minimum: i } }] }));

const SCHEMAS: readonly (readonly [name: string, schema: () => unknown, code: string,
  sentence: RegExp])[] = [
  ["60,000 arrays inside each other", () => nested(60_000, (items) => [items]),
    "GRAMMAR_TOO_COMPLEX", /nested deeper than 200/],
  ["60,000 schemas inside each other", () => nested(60_000, (not) => ({ not })),
    "GRAMMAR_TOO_COMPLEX", /nested deeper than 200/],
  ["an object that is in itself", () => self, "GRAMMAR_TOO_COMPLEX", /nested deeper than 200/],
  ["a text of 10 MB", () => ({ const: "x".repeat(1e7) }), "GRAMMAR_TOO_COMPLEX",
    /more than 500000 characters/],
  ["a million values", () => ({ enum: Array.from({ length: 1e6 }, (_, i) => i) }),
    "GRAMMAR_TOO_COMPLEX", /more than 10000 items/],
  ["the same large part many times", () => nested(30, (part) => [part, part], 1),
    "GRAMMAR_TOO_COMPLEX", /more than 10000 values/],
  ["a reference to itself", () => ({ $ref: "#" }), "BAD_SCHEMA", /refers to itself/],
  ["references in a circle", () => chain(9, ($ref) => ({ $ref }), { $ref: "#/$defs/d3" }),
    "BAD_SCHEMA", /refers to itself/],
  ["a circle through combinations", () => ({ anyOf: [{ type: "null" }, { not: { $ref: "#" } }] }),
    "BAD_SCHEMA", /refers to itself/],
  ["a circle without a value", () => ({ type: "object", required: ["a"],
    properties: { a: { $ref: "#" } } }), "GRAMMAR_EMPTY", /No text can match/],
  ["5,000 references in a row", () => chain(4900, ($ref) => ({ $ref })),
    "GRAMMAR_TOO_COMPLEX", /more than 200 references/],
  ["alternatives that double", () => chain(40, ($ref) => ({ anyOf: [{ $ref },
    { type: "object", allOf: [{ $ref }] }] }), { minimum: 1 }), "GRAMMAR_TOO_COMPLEX", /./],
  ["a value judged in ways that double", () => ({ enum: [1], ...chain(40, ($ref) => (
    { oneOf: [{ $ref }, { $ref }, { type: "string" }] }), { type: "null" }) as object }),
  "GRAMMAR_TOO_COMPLEX", /./],
  ["a list of 30,000 texts", () => ({ enum: Array.from({ length: 30_000 }, (_, i) => (
    `the value of number ${i}, which is long`)) }), "GRAMMAR_TOO_COMPLEX", /./],
  ["10,000 members", () => ({ type: "object", properties: Object.fromEntries(
    Array.from({ length: 10_000 }, (_, i) => [`p${i}`, {}])) }), "GRAMMAR_TOO_COMPLEX", /./],
  ["alternatives multiplied", () => ({ allOf: many }), "GRAMMAR_TOO_COMPLEX", /./],
  ["a pattern of exponential states", () => ({ type: "string", minLength: 40,
    pattern: "^(a|b)*a(a|b){25}$" }), "GRAMMAR_TOO_COMPLEX", /./],
  ["a pattern that is counted a million times", () => ({ type: "string",
    not: { pattern: "b" }, pattern: "^(a{1000}){1000}$" }), "GRAMMAR_TOO_COMPLEX", /./],
  ["lengths that are counted a million times", () => ({ type: "string", pattern: "^a*b*$",
    minLength: 1e6 }), "GRAMMAR_TOO_COMPLEX", /./],
  ["counts beyond all counting", () => ({ type: "array", minItems: 1e15 }),
    "GRAMMAR_TOO_COMPLEX", /more than 1000000 parts/],
  ["a large divisor", () => ({ type: "integer", multipleOf: 1_000_003 }),
    "GRAMMAR_TOO_COMPLEX", /./],
  ["numbers beyond 15 digits", () => ({ type: "integer", minimum: 1e300 }),
    "UNSUPPORTED_SCHEMA", /more than 15 digits/],
  ["a number that is none", () => ({ minimum: NaN }), "BAD_SCHEMA", /NaN/],
  ["a function", () => ({ default: () => 1 }), "BAD_SCHEMA", /a function/],
  ["undefined", () => undefined, "BAD_SCHEMA", /undefined/],
  ["a text", () => "{}", "BAD_SCHEMA", /an object, true or false/],
  ["a map", () => new Map(), "BAD_SCHEMA", /of a class/],
  ["a bound that is a text", () => ({ items: { maxLength: "5" } }), "BAD_SCHEMA",
    /#\/items\/maxLength has to be a whole number/],
  ["a type that is none", () => ({ properties: { "a/b": { type: "int" } } }), "BAD_SCHEMA",
    /#\/properties\/a~1b\/type has to be/],
  ["a keyword that is misspelt", () => ({ items: { requird: ["a"] } }), "UNSUPPORTED_SCHEMA",
    /#\/items\/requird has the keyword "requird"/],
  ["a keyword of the object's class", () => JSON.parse('{"__proto__": {"type": "null"}}'),
    "UNSUPPORTED_SCHEMA", /keyword "__proto__"/],
  ["the keyword toString", () => ({ toString: 1 }), "UNSUPPORTED_SCHEMA", /toString/],
  ["a pattern that looks ahead in its middle", () => ({ pattern: "a(?=b)" }),
    "UNSUPPORTED_SCHEMA", /#\/pattern has the pattern/],
  ["nothing at all", () => ({ enum: [] }), "GRAMMAR_EMPTY", /No text can match/],
  ["contradictions", () => ({ type: "string", const: 1 }), "GRAMMAR_EMPTY", /No text can match/],
];

describe("refuses", () => {
  it.each(SCHEMAS)("%s", (_, make, code, sentence) => {
    const error = refusal(make());
    expect(error.message).toMatch(sentence);
    expect(error.message).toMatch(/^[A-Z][^\n]{1,700}\.$/);
    expect(error.code).toBe(code);
  });
});

describe("takes", () => {
  it("names that objects have by themselves", () => {
    const schema = JSON.parse('{"type": "object", "properties": {"__proto__": {"type": "null"}, '
      + '"constructor": {"type": "integer"}}, "required": ["__proto__"]}') as unknown;
    const automaton = new Automaton(grammarOfSchema(schema));
    expect(accepts(automaton, '{"__proto__": null, "constructor": 1}')).toBe(true);
    expect(accepts(automaton, "{}")).toBe(false);
  });

  it("any object, as deep as it likes", () => {
    const automaton = new Automaton(grammarOfJson());
    const deep = `{"a": ${"[".repeat(5000)}${"]".repeat(5000)}}`;
    expect(accepts(automaton, deep)).toBe(true);
    expect(accepts(automaton, "[]")).toBe(false);
    expect(accepts(automaton, '{"a": [1, 2.5, {"b": null}], "c": "\\u0001\\n"}')).toBe(true);
    for (const text of ['{"a":1}', '{"a": 01}', '{"a": 1.0}', '{"a": "\\u0041"}', '{"a": -0}',
      '{ "a": 1}', '{"a": 1,}', '{"a": "\n"}']) {
      expect(accepts(automaton, text), text).toBe(false);
    }
  });
});
