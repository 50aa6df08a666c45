// Judges the engine's sampler: the same logits, options and seed through a plain sampler in f64.
// Does not know: how logits come about, nor how the engine sorts.
//
// The engine's probabilities are f32 and each is within some 1e-6 of its exact value. So a draw is
// UNDECIDED when the plain sampler would choose otherwise after a shift of CLOSE; all other draws
// must agree to the token, and undecided ones must be few.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GenerateOptions } from "../host/options";
import type { Model } from "../host/model";
import type { Session } from "../host/session";
import { Random } from "./kernels";
import { ggmlType, pcg32, randomModel, readGguf } from "./reference";

const CLOSE = 1e-5;
const VOCABULARY = 300;
const DRAWS = 4000;

type Load = (input: Uint8Array) => Promise<Model>;
let load: Load;
let model: Model;
let session: Session;

beforeAll(async () => {
  const bundle = new URL("../dist/index.js", import.meta.url).href;
  ({ load } = await import(bundle) as { load: Load });
  model = await load(makeModel());
  session = model.session();
});

afterAll(() => model.dispose());

/** A tiny F32 model; `equal` copies the output row of one token to others, so that they tie. */
function makeModel(equal: readonly (readonly [from: number, to: number])[] = []): Uint8Array {
  const width = 32;
  const bytes = randomModel({
    width, layers: 1, heads: 2, kvHeads: 1, feedForward: 64, vocabulary: VOCABULARY, context: 128,
    type: ggmlType.F32, tied: false, seed: 11, tokenizer: "byte",
  });
  const output = readGguf(bytes).tensors.get("output.weight");
  if (output === undefined) throw new Error("the model has no output matrix");
  const row = (token: number): Uint8Array =>
    output.bytes.subarray(token * width * 4, (token + 1) * width * 4);
  for (const [from, to] of equal) row(to).set(row(from));
  return bytes;
}

/** Everything is kept. */
const OPEN = {
  temperature: 1, topK: 0, topP: 1, minP: 0, repeatPenalty: 1, repeatTokens: 64,
  frequencyPenalty: 0, presencePenalty: 0,
} satisfies GenerateOptions;
type Settings = { [name in keyof typeof OPEN]: number } & Pick<GenerateOptions, "logitBias">;

/** A token that is left, its logit, and its probability relative to the likeliest. */
interface Candidate { token: number; logit: number; p: number }

interface Kept { candidates: Candidate[]; isDecided: boolean }

/** Bias and penalties, in f32 as the engine has logits. */
function penalized(logits: Float32Array, history: number[], settings: Settings): Float32Array {
  const result = logits.slice();
  for (const [token, bias] of Object.entries(settings.logitBias ?? {})) {
    result[Number(token)] += Math.fround(bias);
  }
  const penalty = Math.fround(settings.repeatPenalty);
  const frequency = Math.fround(settings.frequencyPenalty);
  const presence = Math.fround(settings.presencePenalty);
  const { repeatTokens } = settings;
  const recent = repeatTokens > 0 ? history.slice(-repeatTokens) : [];
  for (const token of new Set(recent)) {
    result[token] = result[token] > 0 ? result[token] / penalty : result[token] * penalty;
    const count = recent.filter((other) => other === token).length;
    result[token] -= Math.fround(Math.fround(count * frequency) + presence);
  }
  return result;
}

const differs = (a: Candidate | undefined, b: Candidate | undefined): boolean =>
  a === undefined || b === undefined || a.logit === b.logit || Math.abs(a.p / b.p - 1) > CLOSE;

/** Temperature, then top-k, top-p and min-p, each on what the one before has left. */
function keep(logits: Float32Array, settings: Settings): Kept {
  const largest = logits.reduce((a, b) => Math.max(a, b));
  const temperature = Math.fround(settings.temperature);
  const all = Array.from(logits, (logit, token): Candidate =>
    ({ token, logit, p: Math.exp((logit - largest) / temperature) }));
  const minP = Math.fround(settings.minP);
  const topP = Math.fround(settings.topP);
  let isDecided = minP === 0 || all.every(({ p }) => p === 1 || Math.abs(p / minP - 1) > CLOSE);
  const isLikely = ({ p }: Candidate): boolean => p >= minP;
  if (settings.topK === 0 && topP === 1) return { candidates: all.filter(isLikely), isDecided };
  all.sort((a, b) => b.logit - a.logit || a.token - b.token);
  const left = settings.topK > 0 ? all.slice(0, settings.topK) : all;
  isDecided &&= differs(all[left.length - 1], all[left.length]);
  const share = topP * left.reduce((sum, { p }) => sum + p, 0);
  let sum = 0;
  let count = 0;
  while (count < left.length && (count === 0 || sum < share)) {
    sum += left[count++].p;
    if (topP < 1) isDecided &&= Math.abs(sum / share - 1) > CLOSE;
  }
  isDecided &&= differs(all[count - 1], all[count]);
  return { candidates: left.slice(0, count).filter(isLikely), isDecided };
}

/** The token that `random` (32 bits) falls on; undefined when that is too close to tell. */
function choose(
  logits: Float32Array, history: number[], settings: Settings, random: number,
): number | undefined {
  const own = penalized(logits, history, settings);
  if (settings.temperature === 0) return own.indexOf(own.reduce((a, b) => Math.max(a, b)));
  const { candidates, isDecided } = keep(own, settings);
  const total = candidates.reduce((sum, { p }) => sum + p, 0);
  const point = random * 2 ** -32 * total;
  let sum = 0;
  for (const [i, candidate] of candidates.entries()) {
    const next = sum + candidate.p;
    if (point < next || i === candidates.length - 1) {
      const isInside = (i === 0 || point - sum > CLOSE * total)
        && (i === candidates.length - 1 || next - point > CLOSE * total);
      const isPlaced = differs(candidate, candidates[i - 1])
        && differs(candidate, candidates[i + 1]);
      return isDecided && isInside && isPlaced ? candidate.token : undefined;
    }
    sum = next;
  }
  throw new Error("nothing is left to choose from");
}

/** Starts the session over with these tokens. */
async function read(history: number[], target = session): Promise<Float32Array> {
  target.rewind(0);
  await target.feed(history);
  return target.logits();
}

/** Compares draws with random options and seeds, after each of the histories. */
async function compare(
  histories: number[][], makeSettings: (random: Random) => Partial<Settings>, draws: number,
  target = session,
): Promise<void> {
  const random = new Random(histories.length);
  let undecided = 0;
  for (const history of histories) {
    const logits = await read(history, target);
    for (let i = 0; i < draws; i++) {
      const settings = { ...OPEN, ...makeSettings(random) };
      const seed = random.whole(0, 2 ** 20) * 2 ** random.whole(0, 33);
      const wanted = choose(logits, history, settings, pcg32(seed).next().value);
      const token = target.sample({ ...settings, seed });
      if (wanted === undefined) undecided++;
      else expect(token, `${JSON.stringify(settings)}, seed ${seed}`).toBe(wanted);
    }
  }
  expect(undecided / (draws * histories.length), "undecided draws").toBeLessThan(0.02);
}

const LONG = Array.from({ length: 80 }, (_, i) => i % 9);
const HISTORIES = [[256], [256, 72, 105], [7], [256, ...LONG]];
const temperatureOf = (random: Random): number => [0.1, 0.5, 0.8, 1, 2, 10][random.whole(0, 5)];
const penaltyOf = (random: Random): Partial<Settings> => ({
  repeatPenalty: [0.1, 0.5, 1.1, 2, 10][random.whole(0, 4)], repeatTokens: random.whole(0, 100),
});

const countsOf = (random: Random): Partial<Settings> => ({
  frequencyPenalty: [-2, -0.3, 0, 0.7, 2][random.whole(0, 4)],
  presencePenalty: [-2, -0.5, 0, 0.9, 2][random.whole(0, 4)], repeatTokens: random.whole(0, 100),
});
const biasOf = (random: Random): Partial<Settings> => ({
  logitBias: Object.fromEntries(Array.from({ length: random.whole(0, 8) }, () => (
    [random.whole(0, VOCABULARY - 1), random.whole(-80, 80) / 10]))),
});

describe("against the plain sampler", () => {
  it("is greedy at temperature 0, whatever else is set", async () => {
    await compare(HISTORIES, (random) => ({ temperature: 0, topK: random.whole(0, 5) }), 20);
    await compare(HISTORIES, (random) => ({ temperature: 0, ...penaltyOf(random) }), 100);
  });

  it("follows the temperature", async () => {
    await compare(HISTORIES, (random) => ({ temperature: temperatureOf(random) }), 300);
    await compare(HISTORIES, () => ({ temperature: 0.001 }), 20);
  });

  it("keeps top-k, from one to more than there are", async () => {
    await compare(HISTORIES, (random) => ({
      temperature: temperatureOf(random),
      topK: [1, 2, 3, 7, 40, 299, 300, 301, 2 ** 20][random.whole(0, 8)],
    }), 300);
  });

  it("keeps top-p", async () => {
    await compare(HISTORIES, (random) => ({
      temperature: temperatureOf(random),
      topP: [1e-9, 0.01, 0.3, 0.5, 0.9, 0.95, 0.999][random.whole(0, 6)],
    }), 300);
  });

  it("keeps min-p", async () => {
    await compare(HISTORIES, (random) => ({
      temperature: temperatureOf(random), minP: [0.001, 0.05, 0.3, 0.9, 1][random.whole(0, 4)],
    }), 300);
  });

  it("penalizes each recent token once", async () => {
    await compare(HISTORIES, (random) => ({
      temperature: temperatureOf(random), ...penaltyOf(random),
    }), 300);
  });

  it("takes off presence once and frequency every time", async () => {
    await compare(HISTORIES, (random) => ({
      temperature: temperatureOf(random), ...countsOf(random),
    }), 300);
    await compare(HISTORIES, (random) => ({ temperature: 0, ...countsOf(random) }), 100);
  });

  it("adds biases, up to a ban or a command", async () => {
    await compare(HISTORIES, (random) => ({
      temperature: temperatureOf(random), ...biasOf(random),
    }), 300);
    await read([256]);
    expect(session.sample({ ...OPEN, logitBias: { 77: 100 }, seed: 1 })).toBe(77);
    const all = Object.fromEntries(Array.from({ length: 300 }, (_, token) => [token, -100]));
    delete all[123];
    for (let seed = 0; seed < 50; seed++) {
      expect(session.sample({ ...OPEN, logitBias: all, seed })).toBe(123);
      expect(session.sample({ ...OPEN, logitBias: { 123: -100 }, seed })).not.toBe(123);
    }
  });

  it("forgets biases and penalties with the next settings", async () => {
    const logits = await read([256, 3]);
    const best = logits.indexOf(logits.reduce((a, b) => Math.max(a, b)));
    const greedy = { ...OPEN, temperature: 0 };
    expect(session.sample({ ...greedy, logitBias: { 77: 100 } })).toBe(77);
    expect(session.sample(greedy)).toBe(best);
  });

  it.each([[{ 300: 1 }, "BAD_TOKEN"], [{ [-1]: 1 }, "BAD_OPTION"], [{ x: 1 }, "BAD_OPTION"],
    [{ 1: 101 }, "BAD_OPTION"], [{ 1: "2" }, "BAD_OPTION"], [[1], "BAD_OPTION"],
    [Object.fromEntries(Array.from({ length: 513 }, (_, i) => [i, 1])), "BAD_OPTION"],
  ])("refuses a bias that is none: %j", async (logitBias, code) => {
    await read([256]);
    expect(() => session.sample({ logitBias: logitBias as never }))
      .toThrow(expect.objectContaining({ code }) as Error);
    for (const penalty of [-2.1, 2.1, "1"]) {
      expect(() => session.sample({ frequencyPenalty: penalty as never })).toThrow("frequency");
      expect(() => session.sample({ presencePenalty: penalty as never })).toThrow("presence");
    }
  });

  it("takes all options together", async () => {
    await compare(HISTORIES, (random) => ({
      temperature: temperatureOf(random), topK: random.whole(0, 60),
      topP: 0.5 + random.uniform() / 2, minP: random.uniform() / 5, ...penaltyOf(random),
      ...countsOf(random), ...biasOf(random),
    }), 600);
  });
});

describe("ties", () => {
  it("go to the lower token, among all and at the edge of top-k", async () => {
    const plain = await read([256]);
    const best = plain.indexOf(plain.reduce((a, b) => Math.max(a, b)));
    const others = [3, 50, 120, 299].filter((token) => token !== best);
    const tied = await load(makeModel(others.map((token) => [best, token])));
    const own = tied.session();
    const logits = await read([256], own);
    for (const token of others) expect(logits[token]).toBe(logits[best]);
    const ascending = [...others, best].sort((a, b) => a - b);
    expect(own.sample({ temperature: 0 })).toBe(ascending[0]);
    for (let topK = 1; topK <= ascending.length; topK++) {
      const seen = new Set<number>();
      for (let seed = 0; seed < 100; seed++) {
        seen.add(own.sample({ ...OPEN, topK, seed }));
      }
      expect([...seen].sort((a, b) => a - b)).toEqual(ascending.slice(0, topK));
    }
    await compare([[256], [9, 9]], (random) => ({
      temperature: temperatureOf(random), topK: random.whole(0, 8), topP: random.uniform() + 1e-6,
    }), 300, own);
    tied.dispose();
  });

  it("of the whole vocabulary leave the lowest tokens", async () => {
    const pairs = Array.from({ length: VOCABULARY - 1 }, (_, i) => [0, i + 1] as const);
    const even = await load(makeModel(pairs));
    const own = even.session();
    await read([256], own);
    expect(own.sample({ temperature: 0 })).toBe(0);
    for (let seed = 0; seed < 300; seed++) {
      const random = pcg32(seed).next().value * 2 ** -32;
      expect(own.sample({ ...OPEN, seed })).toBe(Math.floor(random * VOCABULARY));
      expect(own.sample({ ...OPEN, minP: 1, seed })).toBe(Math.floor(random * VOCABULARY));
      expect(own.sample({ ...OPEN, topK: 16, seed })).toBe(Math.floor(random * 16));
      expect(own.sample({ ...OPEN, topP: 0.25, seed })).toBe(Math.floor(random * 75));
    }
    even.dispose();
  });
});

describe("the generator", () => {
  it("gives the same token for the same seed, also after a rewind", async () => {
    const history = [256, 1, 2, 3];
    await read(history);
    const draw = (): number[] =>
      Array.from({ length: 50 }, (_, seed) => session.sample({ ...OPEN, seed: seed * 2 ** 40 }));
    const first = draw();
    expect(draw()).toEqual(first);
    expect(new Set(first).size).toBeGreaterThan(10);
    session.rewind(3);
    await session.feed([3]);
    expect(draw()).toEqual(first);
    session.rewind(0);
    await session.feed(history);
    expect(draw()).toEqual(first);
  });

  it("goes on as PCG32 does from one draw to the next", async () => {
    const history = [256, 5];
    const logits = await read(history);
    for (const seed of [0, 1, 42, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      const numbers = pcg32(seed);
      let token = session.sample({ ...OPEN, seed });
      for (let i = 0; i < 50; i++) {
        const wanted = choose(logits, history, OPEN, numbers.next().value);
        if (wanted !== undefined) expect(token, `draw ${i} of seed ${seed}`).toBe(wanted);
        token = session.host.engine.call((e) => e.sample(session.index));
      }
    }
  });

  it("makes a text the same for its seed and another for others", async () => {
    session.close();
    const write = async (seed: number): Promise<string> =>
      (await model.complete("Once", { ...OPEN, maxTokens: 24, seed })).text;
    const texts = [await write(1), await write(2), await write(1)];
    session = model.session();
    expect(texts[2]).toBe(texts[0]);
    expect(texts[1]).not.toBe(texts[0]);
  });
});

describe("the distribution", () => {
  const SETTINGS: Settings[] = [
    OPEN, { ...OPEN, temperature: 0.5 }, { ...OPEN, topK: 20 }, { ...OPEN, topP: 0.7 },
    { ...OPEN, minP: 0.1 }, { ...OPEN, temperature: 0.8, topK: 40, topP: 0.95, minP: 0.05 },
  ];

  it.each(SETTINGS)("is that of the plain sampler: %o", async (settings) => {
    const logits = await read([256, 84, 104, 101]);
    const { candidates } = keep(logits, settings);
    const total = candidates.reduce((sum, { p }) => sum + p, 0);
    const counts = new Map<number, number>();
    for (let seed = 0; seed < DRAWS; seed++) {
      const token = session.sample({ ...settings, seed: seed * 7919 });
      counts.set(token, (counts.get(token) ?? 0) + 1);
    }
    const known = new Set(candidates.map(({ token }) => token));
    expect([...counts.keys()].filter((token) => !known.has(token))).toEqual([]);
    // Chi-square; what is expected less than five times is thrown together.
    let square = 0;
    let bins = 0;
    const rare = { expected: 0, seen: 0 };
    for (const { token, p } of candidates) {
      const expected = (DRAWS * p) / total;
      const seen = counts.get(token) ?? 0;
      if (expected < 5) {
        rare.expected += expected;
        rare.seen += seen;
        continue;
      }
      square += (seen - expected) ** 2 / expected;
      bins++;
    }
    if (rare.expected >= 5) {
      square += (rare.seen - rare.expected) ** 2 / rare.expected;
      bins++;
    }
    // Its mean is bins - 1, its variance twice that: five deviations, and the seeds are fixed.
    expect(bins).toBeGreaterThan(10);
    expect(square).toBeLessThan(bins - 1 + 5 * Math.sqrt(2 * (bins - 1)));
  });
});
