// Forms that mean harm: the largest and most awkward schemas, patterns, grammars and lists that
// their limits let in, and some beyond. Does not know: what becomes of them.

import { choicesGrammar } from "../../host/grammar/choices";
import { gbnfGrammar } from "../../host/grammar/gbnf";
import { regexGrammar } from "../../host/grammar/regex";
import { grammarOfSchema } from "../../host/grammar/schema";
import type { Grammar } from "../../host/grammar/syntax";

/** What is given, made before anything is measured, and what reads it. */
export interface Harm {
  readonly make: () => unknown;
  readonly read: (input: never) => Grammar;
}

const times = <T>(count: number, make: (i: number) => T): T[] => (
  Array.from({ length: count }, (_, i) => make(i)));
const named = (count: number, make: (i: number) => readonly [string, unknown]): object => (
  Object.fromEntries(times(count, make)));
const nested = (depth: number, wrap: (inner: unknown) => unknown, core: unknown = {}): unknown => (
  times(depth, () => wrap).reduce((inner, it) => it(inner), core));
const chain = (length: number, link: (next: string) => unknown, last: unknown = {}): object => ({
  $ref: "#/$defs/d0",
  $defs: named(length, (i) => [`d${i}`, i + 1 < length ? link(`#/$defs/d${i + 1}`) : last]),
});
const han = (i: number): string => String.fromCodePoint(0x4e00 + i % 20_000);
const classOf = (i: number): string => (
  `[${String.fromCodePoint(0x100 + i * 5)}-${String.fromCodePoint(0x103 + i * 7)}]`);

const SCHEMAS: Readonly<Record<string, () => unknown>> = {
  "60,000 arrays": () => nested(60_000, (items) => [items]),
  "10 MB in a description": () => ({ type: "object", description: "x".repeat(1e7) }),
  "10 MB of texts": () => ({ enum: times(300_000, (i) => `a text of 30 characters ${i}`) }),
  "10 MB of members": () => ({
    properties: named(10_001, (i) => [`${"m".repeat(990)}${i}`, true]) }),
  "10,000 texts": () => ({ enum: times(9900, (i) => `v${i}`) }),
  "10,000 numbers": () => ({ enum: times(9900, (i) => i) }),
  "long texts": () => ({ enum: times(4, (i) => "x".repeat(100_000) + i) }),
  "two lists": () => ({ allOf: [0, 1].map((k) => ({ enum: times(4900, (i) => `v${i + k}`) })) }),
  "a list without 5,000": () => ({ type: "integer", not: { enum: times(5000, (i) => i * 3) } }),
  "texts without 5,000": () => ({ type: "string", not: { enum: times(5000, (i) => `v${i}`) } }),
  "a value judged in ways that double": () => ({ enum: [1], ...chain(40, ($ref) => (
    { oneOf: [{ $ref }, { $ref }, { type: "string" }] }), { type: "null" }) }),
  "200 references": () => chain(90, ($ref) => ({ allOf: [{ $ref }], properties: { a: { $ref } } })),
  "4,900 references": () => ({ type: "null",
    $defs: named(4900, (i) => [`d${i}`, { $ref: `#/$defs/d${(i * 7919 + 1) % 4900}` }]) }),
  "long names, deep": () => nested(90, (inner) => ({ properties: {
    ["n".repeat(900)]: inner, ...named(90, (i) => [`m${i}`, true]) } })),
  "900 long names": () => ({ properties: named(400, (i) => ["n".repeat(1000) + i, true]) }),
  "2,000 members": () => ({ properties: named(2000, (i) => [`p${i}`, { type: "string" }]) }),
  "2,400 that are required": () => ({ required: times(2400, (i) => `p${i}`),
    properties: named(2400, (i) => [`p${i}`, { type: "string" }]) }),
  "9,000 names that are required": () => ({ type: "object", required: times(9000, String) }),
  "150 of 300 members": () => ({ type: "object", minProperties: 150,
    properties: named(300, (i) => [`p${i}`, { type: "string" }]) }),
  "30 dependencies": () => ({ dependentRequired: named(30, (i) => [`p${i}`, [`q${i}`]]) }),
  "four patterns of names": () => ({ type: "object", patternProperties: {
    "a.{40}$": {}, "c{3,900}": true, "[d-f]{200}x": {}, "(ab|ba){300}": {} } }),
  "5,000 items": () => ({ prefixItems: times(4900, () => ({ type: "string" })) }),
  "one in 500 items": () => ({ type: "array", contains: { const: 1 }, minContains: 300,
    maxContains: 400, maxItems: 500 }),
  "300 different items": () => ({ type: "array", uniqueItems: true,
    items: { enum: times(300, String) } }),
  "1,000 that all hold": () => ({ allOf: times(1000, (i) => ({ properties: { [`p${i}`]: {} } })) }),
  "4,900 bounds": () => ({ allOf: times(4900, (minLength) => ({ minLength })) }),
  "1,200 branches apart": () => ({ oneOf: times(1200, (i) => ({ type: "object",
    properties: { kind: { const: `k${i}` } }, required: ["kind"] })) }),
  "100 branches not apart": () => ({ oneOf: times(100, (i) => ({ type: "object",
    properties: { [`p${i}`]: { type: "integer" } } })) }),
  "60 ranges": () => ({ oneOf: times(60, (minimum) => ({ type: "integer", minimum })) }),
  "10 x 10 alternatives": () => ({ allOf: times(10, (j) => ({ anyOf: times(10, (i) => (
    { type: "object", properties: { [`p${j}`]: { const: i } } })) })) }),
  "20 conditions": () => ({ allOf: times(20, (i) => ({ if: { properties: { a: { const: i } } },
    then: { properties: { [`b${i}`]: { type: "string" } } } })) }),
  "60 conditions, deep": () => nested(60, (other) => (
    { if: { properties: { a: { const: 1 } } }, then: { required: ["b"] }, else: other })),
  "150 opposites": () => nested(150, (not) => ({ not, type: "object" })),
  "12 patterns of which one": () => ({ oneOf: times(12, (i) => (
    { type: "string", pattern: `a{${i}}b` })) }),
  "300 patterns": () => ({ properties: named(300, (i) => [`p${i}`,
    { type: "string", pattern: `^x${i}[a-z]{3,30}(-\\d{2}){1,4}$`, maxLength: 20 }]) }),
  "exponential states": () => ({ type: "string", pattern: "^(a|b)*a(a|b){25}$", minLength: 40 }),
  "without exponential states": () => ({ type: "string", not: { pattern: "a.{16}b" } }),
  "a million lengths": () => ({ type: "string", pattern: "^a*b*$", minLength: 1e6 }),
  "3,000 classes": () => ({ type: "string", pattern: `^${times(2700, classOf).join("")}$` }),
  "2,000 classes of which one": () => ({ type: "string", maxLength: 50,
    pattern: `^(?:${times(2000, classOf).join("|")})*$` }),
  "without 8,000 characters": () => ({ type: "string",
    not: { pattern: `[${times(8000, (i) => han(i * 2)).join("")}]` } }),
  "2,600 words, of at most 9": () => ({ type: "string", maxLength: 9,
    pattern: times(2600, (i) => `w${i}`).join("|") }),
  "900 formats": () => ({ properties: named(900, (i) => [`p${i}`,
    { type: "string", format: ["email", "ipv6", "uri", "date-time"][i % 4] }]) }),
  "a large divisor": () => ({ type: "number", multipleOf: 0.9973, minimum: -1e6, maximum: 1e6 }),
  "4,900 divisors": () => ({ allOf: times(4900, (i) => ({ multipleOf: (2 * i + 1) * 1e-300 })) }),
};

const PATTERNS: Readonly<Record<string, () => string>> = {
  "exponential states": () => "(a|b)*a(a|b){25}",
  "counts in counts": () => "([\\s\\S]{0,1000}x?){0,1000}",
  "counts in counts in counts": () => "(([a-z ]{1,40}x?){1,40}){1,40}",
  "a million squared": () => "(a{1000000}b?){1000000}",
  "16,000 letters": () => "a".repeat(16_384),
  "8,000 that may be": () => "a?".repeat(8000),
  "3,000 classes": () => times(3200, classOf).join(""),
  "classes of 200 characters": () => times(75, (j) => (
    `[^${times(200, (i) => han(j * 3 + i * 211)).join("")}]{0,9}`)).join(""),
  "199 groups": () => `${"(".repeat(199)}a${"?)*".repeat(199)}`,
  "loops of nothing": () => "(?:a*)*".repeat(2300),
};

const GRAMMARS: Readonly<Record<string, () => string>> = {
  "100,000 rules": () => `root ::= r0\n${times(1e5, (i) => `r${i} ::= "a"\n`).join("")}`,
  "2,700 rules in a circle": () => `root ::= r0\n${times(2700, (i) => (
    `r${i} ::= "a" | "b" r${(i + 1) % 2700}\n`)).join("")}`,
  "32 rules that all begin with each other": () => `root ::= r0\n${times(32, (i) => (
    `r${i} ::= ${times(32, (j) => `r${j} "${i % 10}"`).join(" | ")} | "x"\n`)).join("")}`,
  "2,000 rules that begin with each other": () => `root ::= r0\n${times(2000, (i) => (
    `r${i} ::= r${(i + 1) % 2000}? r${i * 3 % 2000}? "b"?\n`)).join("")}`,
  "60,000 characters": () => `root ::= "${times(60_000, han).join("")}"`,
  "a class of 60,000 characters": () => `root ::= [${times(60_000, han).join("")}]`,
  "150 classes of 400 characters": () => `root ::= ${times(150, (j) => (
    `[^${times(400, (i) => han(j * 3 + i * 50)).join("")}]`)).join(" ")}`,
  "2,300 classes": () => `root ::= ${times(2300, classOf).join(" ")}`,
  "6,000 alternatives": () => `root ::= ${times(6000, (i) => `"${i}"`).join("|")}`,
  "60,000 brackets": () => `root ::= ${"(".repeat(60_000)}`,
};

const LISTS: Readonly<Record<string, () => string[]>> = {
  "16,384 texts": () => times(16_384, (i) => (i * 2_654_435_761 >>> 0).toString(36)),
  "one text": () => ["x".repeat(131_072)],
  "beginnings of each other": () => times(500, (i) => "a".repeat(i + 1)),
  "a million": () => times(1e6, String),
};

const kind = (name: string, read: Harm["read"], cases: Readonly<Record<string, () => unknown>>,
): [string, Harm][] => (
  Object.entries(cases).map(([it, make]) => [`${name}: ${it}`, { make, read }]));

/** By name. */
export const HARM: ReadonlyMap<string, Harm> = new Map([
  ...kind("schema", grammarOfSchema, SCHEMAS), ...kind("regex", regexGrammar, PATTERNS),
  ...kind("grammar", gbnfGrammar, GRAMMARS), ...kind("choices", choicesGrammar, LISTS),
]);
