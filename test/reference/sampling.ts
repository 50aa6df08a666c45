// The steps of a sampler as their authors define them, in f64, with sorts and slices: slow, and
// easy to compare with docs/SAMPLING.md. Judges the engine's. Does not know: bias and the
// penalties, which test/sampler.test.ts has; where logits come from.
//
// The engine's probabilities are f32, each within some 1e-6 of its exact value. Wherever a decision
// here hangs on less than CLOSE, the pick is UNDECIDED, and says nothing.

export const CLOSE = 1e-5;

/** The engine's exp4 is 0 below: such a token can never come. */
const SMALLEST = -87.3;

/** PCG32 (XSH RR, 64 bits of state) as its paper writes it, with the engine's one stream. */
export function* pcg32(seed: number): Generator<number, never> {
  const step = (state: bigint): bigint =>
    BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
  let state = step(BigInt.asUintN(64, BigInt(seed) + 1442695040888963407n));
  for (;;) {
    const mixed = Number(BigInt.asUintN(32, ((state >> 18n) ^ state) >> 27n));
    const turns = Number(state >> 59n);
    state = step(state);
    yield ((mixed >>> turns) | (mixed << (-turns & 31))) >>> 0;
  }
}

export interface Steps {
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  typicalP: number;
  xtcProbability: number;
  xtcThreshold: number;
  dynamicTemperatureRange: number;
  dynamicTemperatureExponent: number;
}

/** A token that is left; `p` is its share among those that are. */
interface Candidate { token: number; logit: number; p: number }

export interface Picked { token: number; isDecided: boolean }

/** Comparisons, and whether all of them were clear. */
class Judge {
  isDecided = true;

  /** Whether a >= b. */
  reaches(a: number, b: number): boolean {
    if (Math.abs(a - b) <= CLOSE * Math.max(Math.abs(a), Math.abs(b))) this.isDecided = false;
    return a >= b;
  }

  /** Tokens that follow one another and that a cut goes between; equal ones have a fixed order. */
  between(a: Candidate | undefined, b: Candidate | undefined): void {
    if (a && b && a.logit !== b.logit && Math.abs(a.p / b.p - 1) <= CLOSE) this.isDecided = false;
  }
}

const sum = (numbers: number[]): number => numbers.reduce((a, b) => a + b, 0);

/** Shares anew, of logits over a temperature; the likeliest first, equal ones by id. */
function shares(tokens: readonly Candidate[], temperature = 1): Candidate[] {
  const most = Math.max(...tokens.map(({ logit }) => logit));
  const weights = tokens.map(({ logit }) => Math.exp((logit - most) / temperature));
  const total = sum(weights);
  return tokens.map(({ token, logit }, i) => (
    { token, logit: logit / temperature, p: weights[i] / total }))
    .sort((a, b) => b.logit - a.logit || a.token - b.token);
}

function possible(logits: ArrayLike<number>, temperature: number): Candidate[] {
  const most = Math.max(...Array.from(logits));
  return shares(Array.from(logits, (logit, token) => ({ token, logit: logit / temperature, p: 0 }))
    .filter(({ logit }) => logit - most / temperature > SMALLEST));
}

const entropyOf = (left: readonly Candidate[]): number => (
  -sum(left.map(({ p }) => p * Math.log(p))));

/** Locally typical sampling: Meister and others, algorithm of their section 3. */
function typical(left: Candidate[], share: number, judge: Judge): Candidate[] {
  const entropy = entropyOf(left);
  const near = left.map((candidate) => {
    const surprise = -Math.log(candidate.p);
    const isLikelier = surprise < entropy - 1e-9;
    return { ...candidate, isLikelier, shift: Math.abs(surprise - entropy) };
  });
  // Equal ones: outwards from the entropy, as a walk along the sorted tokens meets them.
  near.sort((a, b) => (a.logit === b.logit ? (a.token - b.token) * (a.isLikelier ? -1 : 1)
    : a.shift - b.shift));
  let kept = 0;
  let count = 0;
  while (count < near.length && !(count > 0 && judge.reaches(kept, share))) kept += near[count++].p;
  const [last, next] = [near[count - 1], near[count]];
  if (next && next.logit !== last.logit && Math.abs(next.shift - last.shift) <= CLOSE) {
    judge.isDecided = false;
  }
  return shares(near.slice(0, count));
}

function nucleus(left: Candidate[], share: number, judge: Judge): Candidate[] {
  if (share === 1) return left;
  let kept = 0;
  let count = 0;
  while (count < left.length && !(count > 0 && judge.reaches(kept, share))) kept += left[count++].p;
  judge.between(left[count - 1], left[count]);
  return shares(left.slice(0, count));
}

function withMinP(left: Candidate[], minP: number, judge: Judge): Candidate[] {
  return shares(left.filter(({ p }, i) => i === 0 || judge.reaches(p / left[0].p, minP)));
}

/** p-e-w's text-generation-webui pull request 6335: all but the least likely of the top choices. */
function excludeTop(left: Candidate[], threshold: number, judge: Judge): Candidate[] {
  const top = left.filter(({ p }) => judge.reaches(p, threshold)).length;
  judge.between(left[top - 1], left[top]);
  if (top >= 2) judge.between(left[top - 2], left[top - 1]);
  return top < 2 ? left : shares(left.slice(top - 1));
}

/** llama.cpp's temp_ext: the temperature by the share of the entropy that there could be. */
function dynamicTemperature(left: readonly Candidate[], steps: Steps): number {
  const height = (entropyOf(left) / Math.log(left.length)) ** steps.dynamicTemperatureExponent;
  const least = Math.max(0, steps.temperature - steps.dynamicTemperatureRange);
  const most = steps.temperature + steps.dynamicTemperatureRange;
  return Math.max(0.001, least + (most - least) * height);
}

/** The token on which `point`, a number in [0, 1), falls. */
function fall(left: readonly Candidate[], point: number, slack: number): Picked {
  let reached = 0;
  for (const [i, candidate] of left.entries()) {
    const isLast = i === left.length - 1;
    const next = reached + candidate.p;
    if (point < next || isLast) {
      const isClear = (i === 0 || point - reached > slack) && (isLast || next - point > slack);
      return { token: candidate.token, isDecided: isClear };
    }
    reached = next;
  }
  throw new Error("nothing is left to choose from");
}

const rounded = (steps: Steps): Steps => Object.fromEntries(
  Object.entries(steps).map(([name, value]) => [name, Math.fround(value)])) as unknown as Steps;

/** The next token; `random` gives numbers in [0, 1). */
export function pick(
  logits: ArrayLike<number>, given: Steps, random: () => number,
): Picked {
  const steps = rounded(given); // the engine takes its settings as f32
  const judge = new Judge();
  const isDynamic = steps.dynamicTemperatureRange > 0;
  let left = possible(logits, isDynamic ? 1 : steps.temperature);
  if (steps.topK > 0) {
    judge.between(left[steps.topK - 1], left[steps.topK]);
    left = shares(left.slice(0, steps.topK));
  }
  if (steps.typicalP < 1) left = typical(left, steps.typicalP, judge);
  left = nucleus(left, steps.topP, judge);
  left = withMinP(left, steps.minP, judge);
  if (steps.xtcProbability > 0 && random() < steps.xtcProbability) {
    left = excludeTop(left, steps.xtcThreshold, judge);
  }
  let slack = CLOSE;
  if (isDynamic && left.length > 1) {
    const temperature = dynamicTemperature(left, steps);
    left = shares(left, temperature);
    // What is as likely as the likeliest stays so, whatever the temperature.
    const others = left.filter(({ logit }) => logit !== left[0].logit);
    slack += CLOSE / temperature * sum(others.map(({ p }) => p));
  }
  if (isUnsorted(steps)) left.sort((a, b) => a.token - b.token);
  const { token, isDecided } = fall(left, random(), slack);
  return { token, isDecided: isDecided && judge.isDecided };
}

/** Where no step needs an order of likelihood, the pick goes by id. */
function isUnsorted(steps: Steps): boolean {
  return steps.topK === 0 && steps.topP === 1 && steps.typicalP === 1
    && steps.xtcProbability === 0 && steps.dynamicTemperatureRange === 0;
}

/** Mirostat 2: Basu and others, algorithm 2, with the surprise of the shares after the cut. */
export class Mirostat {
  mu: number;

  constructor(readonly tau: number, readonly eta: number) {
    this.mu = 2 * Math.fround(tau);
  }

  /** The next token; `told` of the one that did come, it learns. */
  pick(logits: ArrayLike<number>, temperature: number, random: () => number) {
    const judge = new Judge();
    const all = possible(logits, Math.fround(temperature));
    const left = shares(all.filter(({ p }, i) => (
      judge.reaches(p, 2 ** -this.mu) || i === 0)));
    const { token, isDecided } = fall(left, random(), CLOSE);
    const told = (chosen: number): void => {
      const p = left.find((candidate) => candidate.token === chosen)?.p;
      if (p === undefined) throw new Error(`token ${chosen} is not among those that are left`);
      this.mu -= Math.fround(this.eta) * (-Math.log2(p) - Math.fround(this.tau));
    };
    return { token, isDecided: isDecided && judge.isDecided, told };
  }
}

export interface Dry {
  dryMultiplier: number;
  dryBase: number;
  dryAllowedLength: number;
  dryTokens: number;
}

/**
 * What tokens lose behind `text`, by p-e-w's text-generation-webui pull request 5677: for every
 * earlier place, the longest stretch before it that is also the end of the text.
 */
export function dryLosses(
  text: readonly number[], breakers: ReadonlySet<number>, dry: Dry,
): Map<number, number> {
  const recent = dry.dryTokens > 0 ? text.slice(-dry.dryTokens) : [];
  const longest = new Map<number, number>();
  for (let i = 1; i < recent.length; i++) {
    if (breakers.has(recent[i])) continue;
    for (let length = 1; length <= Math.min(i, 50); length++) {
      const end = recent.slice(-length);
      const isSame = recent.slice(i - length, i).every((token, j) => token === end[j]);
      if (!isSame || end.some((token) => breakers.has(token))) continue;
      longest.set(recent[i], Math.max(length, longest.get(recent[i]) ?? 0));
    }
  }
  return new Map([...longest].filter(([, length]) => length >= dry.dryAllowedLength)
    .map(([token, length]) => [token, Math.min(1e30, Math.fround(dry.dryMultiplier)
      * Math.fround(dry.dryBase) ** (length - dry.dryAllowedLength))]));
}
