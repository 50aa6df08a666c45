// Sampling under a mask: whatever the settings, only what it allows; and as a plain sampler would
// pick from those tokens alone. Does not know: where masks come from.
//
// The engine's probabilities are f32: a draw that a plain sampler would decide otherwise after a
// shift of CLOSE says nothing, and such draws must be few.

import { afterAll, expect, it } from "vitest";
import { byteModel, load } from "../host/library";
import { Random } from "../kernels";

const CLOSE = 1e-5;
const SIZE = 300;

const model = await load(byteModel({ vocabulary: SIZE, tied: false }));
const session = model.session();
const { engine } = session.host;
afterAll(() => model.dispose());
await session.feed("What comes");
const logits = session.logits();

interface Settings { temperature: number; topK: number; topP: number; minP: number }

function sample(
  allowed: ReadonlySet<number>, settings: Settings, seed: number, bias: Record<number, number> = {},
): number {
  // Sets up the session; the token that it picks is of no interest.
  session.sample({ ...settings, logitBias: bias, seed });
  engine.exports.seed(session.index, seed, 0);
  const mask = engine.bytes(engine.exports.maskAddress(), Math.ceil(SIZE / 8)).fill(0);
  for (const token of allowed) mask[token >> 3] = (mask[token >> 3] as number) | (1 << (token & 7));
  return engine.call((e) => e.sampleMasked(session.index));
}

/** The first number of PCG32 with a seed below 2^32, as a share of 1. */
function draw(seed: number): number {
  const increment = 1442695040888963407n;
  const state = BigInt.asUintN(64, (BigInt(seed) + increment) * 6364136223846793005n + increment);
  const mixed = Number(BigInt.asUintN(32, ((state >> 18n) ^ state) >> 27n));
  const turns = Number(state >> 59n);
  return (((mixed >>> turns) | (mixed << (-turns & 31))) >>> 0) * 2 ** -32;
}

/** What a sampler picks that knows only the allowed tokens; undefined when it is too close. */
function plain(allowed: ReadonlySet<number>, settings: Settings, share: number) {
  const { temperature, topK, topP, minP } = settings;
  const all = [...allowed].map((token) => ({ token, logit: logits[token] as number }));
  all.sort((a, b) => b.logit - a.logit || a.token - b.token);
  const most = all[0]?.logit as number;
  if (temperature === 0) return all[0]?.token;
  const left = all.slice(0, topK === 0 ? undefined : topK).map(({ token, logit }) => (
    { token, p: Math.exp((logit - most) / Math.fround(temperature)) }));
  const total = left.reduce((sum, { p }) => sum + p, 0);
  let isClose = false;
  let sum = 0;
  let kept = left.filter(({ p }, i) => {
    const before = sum / total;
    sum += p;
    isClose ||= topP < 1 && Math.abs(before - topP) < CLOSE;
    isClose ||= minP > 0 && i > 0 && Math.abs(p - minP) < CLOSE;
    return i === 0 || (before < topP && p >= minP);
  });
  if (topK === 0 && topP === 1) kept = kept.sort((a, b) => a.token - b.token);
  const point = share * kept.reduce((all, { p }) => all + p, 0);
  let at = 0;
  for (const { token, p } of kept) {
    if (Math.abs(point - at) < CLOSE || Math.abs(point - at - p) < CLOSE) isClose = true;
    at += p;
    if (point < at) return isClose ? undefined : token;
  }
  return undefined;
}

const settingsOf = (random: Random): Settings => ({
  temperature: [0, 0.1, 0.8, 2, 10][random.whole(0, 4)] as number,
  topK: [0, 0, 1, 5, 40, 299, 1000][random.whole(0, 6)] as number,
  topP: [1, 1, 0.95, 0.5, 0.01][random.whole(0, 4)] as number,
  minP: [0, 0, 0.05, 0.5, 1][random.whole(0, 4)] as number,
});

function maskOf(random: Random): Set<number> {
  const count = [1, 2, 3, 10, 100, 299, 300][random.whole(0, 6)] as number;
  const allowed = new Set<number>();
  while (allowed.size < count) allowed.add(random.whole(0, SIZE - 1));
  return allowed;
}

it("picks as from the allowed tokens alone", () => {
  const random = new Random(1);
  let undecided = 0;
  for (let i = 0; i < 3000; i++) {
    const settings = settingsOf(random);
    const allowed = maskOf(random);
    const seed = random.whole(0, 2 ** 31);
    const wanted = plain(allowed, settings, draw(seed));
    const token = sample(allowed, settings, seed);
    expect(allowed.has(token)).toBe(true);
    if (wanted === undefined) undecided++;
    else expect(token, `${JSON.stringify(settings)}, seed ${seed}`).toBe(wanted);
  }
  expect(undecided).toBeLessThan(90);
});

it("never picks anything else, whatever speaks for it", () => {
  const random = new Random(2);
  const order = [...logits.keys()].sort((a, b) => (
    (logits[a] as number) - (logits[b] as number)));
  for (let i = 0; i < 3000; i++) {
    // The unlikeliest only, pushed down further, and all else pushed up.
    const allowed = new Set(order.slice(0, random.whole(1, 4)));
    const bias = Object.fromEntries(order.map((token) => [token, allowed.has(token) ? -100 : 100]));
    const settings = { ...settingsOf(random), repeatPenalty: 10, frequencyPenalty: -2 };
    expect(allowed.has(sample(allowed, settings, i, bias))).toBe(true);
  }
});

it("refuses a mask that allows nothing, and forgets it for the next token", () => {
  const settings = { temperature: 1, topK: 0, topP: 1, minP: 0 };
  expect(() => sample(new Set(), settings, 1))
    .toThrow(expect.objectContaining({ code: "OUT_OF_ORDER" }) as Error);
  const best = logits.indexOf(Math.max(...logits));
  expect(session.sample({ temperature: 0 })).toBe(best);
});
