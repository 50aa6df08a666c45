// Questions with several answers: read from lines, and answered as the slow way answers them.
// Does not know: the command line.

import { afterAll, describe, expect, it } from "vitest";
import type { ChooseOptions } from "../../host/choose";
import { readQuestions, type Question } from "../../host/questions";
import { byteModel, codeOf, failureOf, load, wordModel, type Model } from "./library";
import { logLikelihood, withoutKey } from "./slow";

const file = byteModel();
const bytes = await load(file);
const words = await load(wordModel());
const noBeginning = await load(withoutKey(file, "tokenizer.ggml.bos_token_id"));
afterAll(() => [bytes, words, noBeginning].forEach((model) => model.dispose()));

const greatest = (values: number[]): number => values.indexOf(Math.max(...values));

/** What `choose` should give. */
async function slowly(model: Model, pairs: [string, string][], join = " ") {
  const logLikelihoods: number[] = [];
  const perByte: number[] = [];
  for (const [head, tail] of pairs) {
    // Of words, the first has its space already, as at the beginning of a text.
    const own = model.tokenize(model === words ? tail : join + tail, { special: false });
    logLikelihoods.push(await logLikelihood(model, model.tokenize(head), own));
    perByte.push((logLikelihoods.at(-1) ?? NaN) / Buffer.byteLength(tail));
  }
  return { likeliest: greatest(logLikelihoods), likeliestPerByte: greatest(perByte),
    logLikelihoods };
}

const CHOICES = [
  { query: "Question: which one is it?", choices: ["a", "the quick brown", "na\u00efve", "b b"] },
  { query: "Two", choices: ["yes", "no"] },
  { query: "Another longer question, whose answers are of one length. ".repeat(2).trim(),
    choices: ["abc", "def", "ghi", "jkl", "mno"] },
];
const CONTEXTS = [
  { contexts: ["The cup was full, so the cup", "The cup was full, so the jug"],
    continuation: "was heavy." },
  { contexts: ["one", "one two three", "two"], continuation: "four \u{1f642}" },
];

describe.each([["bytes", bytes], ["words", words]] as const)("a model of %s", (_, model) => {
  it.each(CHOICES)("weighs the choices of $query", async ({ query, choices }) => {
    const slow = await slowly(model, choices.map((choice) => [query, choice]));
    const { logLikelihoods, ...chosen } = await model.choose({ query, choices });
    expect({ ...chosen, logLikelihoods: expect.any(Array) }).toEqual(
      { ...slow, logLikelihoods: expect.any(Array) });
    logLikelihoods.forEach((value, i) => expect(value).toBeCloseTo(slow.logLikelihoods[i] ?? 0, 4));
  });

  it.each(CONTEXTS)("weighs the contexts of $continuation", async ({ contexts, continuation }) => {
    const slow = await slowly(model, contexts.map((context) => [context, continuation]));
    const { logLikelihoods, ...chosen } = await model.choose({ contexts, continuation });
    expect(chosen).toEqual({
      likeliest: slow.likeliest, likeliestPerByte: slow.likeliest,
    });
    logLikelihoods.forEach((value, i) => expect(value).toBeCloseTo(slow.logLikelihoods[i] ?? 0, 4));
  });
});

it("another join takes the place of the space, and none is needed", async () => {
  const query = "Question: which?";
  for (const join of ["\nAnswer: ", ""]) {
    const slow = await slowly(bytes, [[query, "this"], [query, "that"]], join);
    const { logLikelihoods } = await bytes.choose({ query, choices: ["this", "that"] }, { join });
    logLikelihoods.forEach((value, i) => expect(value).toBeCloseTo(slow.logLikelihoods[i] ?? 0, 4));
  }
});

it("long and short answers can win differently", async () => {
  const { likeliest, likeliestPerByte, logLikelihoods } = await bytes.choose({
    query: "x", choices: ["a", "abcdefgh"],
  });
  expect(logLikelihoods[0]).toBeGreaterThan(logLikelihoods[1] ?? 0);
  expect(likeliest).toBe(0);
  const perByte = logLikelihoods.map((value, i) => value / [1, 8][i]!);
  expect(likeliestPerByte).toBe(greatest(perByte));
});

it("of equal answers the first is taken", async () => {
  const { likeliest, likeliestPerByte } = await bytes.choose({ query: "x", choices: ["y", "y"] });
  expect([likeliest, likeliestPerByte]).toEqual([0, 0]);
});

it("nothing before an answer but BOS will do, and without BOS it is refused", async () => {
  const { logLikelihoods } = await bytes.choose({ query: "", choices: ["ab"] });
  expect(logLikelihoods[0]).toBeCloseTo(await logLikelihood(bytes, [256], [97, 98]), 4);
  expect(await codeOf(noBeginning.choose({ query: "", choices: ["ab"] }))).toBe("EMPTY_PROMPT");
  const { likeliest } = await noBeginning.choose({ query: "x", choices: ["ab"] });
  expect(likeliest).toBe(0);
});

it("a text too long for the context keeps its end, beside the longest answer", async () => {
  using model = await load(file, { context: 24 });
  const query = "0123456789".repeat(4);
  const choices = ["abc", "abcdefg"];
  const { logLikelihoods } = await model.choose({ query, choices });
  // " abcdefg" has 8 tokens, of which the last is only predicted: 17 positions are left.
  const head = [...Buffer.from(query)].slice(-17);
  for (const [i, choice] of choices.entries()) {
    expect(logLikelihoods[i]).toBeCloseTo(
      await logLikelihood(model, head, [...Buffer.from(` ${choice}`)]), 4);
  }
  const brim = await model.choose({ query, choices: ["x".repeat(23)] });
  expect(brim.logLikelihoods).toHaveLength(1);
  const failure = await failureOf(model.choose({ query, choices: ["x".repeat(24)] }));
  expect([failure.code, failure.message]).toEqual(
    ["PROMPT_TOO_LONG", expect.stringMatching(/25 .*24/)]);
});

it.each([
  [{ query: "x", choices: [] }, {}, "choices"], [{ query: "x", choices: ["a", ""] }, {}, "empty"],
  [{ query: "x", choices: "abc" }, {}, "choices"], [{ choices: ["a"] }, {}, "query"],
  [{ contexts: [], continuation: "x" }, {}, "contexts"],
  [{ contexts: ["x"], continuation: "" }, {}, "continuation"], [null, {}, "object"],
  [{ query: "x", choices: ["a"] }, { joined: " " }, "joined"],
  [{ query: "x", choices: ["a"] }, { join: 5 }, "text"],
  [{ query: "x", choices: ["a"] }, { signal: true }, "signal"],
])("what it is given is checked: %j %j", async (question, options, word) => {
  const failure = await failureOf(bytes.choose(question as Question, options as ChooseOptions));
  expect([failure.code, failure.message]).toEqual(["BAD_OPTION", expect.stringContaining(word)]);
});

it("stops for a signal, and gives its session back", async () => {
  const reason = new Error("enough");
  const question = CHOICES[0] as Question;
  await expect(bytes.choose(question, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect((await bytes.choose(question)).logLikelihoods).toHaveLength(4);
});

describe("lines of questions", () => {
  const line = '{"query": "q", "choices": ["a", "b"], "gold": 1}';

  it("come in two forms, between empty lines, with any ends of lines", () => {
    const other = '{"context_options": ["a", "b"], "continuation": "c", "gold": 0}';
    expect(readQuestions(`\ufeff${line}\r\n\r\n${other}`, "f")).toEqual([
      { question: { query: "q", choices: ["a", "b"] }, gold: 1 },
      { question: { contexts: ["a", "b"], continuation: "c" }, gold: 0 },
    ]);
  });

  it("after the limit are not looked at", () => {
    expect(readQuestions(`${line}\n${line}\nnonsense`, "f", 2)).toHaveLength(2);
  });

  it.each([
    ["nonsense", "not JSON"], ["[1]", "object"], ["null", "object"], ['"text"', "object"], ["{}",
      "neither"], ['{"choices": ["a"], "gold": 0}', "query"],
    ['{"query": "q", "choices": [], "gold": 0}', "choices"],
    ['{"query": "q", "choices": ["a", 5], "gold": 0}', "choices"],
    ['{"query": "q", "choices": ["a", ""], "gold": 0}', "empty"],
    ['{"query": "q", "choices": ["a", "b"]}', "gold"],
    ['{"query": "q", "choices": ["a", "b"], "gold": "0"}', "gold"],
    ['{"query": "q", "choices": ["a", "b"], "gold": 2}', "gold is 2, but the answers are 0 to 1"],
    ['{"query": "q", "choices": ["a", "b"], "gold": -1}', "gold is -1"],
    ['{"context_options": [], "continuation": "c", "gold": 0}', "contexts"],
    ['{"context_options": ["a"], "gold": 0}', "continuation"],
    [`"${"x".repeat(1_000_000)}"`, "longer than 1000000"],
  ])("that are wrong are named: %#", (wrong, word) => {
    const read = (): unknown => readQuestions(`${line}\n\n${wrong}\n${line}`, "file");
    expect(read).toThrow("file, line 3: ");
    expect(read).toThrow(word);
    expect(read).toThrow(expect.objectContaining({ code: "BAD_CHOICES" }));
  });

  it("must be there", () => {
    expect(() => readQuestions("\n \n", "file")).toThrow("file has no questions");
  });
});
