// Texts of a shape, from random models that write nonsense: what they write has the shape, and a
// value; through sessions, chats and message ports too; and what is wrong with the options is said.
// Does not know: how a shape is kept to.

import { describe, expect, it } from "vitest";
import type { StandardSchema } from "../../host/schema";
import { CHATML, byteModel, chatModel, codeOf, failureOf, load, wordModel } from "./library";

const PERSON = {
  type: "object",
  properties: {
    name: { type: "string", maxLength: 12 },
    age: { type: "integer", minimum: 0, maximum: 130 },
    tags: { type: "array", items: { enum: ["a", "b"] }, maxItems: 3 },
  },
  required: ["name", "age", "tags"],
  additionalProperties: false,
} as const;

/** Nonsense, but never too long for the context. */
const WILD = { temperature: 2, topK: 0, topP: 1, minP: 0, maxTokens: 200 };

const MODELS = [["bytes", byteModel({ context: 512 })], ["words", wordModel({ context: 512 })]];

describe.each(MODELS as [string, Uint8Array][])("a model of %s", (_, file) => {
  it("writes values of a schema", async () => {
    using model = await load(file);
    for (let seed = 0; seed < 12; seed++) {
      const { finishReason, text, value } = await model.complete("Once",
        { schema: PERSON, seed, ...WILD });
      expect(finishReason).toBe("stop");
      expect(value).toEqual(JSON.parse(text));
      expect(Object.keys(value ?? {})).toEqual(["name", "age", "tags"]);
      expect([...value?.name ?? "too long for this"].length).toBeLessThanOrEqual(12);
      expect(value?.age).toSatisfy((age: number) => Number.isInteger(age) && age >= 0
        && age <= 130);
      expect(value?.tags.every((tag) => ["a", "b"].includes(tag))).toBe(true);
    }
  });

  it("writes texts of regular expressions, of grammars and of lists", async () => {
    using model = await load(file);
    const seen = new Set<string>();
    for (let seed = 0; seed < 12; seed++) {
      const regex = await model.complete("Once",
        { regex: "[a-z]{3}-\\d+(é|😀){2}$", seed, ...WILD });
      if (regex.finishReason === "stop") expect(regex.text).toMatch(/^[a-z]{3}-\d+(é|😀){2}$/u);
      expect("value" in regex).toBe(false);
      const grammar = 'root ::= ("(" root ")"){0,2} | [xyz]';
      const { text } = await model.complete("Once", { grammar, seed, ...WILD, maxTokens: 20 });
      expect(text).toMatch(/^[()xyz]*$/);
      const chosen = await model.complete("Once",
        { choices: ["yes", "no", "yes!"], seed, ...WILD });
      expect(["yes", "no", "yes!"]).toContain(chosen.value);
      expect(chosen.value).toBe(chosen.text);
      seen.add(chosen.text);
    }
    expect(seen.size).toBeGreaterThan(1);
  });

  it("gives no value for a text that was cut", async () => {
    using model = await load(file);
    const cut = await model.complete("Once", { schema: PERSON, seed: 1, maxTokens: 5 });
    expect(cut).toMatchObject({ finishReason: "length", value: undefined });
    expect("value" in cut).toBe(true);
    expect(cut.text).not.toBe("");
    const list = await model.complete("Once",
      { choices: ["a long text", "another"], maxTokens: 1 });
    expect(list).toMatchObject({ finishReason: "length", value: undefined });
  });

  it("writes the same in pieces, in a session, and taken up again", async () => {
    using model = await load(file);
    const options = { schema: PERSON, seed: 5, ...WILD };
    const { text } = await model.complete("Once", options);
    let pieces = "";
    for await (const piece of model.generate("Once", options)) pieces += piece;
    expect(pieces).toBe(text);
    using session = model.session();
    let taken = "";
    for await (const piece of session.generate("Once", options)) {
      taken += piece;
      if (taken.length > 14) break;
    }
    session.restore(session.save());
    expect(await codeOf(session.resume({ ...options, schema: undefined }).next()))
      .toBe("BAD_OPTION");
    for await (const piece of session.resume(options)) taken += piece;
    expect(taken).toBe(text);
  });
});

it("a chat's answer keeps the white space that its shape has", async () => {
  using model = await load(chatModel(CHATML, ["<|im_start|>", "<|im_end|>"]));
  const messages = [{ role: "user", content: "Hello" } as const];
  const answer = await model.completeChat(messages, { choices: ["a \n", "b \n"], seed: 1 });
  expect(answer.value).toMatch(/^[ab] \n$/);
  const { value } = await model.completeChat(messages, { schema: PERSON, seed: 2, ...WILD });
  expect(Object.keys(value ?? {})).toEqual(["name", "age", "tags"]);
});

/** What a library of schemas gives: here of even numbers, of which it makes halves. */
const HALVES: StandardSchema<number, { half: number }> = {
  "~standard": {
    version: 1, vendor: "nobody",
    validate: async (value) => (await Promise.resolve(value) as number) % 2 === 0
      ? { value: { half: value as number / 2 } }
      : { issues: [{ message: "an odd number", path: ["a", { key: 0 }] }] },
    jsonSchema: { input: ({ target }) => ({
      $schema: `https://json-schema.org/${target.replace("draft-", "draft/")}/schema`,
      type: "integer", minimum: 0, maximum: 9 }) },
  },
};

describe("a schema of a library", () => {
  it("has the last word about the value", async () => {
    using model = await load(byteModel());
    const values = await Promise.all(Array.from({ length: 12 }, (_, seed) => (
      model.complete("Once", { schema: HALVES, seed, ...WILD }).catch((error: unknown) => error))));
    const halves = values.filter((value) => !(value instanceof Error)) as {
      text: string; value: { half: number } }[];
    expect(halves.length).toBeGreaterThan(0);
    for (const { text, value } of halves) expect(value).toEqual({ half: Number(text) / 2 });
    const refused = values.filter((value) => value instanceof Error) as Error[];
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]).toMatchObject({ code: "VALUE_REFUSED", message: "The text has the form of "
      + "the schema, but the schema's own check refuses it at a.0: an odd number." });
    expect(refused[0]?.cause).toMatchObject({ issues: [{ message: "an odd number" }] });
  });

  it("that cannot say its JSON schema is refused", async () => {
    using model = await load(byteModel());
    const standard = HALVES["~standard"];
    const mute = {
      "~standard": { ...standard, jsonSchema: undefined } } as unknown as StandardSchema;
    expect((await failureOf(model.complete("a", { schema: mute }))).message)
      .toMatch(/^This schema of nobody cannot tell its JSON schema; give /);
    const failing: StandardSchema = { "~standard": { ...standard, jsonSchema: { input: () => {
      throw new Error("no way\nto say it.");
    } } } };
    expect(await failureOf(model.complete("a", { schema: failing }))).toMatchObject({
      code: "BAD_SCHEMA",
      message: "nobody finds no JSON schema for this schema: no way to say it." });
  });
});

it.each([
  [{ schema: PERSON, regex: "a" }, "BAD_OPTION"], [{ choices: ["a"], grammar: "a" }, "BAD_OPTION"],
  [{ regex: "a", stop: "a" }, "BAD_OPTION"], [{ schema: PERSON, stop: ["a"] }, "BAD_OPTION"],
  [{ regex: 7 }, "BAD_OPTION"], [{ regex: /x/ }, "BAD_OPTION"],
  [{ grammar: null }, "BAD_OPTION"], [{ regex: "(" }, "BAD_REGEX"],
  [{ grammar: "root" }, "BAD_GRAMMAR"], [{ choices: [] }, "BAD_CHOICES"],
  [{ choices: "yes" }, "BAD_CHOICES"], [{ choices: new Set(["a"]) }, "BAD_CHOICES"],
  [{ schema: { type: "strin" } }, "BAD_SCHEMA"], [{ schema: null }, "BAD_SCHEMA"],
  [{ schema: 5n }, "BAD_SCHEMA"], [{ schema: { not: {} } }, "GRAMMAR_EMPTY"],
  [{ regex: "[]" }, "GRAMMAR_EMPTY"], [{ grammar: "root ::= root" }, "GRAMMAR_EMPTY"],
] as [object, string][])("%o is %s, before anything is written", async (options, code) => {
  using model = await load(byteModel());
  expect(await codeOf(model.complete("a", options))).toBe(code);
  expect(await codeOf(model.generate("a", options).next())).toBe(code);
  using session = model.session();
  expect(await codeOf(session.generate("a", options).next())).toBe(code);
  expect(session.position).toBe(0);
});

it("a cyclic schema is refused, and a single token has no shape", async () => {
  using model = await load(byteModel());
  const cyclic: Record<string, unknown> = { type: "array" };
  cyclic["items"] = cyclic;
  expect(await codeOf(model.complete("a", { schema: cyclic }))).toBe("GRAMMAR_TOO_COMPLEX");
  using session = model.session();
  await session.feed("a");
  expect(await codeOf((async () => session.sample({ regex: "a" }))())).toBe("BAD_OPTION");
});

it("shapes that were asked for long ago still hold", async () => {
  using model = await load(byteModel());
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 12; i++) {
      const { text } = await model.complete("Once", { choices: [`${i}`, `-${i}`], seed: round });
      expect(text).toMatch(new RegExp(`^-?${i}$`));
    }
  }
});
