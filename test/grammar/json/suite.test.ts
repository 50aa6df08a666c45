// The official test suite of JSON Schema (suite.jsonl: draft 2020-12 at commit 44401e0c of
// json-schema-org/JSON-Schema-Test-Suite, one group of tests a line, its license beside it). Which
// schemas are refused, and with which sentence, stands in refused.txt; which valid values are never
// written, and why, in unwritten.txt. Everything else has to be as the suite says.
// Does not know: how a schema becomes a grammar.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { NibbleError } from "../../../host/errors";
import { Automaton } from "../../../host/grammar/automaton";
import { grammarOfSchema } from "../../../host/grammar/schema";
import { accepts, line } from "./running";

interface Group {
  file: string;
  description: string;
  schema: unknown;
  tests: [description: string, data: unknown, valid: boolean][];
}

const here = new URL(".", import.meta.url);

function linesOf(name: string): string[] {
  return readFileSync(new URL(name, here), "utf8").split("\n")
    .filter((text) => text !== "" && !text.startsWith("#"));
}

const groups = linesOf("suite.jsonl").map((text) => JSON.parse(text) as Group);

describe("the test suite of JSON Schema", () => {
  const refused: string[] = [];
  const unwritten: string[] = [];
  const wrong: string[] = [];
  let right = 0;
  for (const { file, description, schema, tests } of groups) {
    let automaton: Automaton | undefined;
    try {
      automaton = new Automaton(grammarOfSchema(schema));
    } catch (error) {
      if (!(error instanceof NibbleError)) throw error;
      // A schema without a value is no mistake: all its tests say "invalid".
      if (error.code !== "GRAMMAR_EMPTY") {
        refused.push(`${file} | ${description} | ${error.message}`);
        continue;
      }
    }
    for (const [name, data, valid] of tests) {
      const isAccepted = automaton !== undefined && accepts(automaton, line(data));
      if (isAccepted === valid) right++;
      else (valid ? unwritten : wrong).push(`${file} | ${description} | ${name.trim()}`);
    }
  }

  it("is big enough to say something", () => {
    expect(groups.length).toBe(432);
    expect(right).toBeGreaterThan(1400);
  });

  it("has no invalid value that is accepted", () => {
    expect(wrong).toEqual([]);
  });

  it("has no valid value that is not accepted but the listed ones", () => {
    expect(unwritten.sort()).toEqual(linesOf("unwritten.txt").sort());
  });

  it("has no schema that is refused but the listed ones, each with its sentence", () => {
    expect(refused).toEqual(linesOf("refused.txt"));
  });
});
