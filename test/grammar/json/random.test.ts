// 2,000 random schemas, and in each walks that take any byte which may come, as a model without
// training does: every text that ends is read by JSON.parse and valid by Ajv. Does not know: how a
// schema becomes a grammar.

import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { expect, it } from "vitest";
import { NibbleError } from "../../../host/errors";
import { Automaton } from "../../../host/grammar/automaton";
import { grammarOfSchema } from "../../../host/grammar/schema";
import { randomOf } from "../library";
import { randomSchema } from "./random";
import { line, stroll } from "./running";

const SCHEMAS = 2000;
const WALKS = 4;

/** The code of a refusal, or the automaton. */
function automatonOf(schema: unknown): Automaton | string {
  try {
    return new Automaton(grammarOfSchema(schema));
  } catch (error) {
    if (!(error instanceof NibbleError)) throw error;
    return error.code;
  }
}

/** Ajv sees no own member of the name __proto__, so that it is judged under another. */
function renamed(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value).replaceAll("__proto__", "_proto_"));
}

it("whatever is written in a random schema is valid", () => {
  const random = randomOf(20_261);
  const ajv = new Ajv2020({ strict: false, multipleOfPrecision: 6, validateSchema: false });
  formats.default(ajv);
  const wrong: string[] = [];
  const codes = new Map<string, number>();
  let texts = 0;
  for (let i = 0; i < SCHEMAS; i++) {
    const schema = randomSchema(random);
    const automaton = automatonOf(schema);
    if (typeof automaton === "string") {
      codes.set(automaton, (codes.get(automaton) ?? 0) + 1);
      continue;
    }
    const validate: ValidateFunction = ajv.compile(renamed(schema) as object);
    for (let walk = 0; walk < WALKS; walk++) {
      const text = stroll(automaton, random, 400);
      if (text === undefined) continue;
      texts++;
      const value: unknown = JSON.parse(text);
      if (validate(renamed(value)) && !/[\n\r]/.test(text)) continue;
      wrong.push(`${text} of ${JSON.stringify(schema)}: ${ajv.errorsText(validate.errors)}`);
    }
  }
  expect(wrong.slice(0, 5)).toEqual([]);
  expect(texts).toBeGreaterThan(6000);
  // Few are refused, or most of the generator would be for nothing.
  expect(codes.get("UNSUPPORTED_SCHEMA") ?? 0).toBeLessThan(40);
  expect(codes.get("GRAMMAR_TOO_COMPLEX") ?? 0).toBeLessThan(10);
  expect([...codes.keys()].sort())
    .toEqual(expect.not.arrayContaining(["BAD_SCHEMA", "BAD_GRAMMAR", "BAD_REGEX"]));
}, 180_000);

it("what is written in one form is written again in the same", () => {
  const automaton = automatonOf({ type: "object", additionalProperties: true }) as Automaton;
  const random = randomOf(7);
  for (let walk = 0; walk < 200; walk++) {
    const text = stroll(automaton, random, 300);
    if (text === undefined) continue;
    const value: unknown = JSON.parse(text);
    // A name that comes twice is read once, and one that is a number comes first.
    if (/__proto__|"\d+":/.test(text)) continue;
    expect(line(value).length).toBeLessThanOrEqual(text.length);
    if (line(value).length === text.length) expect(line(value)).toBe(text);
  }
});
