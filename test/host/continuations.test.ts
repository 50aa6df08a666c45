// How likely many continuations are: the bits of each are those that it has when it is read alone,
// token by token, in a session that nobody else uses, whatever the number of sessions; and it takes
// no more passes than its tree needs.
// Does not know: what labels are for.

import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { pairModel } from "../grammar/models";
import { ggmlType, randomBytePool } from "../reference";
import { byteModel, codeOf, dice, load, wordModel, type Model } from "./library";

const stack = { heads: 2, kvHeads: 1, feedForward: 64 };
const pooledModel = (): Uint8Array => randomBytePool({
  local: { width: 32, ...stack }, encoders: 1, decoders: 1, window: 32,
  trunk: { width: 64, ...stack }, blocks: 2, rule: "space", patchLength: 8, ngramRows: 64,
  ngramOrders: [2, 3], context: 512, vocabulary: 258, type: ggmlType.Q4_0, seed: 5,
});

const trained = new URL("../../models/bytepool-10m.gguf", import.meta.url);
const MODELS: [string, Uint8Array][] = [
  ["bytes", byteModel()], ["patches of bytes", pooledModel()], ["pairs", pairModel()],
  ["words", wordModel()],
  ...(existsSync(trained) ? [["bytepool-10m", readFileSync(trained)] as [string, Uint8Array]] : []),
];

/** Each continuation alone, as one reads. */
async function slowly(model: Model, query: string, choices: readonly string[]): Promise<number[]> {
  using session = model.session();
  const { engine } = session.host;
  const bos = engine.fact("bos");
  const head = [...(bos >= 0 ? [bos] : []), ...model.tokenize(query, { special: false })];
  const found: number[] = [];
  for (const choice of choices) {
    const tail = continuationOf(model, choice);
    session.rewind(0);
    await session.feed(head);
    let sum = 0;
    for (const token of tail) {
      sum += engine.exports.logProbability(session.index, token);
      await session.feed([token]);
    }
    found.push(sum);
  }
  return found;
}

/** The tokens behind a text and a space; words of SentencePiece have theirs already. */
function continuationOf(model: Model, choice: string): number[] {
  const isSpaced = model.info.tokenizer === "sentencepiece";
  return model.tokenize(isSpaced ? choice : ` ${choice}`, { special: false });
}

const WORDS = ["story", "stories", "article", "a", "art", "an article of faith", "b", "letter"];

/** Different labels, of which some begin alike, and some are the beginnings of others. */
function labelsOf(count: number): string[] {
  const roll = dice(count);
  const labels = new Set<string>();
  while (labels.size < count) {
    const words = Array.from({ length: 1 + roll(3) }, () => WORDS[roll(WORDS.length)] as string);
    labels.add(words.join(" ") + (roll(3) === 0 ? String(labels.size) : ""));
  }
  return [...labels];
}

describe.each(MODELS)("with a model of %s", (name, file) => {
  const counts = name === "bytepool-10m" ? [17] : [2, 3, 17, 256];
  it.each(counts)("%i labels have the bits that each has alone", async (count) => {
    const query = "Once there was a dog. Kind of text:";
    const choices = labelsOf(count);
    using alone = await load(file, { context: 128 });
    const expected = await slowly(alone, query, choices);
    for (const [sessions, threads] of [[1, 1], [2, 1], [5, 2], [32, 1]] as const) {
      using model = await load(file, { context: 128, sessions, threads });
      // Twice: the second time the text is there already.
      for (let i = 0; i < (count === 256 ? 1 : 2); i++) {
        const { logLikelihoods } = await model.choose({ query, choices });
        expect(logLikelihoods, `${sessions} sessions`).toEqual(expected);
      }
    }
  });

  it("calibrated labels and answers to several texts have the same bits, too", async () => {
    const prompt = `${"Some texts are stories, and some are not. ".repeat(2)}\n{text}\nThis is`;
    const texts = ["a", "a bird", "a bird sang"].map((text) => `${text} sang`);
    using one = await load(file, { context: 256 });
    const inside = await slowly(one, prompt.replace("{text}", "A dog."), WORDS);
    const outside = await slowly(one, prompt.replace("{text}", ""), WORDS);
    const scores = inside.map((value, i) => value - (outside[i] as number));
    const weights = scores.map((score) => Math.exp(score - Math.max(...scores)));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const expected = new Map(WORDS.map((word, i) => [word, (weights[i] as number) / total]));
    for (const sessions of [1, 2, 3, 16]) {
      using model = await load(file, { context: 256, sessions });
      const found = await model.classify("A dog.", WORDS, { prompt });
      expect(new Map(found.map(({ label, probability }) => [label, probability])))
        .toEqual(expected);
      const { logLikelihoods } = await model.choose({ contexts: texts, continuation: "x y" });
      const singles = await Promise.all(texts.map(async (text) => (
        (await model.choose({ query: text, choices: ["x y"] })).logLikelihoods[0])));
      expect(logLikelihoods).toEqual(singles);
    }
  });
});

describe("passes", () => {
  const query = "x".repeat(40);
  const passesOf = async (model: Model, choices: string[]): Promise<[number, number]> => {
    const before = model.activity;
    await model.choose({ query, choices });
    const { passes, rows } = model.activity;
    return [passes - before.passes, rows - before.rows];
  };

  it("read each token of the tree once in one session", async () => {
    using model = await load(byteModel());
    // BOS and 40 bytes, and " "; then "oo", "ee" of "good", "geese", and "ba".
    expect(await passesOf(model, ["good", "geese", "bad", "b"])).toEqual([5, 42 + 3 + 3 + 2]);
    // One token each: what comes behind the text and the space says all.
    expect(await passesOf(model, ["a", "b", "c", "d"])).toEqual([1, 2]);
  });

  it("read all branches at once in many sessions, and no more than help", async () => {
    using model = await load(byteModel(), { sessions: 8 });
    // The same rows, but "g" is read by both who need it.
    expect(await passesOf(model, ["good", "geese", "bad", "b"])).toEqual([3, 42 + 3 + 4 + 2]);
    const long = ["a", "b", "c"].map((letter) => letter.repeat(65));
    expect((await passesOf(model, long))[0]).toBe(1 + 6);
  });

  it("leave the sessions free, after a failure, too", async () => {
    using model = await load(byteModel(), { sessions: 4 });
    const choices = labelsOf(64);
    const controller = new AbortController();
    const going = model.choose({ query, choices }, { signal: controller.signal });
    setImmediate(() => controller.abort(new Error("enough")));
    await expect(going).rejects.toThrow("enough");
    expect(model.activity).toMatchObject({ running: 0, waiting: 0 });
    const expected = (await model.choose({ query, choices })).logLikelihoods;
    // Beside others, and while a text is being written.
    using busy = model.session();
    const text = busy.generate("y", { maxTokens: 40, seed: 1 });
    await text.next();
    const both = await Promise.all([model.choose({ query, choices }),
      model.choose({ query, choices })]);
    for (const { logLikelihoods } of both) expect(logLikelihoods).toEqual(expected);
    const all = Array.from({ length: 3 }, () => model.session());
    expect(await codeOf(model.choose({ query, choices }))).toBe("SESSIONS_IN_USE");
    all.forEach((session) => session.close());
  });
});
