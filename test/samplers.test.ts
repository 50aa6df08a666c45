// Judges the sampler's steps that are off by default: typical, XTC, dynamic temperature, mirostat
// and DRY, alone and together, on logits that are put into the engine: random ones, ties, forbidden
// tokens, huge values. What is off changes nothing (sampler.test.ts judges the rest).
// Does not know: how the engine sorts, or what it leaves out early.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Model, Session } from "./host/library";
import { load } from "./host/library";
import { Random } from "./kernels";
import {
  Mirostat, dryLosses, ggmlType, pcg32, pick, randomModel, type Dry, type Steps,
} from "./reference";

const VOCABULARY = 301; // no multiple of four

let model: Model;
let session: Session;

beforeAll(async () => {
  model = await load(randomModel({
    width: 32, layers: 1, heads: 2, kvHeads: 1, feedForward: 64, vocabulary: VOCABULARY,
    context: 512, type: ggmlType.F32, tied: false, seed: 11, tokenizer: "byte",
  }));
  session = model.session();
  await session.feed([256, 1, 2, 3]);
});

afterAll(() => model.dispose());

/** Puts logits in the place of those that the model computed. */
function put(logits: Float32Array): void {
  const { engine } = session.host;
  const address = engine.call((e) => e.logitsAddress(session.index));
  const bytes = engine.bytes(address, VOCABULARY * 4);
  new Float32Array(bytes.buffer, bytes.byteOffset, VOCABULARY).set(logits);
}

const again = (): number => session.host.engine.call((e) => e.sample(session.index));

/** Numbers in [0, 1), as the engine draws them. */
function uniform(seed: number): () => number {
  const numbers = pcg32(seed);
  return () => numbers.next().value * 2 ** -32;
}

const OPEN: Steps = {
  temperature: 1, topK: 0, topP: 1, minP: 0, typicalP: 1, xtcProbability: 0, xtcThreshold: 0.1,
  dynamicTemperatureRange: 0, dynamicTemperatureExponent: 1,
};

type Maker = (random: Random) => Float32Array;

const bell: Maker = (random) => random.floats(VOCABULARY, 4);
const forbidding = (allowed: number): Maker => (random) => {
  const logits = new Float32Array(VOCABULARY).fill(-Infinity);
  for (let i = 0; i < allowed; i++) logits[random.whole(0, VOCABULARY - 1)] = 3 * random.bell();
  return logits;
};

const LOGITS: Record<string, Maker> = {
  bell,
  peaked: (random) => bell(random).map((logit) => logit * 5),
  tied: (random) => bell(random).map((logit) => Math.round(logit / 4)),
  equal: () => new Float32Array(VOCABULARY).fill(2.5),
  "one allowed": forbidding(1),
  "some allowed": forbidding(6),
  "half allowed": (random) => bell(random).map((logit) => (random.uniform() < 0.5 ? logit
    : -Infinity)),
  huge: (random) => bell(random).map((logit) => logit * 2e36),
  "huge and tied": (random) => bell(random).map((logit) => Math.sign(logit) * 3.4e38),
};

/** Compares many draws with the plain sampler. */
function compare(
  makeLogits: Maker, makeSteps: (random: Random) => Partial<Steps>, rounds = 12, draws = 12,
): void {
  const random = new Random(rounds + draws);
  let undecided = 0;
  for (let i = 0; i < rounds; i++) {
    const logits = makeLogits(random);
    put(logits);
    for (let j = 0; j < draws; j++) {
      const steps = { ...OPEN, ...makeSteps(random) };
      const seed = random.whole(0, 2 ** 30);
      const wanted = pick(logits, steps, uniform(seed));
      const token = session.sample({ ...steps, seed });
      expect(logits[token], "a forbidden token").not.toBe(-Infinity);
      if (!wanted.isDecided) undecided++;
      else expect(token, `${JSON.stringify(steps)}, seed ${seed}`).toBe(wanted.token);
    }
  }
  expect(undecided / (rounds * draws), "undecided draws").toBeLessThan(0.05);
}

const oneOf = <T>(random: Random, values: readonly T[]): T => (
  values[random.whole(0, values.length - 1)] as T);
const temperatureOf = (random: Random): number => oneOf(random, [0.1, 0.5, 0.8, 1, 2, 10]);
const typicalOf = (random: Random): Partial<Steps> => ({
  typicalP: oneOf(random, [0.001, 0.103, 0.2503, 0.497, 0.9007, 0.9991]) });
const xtcOf = (random: Random): Partial<Steps> => ({
  xtcProbability: oneOf(random, [0.001, 0.5, 1]),
  xtcThreshold: oneOf(random, [0, 0.0031, 0.0207, 0.107, 0.31, 0.503, 0.9973]) });
const dynamicOf = (random: Random): Partial<Steps> => ({
  dynamicTemperatureRange: oneOf(random, [0.1, 0.5, 1, 10]),
  dynamicTemperatureExponent: oneOf(random, [0, 0.3, 1, 2, 10]) });

describe.each(Object.entries(LOGITS))("%s logits", (_, makeLogits) => {
  it.each([["typical", typicalOf], ["XTC", xtcOf], ["dynamic temperature", dynamicOf]])(
    "%s, after top-k or none", (__, makeSteps) => {
      compare(makeLogits, (random) => ({
        temperature: temperatureOf(random), topK: oneOf(random, [0, 1, 2, 7, 40, 1000]),
        ...makeSteps(random),
      }));
    });

  it("all of them, with top-p and min-p", () => {
    compare(makeLogits, (random) => ({
      temperature: temperatureOf(random), topK: oneOf(random, [0, 5, 40]),
      topP: oneOf(random, [0.307, 0.9007, 1]), minP: oneOf(random, [0, 0.05, 0.51]),
      ...(random.uniform() < 0.5 ? typicalOf(random) : {}),
      ...(random.uniform() < 0.5 ? xtcOf(random) : {}),
      ...(random.uniform() < 0.5 ? dynamicOf(random) : {}),
    }), 20, 20);
  });

  it.each([[5, 0.1], [0.01, 1], [2, 0.5], [100, 1], [3, 0]])(
    "mirostat with target %d and rate %d, draw after draw", (tau, eta) => {
      const random = new Random(7);
      let undecided = 0;
      for (const temperature of [0.3, 1, 5]) {
        const plain = new Mirostat(tau, eta);
        const next = uniform(99);
        for (let i = 0; i < 30; i++) {
          const logits = makeLogits(random);
          put(logits);
          const wanted = plain.pick(logits, temperature, next);
          const token = i > 0 ? again() : session.sample(
            { temperature, mirostat: 2, mirostatTau: tau, mirostatEta: eta, seed: 99 });
          expect(logits[token]).not.toBe(-Infinity);
          if (!wanted.isDecided) undecided++;
          else expect(token, `draw ${i} at temperature ${temperature}`).toBe(wanted.token);
          wanted.told(token);
        }
      }
      expect(undecided).toBeLessThan(9);
    });
});

it("what is off changes nothing, whatever its other settings are", () => {
  const random = new Random(5);
  for (let i = 0; i < 50; i++) {
    put(bell(random));
    const plain = { seed: i, topK: oneOf(random, [0, 40]), topP: oneOf(random, [0.9, 1]) };
    expect(session.sample({ ...plain, typicalP: 1, xtcThreshold: 0, mirostat: 0, mirostatTau: 1,
      mirostatEta: 1, dynamicTemperatureExponent: 3, dryMultiplier: 0, dryBase: 9, dryTokens: 0 }))
      .toBe(session.sample(plain));
  }
});

it("temperature 0 takes the likeliest, whatever else is set", () => {
  const random = new Random(6);
  for (let i = 0; i < 20; i++) {
    const logits = bell(random);
    put(logits);
    const best = logits.indexOf(Math.max(...logits));
    for (const more of [{ mirostat: 2 }, { dynamicTemperatureRange: 5 },
      { xtcProbability: 1, xtcThreshold: 0, typicalP: 0.1 }] as const) {
      expect(session.sample({ ...more, temperature: 0, seed: i })).toBe(best);
    }
  }
});

describe("DRY", () => {
  const settings = (random: Random): Dry => ({
    dryMultiplier: oneOf(random, [0.5, 0.8, 3, 100]), dryBase: oneOf(random, [1, 1.75, 4, 10]),
    dryAllowedLength: oneOf(random, [1, 2, 3, 7, 50]),
    dryTokens: oneOf(random, [0, 1, 2, 5, 50, 2 ** 20]),
  });
  const BREAKERS = new Set([..."\n:\"*"].map((text) => text.charCodeAt(0)));
  const period = (length: number, of: number): number[] => (
    Array.from({ length }, (_, i) => 65 + i % of));
  const HISTORIES: [string, number[]][] = [
    ["one token", [65]], ["the same token", Array<number>(130).fill(65)],
    ["a period of two", period(120, 2)], ["a period of seven", period(200, 7)],
    ["a breaker at the end", [...period(40, 4), 10]],
    ["a breaker inside", [...period(21, 3), 58, ...period(20, 3), 58, 65]],
    ["few letters", [...new Random(3).floats(300)].map((x) => 65 + Math.floor(Math.abs(x) * 2))],
    ["few letters and breakers",
      [...new Random(4).floats(300)].map((x) => [65, 66, 58, 67, 10][Math.floor(Math.abs(x))])],
  ] as [string, number[]][];

  it.each(HISTORIES)("takes off what the definition says, behind %s", async (_, history) => {
    const random = new Random(8);
    session.rewind(0);
    await session.feed(history);
    for (let i = 0; i < 60; i++) {
      const dry = settings(random);
      const temperature = oneOf(random, [0, 0.5, 2]);
      const logits = oneOf(random, [bell, forbidding(6), forbidding(1)])(random);
      const losses = dryLosses(history, BREAKERS, dry);
      // Every other time, what is dear is what would come.
      if (i % 2 === 0) for (const token of losses.keys()) logits[token] = 12;
      put(logits);
      const left = logits.slice();
      for (const [token, loss] of losses) left[token] -= loss;
      const best = left.indexOf(Math.max(...left));
      const wanted = temperature === 0 ? { token: best, isDecided: true }
        : pick(left, { ...OPEN, temperature, topK: 40 }, uniform(i));
      const token = session.sample({ ...OPEN, ...dry, temperature, topK: 40, seed: i });
      expect(logits[token], "a forbidden token").not.toBe(-Infinity);
      if (wanted.isDecided) expect(token, JSON.stringify(dry)).toBe(wanted.token);
    }
  });

  it("has the breakers that are given: in any token that holds one, or at its end", async () => {
    const history = period(40, 4); // A B C D, and A comes next
    session.rewind(0);
    await session.feed(history);
    const logits = new Float32Array(VOCABULARY);
    logits[65] = 5;
    logits[90] = 1;
    put(logits);
    const next = (dryBreakers: string[]): number => (
      session.sample({ temperature: 0, dryMultiplier: 10, dryBreakers }));
    expect(next([])).toBe(90);
    expect(next(["Z", "\n"])).toBe(90);
    expect(next(["D"])).toBe(65); // the end of the text
    expect(next(["A"])).toBe(65); // what would come
    expect(next(["xD"])).toBe(65); // its last token
    expect(next(["C"])).toBe(65); // a match of one is shorter than two
    expect(next(["B"])).toBe(90);
  });

  it("is forgotten with the next settings, breakers too", () => {
    const greedy = { temperature: 0 } as const;
    expect(session.sample({ ...greedy, dryMultiplier: 10, dryBreakers: ["D"] })).toBe(65);
    expect(session.sample({ ...greedy, dryMultiplier: 10 })).toBe(90);
    expect(session.sample(greedy)).toBe(65);
  });
});

describe("options", () => {
  it.each([
    [{ typicalP: 0 }, "typicalP"], [{ typicalP: 1.01 }, "typicalP"], [{ typicalP: NaN }, "typical"],
    [{ xtcProbability: -0.1 }, "xtcProbability"], [{ xtcThreshold: 2 }, "xtcThreshold"],
    [{ mirostat: 1 }, "mirostat is 1; it must be 0 (off) or 2"], [{ mirostat: "2" }, "mirostat"],
    [{ mirostatTau: 0 }, "mirostatTau"], [{ mirostatEta: 1.1 }, "mirostatEta"],
    [{ dynamicTemperatureRange: 11 }, "dynamicTemperatureRange"],
    [{ dynamicTemperatureExponent: -1 }, "dynamicTemperatureExponent"],
    [{ dryMultiplier: 101 }, "dryMultiplier"], [{ dryBase: 0.5 }, "dryBase"],
    [{ dryAllowedLength: 0 }, "dryAllowedLength"], [{ dryTokens: 1.5 }, "dryTokens"],
    [{ dryBreakers: ":" }, "dryBreakers"], [{ dryBreakers: [""] }, "dryBreakers"],
    [{ dryBreakers: [5] }, "dryBreakers"], [{ dryBreakers: Array(65).fill("a") }, "dryBreakers"],
    [{ dryBreakers: ["x".repeat(65)] }, "dryBreakers"],
    [{ mirostat: 2, typicalP: 0.5 }, "typicalP has no say beside mirostat"],
    [{ mirostat: 2, xtcProbability: 0.5 }, "xtcProbability has no say"],
    [{ mirostat: 2, dynamicTemperatureRange: 1 }, "dynamicTemperatureRange has no say"],
  ])("%j are refused by name", (options, words) => {
    expect(() => session.sample(options as object))
      .toThrow(expect.objectContaining({ code: "BAD_OPTION" }) as Error);
    expect(() => session.sample(options as object)).toThrow(words);
  });
});
