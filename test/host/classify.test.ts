// Labels and what a text says: the arithmetic of classify against that of single choices, and the
// prompts of both. Does not know: whether the labels fit, which small models seldom know either.

import { describe, expect, it } from "vitest";
import type { JsonSchema } from "../../host/schema";
import { CHATML, byteModel, chatModel, codeOf, load, wordModel, type Model } from "./library";

const LABELS = ["good", "bad", "neither of them"] as const;
const PROMPT = "Review: {text}\nThis is";

/** The softmax of some scores, with the labels, best first. */
function ordered(scores: readonly number[]): { label: string; probability: number }[] {
  const weights = scores.map((score) => Math.exp(score));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return scores.map((_, i) => ({
    label: LABELS[i] as string, probability: (weights[i] as number) / total,
  })).sort((a, b) => b.probability - a.probability);
}

const likelihoods = async (model: Model, query: string): Promise<number[]> => (
  await model.choose({ query, choices: LABELS })).logLikelihoods;

describe.each([["bytes", byteModel()], ["words", wordModel()]])("with a model of %s", (_, file) => {
  it("labels are weighed against their likelihood without a text", async () => {
    using model = await load(file);
    for (const text of ["I liked it.", "It has $& and {text} in it.", ""]) {
      const inside = await likelihoods(model, `Review: ${text}\nThis is`);
      const outside = await likelihoods(model, "Review: \nThis is");
      const expected = ordered(inside.map((value, i) => value - (outside[i] as number)));
      // Asked twice, since what a label has without a text is kept.
      for (let i = 0; i < 2; i++) {
        const found = await model.classify(text, LABELS, { prompt: PROMPT });
        expect(found.map(({ label }) => label)).toEqual(expected.map(({ label }) => label));
        found.forEach(({ probability }, place) => {
          expect(probability).toBeCloseTo(expected[place]?.probability ?? NaN, 12);
        });
      }
      const plain = await model.classify(text, LABELS, { prompt: PROMPT, isCalibrated: false });
      expect(plain).toEqual(ordered(inside.map((value) => value - Math.max(...inside))));
    }
    const empty = await model.classify("", LABELS);
    for (const { probability } of empty) expect(probability).toBeCloseTo(1 / 3, 12);
  });
});

it.each([
  ["a", ["x"], {}], ["a", [], {}], ["a", ["x", "x"], {}], ["a", ["x", ""], {}], ["a", "xy", {}],
  ["a", ["x", 1], {}], ["a", ["\ud800", "\ud801"], {}],
  [1, ["x", "y"], {}], ["a", Array.from({ length: 257 }, String), {}],
  ["a", ["x", "y"], { prompt: "no place" }], ["a", ["x", "y"], { prompt: "{text}" }],
  ["a", ["x", "y"], { prompt: "{text} {text}" }], ["a", ["x", "y"], { isCalibrated: "no" }],
  ["a", ["x", "y"], { calibrated: true }],
] as unknown as [string, string[], object][])("refuses %j, %j, %j", async (
  text, labels, options,
) => {
  using model = await load(byteModel());
  expect(await codeOf(model.classify(text, labels, options))).toBe("BAD_OPTION");
});

it("takes no text for which the prompt would lose its beginning", async () => {
  using model = await load(byteModel(), { context: 64 });
  const { length } = model.tokenize("Review: \nThis is");
  // " good" is five bytes, of which the last is only predicted.
  const most = 64 - 4 - length;
  const labels = ["good", "bad"];
  expect(await model.classify("x".repeat(most), labels, { prompt: PROMPT })).toHaveLength(2);
  expect(await codeOf(model.classify("x".repeat(most + 1), labels, { prompt: PROMPT })))
    .toBe("PROMPT_TOO_LONG");
});

describe("extract", () => {
  const schema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"],
    additionalProperties: false } as const;

  it("asks in a text, or in a chat, and answers by the schema", async () => {
    using model = await load(byteModel());
    const options = { maxTokens: 100 };
    expect((await model.extract("One dog.", schema, { seed: 1 })).text).toBe(
      (await model.complete("One dog.\n\nJSON:\n", { schema, temperature: 0, seed: 1 })).text);
    const { value } = await model.extract("{schema} {text}", schema,
      { prompt: "{text}|{schema}|{text}", temperature: 1.5, seed: 3, ...options });
    expect(value).toEqual((await model.complete(
      `{schema} {text}|${JSON.stringify(schema)}|{schema} {text}`,
      { schema, temperature: 1.5, seed: 3, ...options })).value);
    using talker = await load(chatModel(CHATML, ["<|im_start|>", "<|im_end|>"]));
    const request = "Here is a text:\n\nOne dog.\n\nAnswer only with JSON that holds what the text "
      + `says, by this JSON schema:\n${JSON.stringify(schema)}`;
    const chat = await talker.completeChat([{ role: "user", content: request }],
      { schema, temperature: 0, seed: 1 });
    expect(await talker.extract("One dog.", schema, { seed: 1 })).toEqual(
      { ...chat, reusedTokens: chat.promptTokens - 1 });
  });

  it("refuses what it cannot ask", async () => {
    using model = await load(byteModel());
    expect(await codeOf(model.extract("a", schema, { prompt: "nothing" }))).toBe("BAD_OPTION");
    expect(await codeOf(model.extract(7 as unknown as string, schema))).toBe("BAD_OPTION");
    expect(await codeOf(model.extract("a", { type: "x" }))).toBe("BAD_SCHEMA");
    expect(await codeOf(model.extract("a", schema, { stop: "a" } as object))).toBe("BAD_OPTION");
    expect(await codeOf(model.extract("a", schema, { schema } as object))).toBe("BAD_OPTION");
    expect(await codeOf(model.extract("a", { const: 1n }, { prompt: "{text}{schema}" })))
      .toBe("BAD_SCHEMA");
    expect(await codeOf(model.extract("a", undefined as unknown as JsonSchema)))
      .toBe("BAD_SCHEMA");
    expect(await codeOf(model.extract("a", { "~standard": null } as unknown as JsonSchema)))
      .toBe("UNSUPPORTED_SCHEMA");
    const holes = ["a", "b", "c"];
    delete holes[1];
    expect(await codeOf(model.classify("a", holes))).toBe("BAD_OPTION");
    expect(await codeOf(model.complete("a", { choices: holes }))).toBe("BAD_CHOICES");
  });
});
