// From logits to the next token. The steps, in this order: bias, penalties, mask, temperature,
// top-k, top-p, min-p, pick. All of top-k, top-p and min-p keep a beginning of the tokens sorted by
// probability; among equals the lower id comes first. Knows nothing of text.
//
//   bias         added to the logits of the tokens that the caller names
//   penalties    logits of recent tokens, once each: the repetition penalty divides positive ones
//                and multiplies negative ones; then presence and, for every time that the token
//                stands there, frequency are taken off
//   mask         where the caller gives one: tokens that it does not allow get -infinity, so that
//                no later step can bring them back
//   temperature  logits divided by it; 0 picks the largest logit
//   top-k        the k likeliest; 0 keeps all
//   top-p        the likeliest until their share reaches p (arXiv 1904.09751)
//   min-p        those at least p times as likely as the likeliest (arXiv 2407.01082)

import { vocabulary } from "./config";
import * as errors from "./errors";
import { fail, failAbout } from "./errors";
import { lendGates, lendUps } from "./idle";
import { exp4 } from "./math";
import { SCRATCH, reserve } from "./plan";
import { SESSIONS_MAX, Session, sessionAt, sessionCount } from "./session";
import { maxLanes } from "./simd";

/** Most tokens that one session can have a bias for; OpenAI's limit is 300. */
const BIASES_MAX: i32 = 512;

/** The settings of one session. */
// @ts-ignore: decorator
@unmanaged export class Settings {
  temperature: f32;
  topP: f32;
  minP: f32;
  penalty: f32;
  frequency: f32;
  presence: f32;
  topK: i32;
  /** How many recent tokens the penalties look back on. */
  penaltyWindow: i32;
  biasCount: i32;
}

const settings = memory.data(36 * 32, 8); // Settings[SESSIONS_MAX]
let biases: usize = 0; // (u32 token, f32 bias)[sessions][BIASES_MAX]
let chances: usize = 0; // f32[vocabulary rounded up to 4]: logits, then probabilities unnormalised
/** u32[vocabulary]: how often a token is recent; then the ids that are left, a heap, sorted. */
let chosen: usize = 0;
/** u8[vocabulary / 8 rounded up]: bit `token & 7` of byte `token >> 3` of the allowed ones. */
let mask: usize = 0;

export function layoutSampler(): void {
  chances = lendGates(((<u64>vocabulary + 3) & ~3) * 4);
  mask = reserve(SCRATCH, (<u64>vocabulary + 7) >> 3);
  chosen = lendUps(<u64>vocabulary * 4);
  biases = reserve(SCRATCH, <u64>sessionCount * BIASES_MAX * 8);
}

function biasesOf(session: i32): usize {
  return biases + <usize>(session * BIASES_MAX) * 8;
}

/** Adds a bias to those of a session. */
export function addBias(session: i32, token: i32, bias: f32): i32 {
  const own = settingsOf(session);
  if (token < 0 || token >= vocabulary) return fail(errors.BAD_TOKEN, token, vocabulary);
  if (own.biasCount == BIASES_MAX) {
    return failAbout(errors.TOO_MANY, "biases", own.biasCount + 1, BIASES_MAX);
  }
  const at = biasesOf(session) + ((<usize>own.biasCount) << 3);
  store<i32>(at, token);
  store<f32>(at, bias, 4);
  own.biasCount++;
  return errors.OK;
}

export function settingsOf(session: i32): Settings {
  return changetype<Settings>(settings + <usize>session * offsetof<Settings>());
}

/** Every session starts greedy. */
export function prepareSampler(): void {
  memory.fill(settings, 0, <usize>SESSIONS_MAX * offsetof<Settings>());
}

/** Seeds a session's generator: PCG32 (O'Neill 2014), one stream. */
export function seedSession(session: i32, seed: u64): void {
  const state = sessionAt(session);
  state.random = seed + INCREMENT;
  nextRandom(state);
}

const MULTIPLIER: u64 = 6364136223846793005;
const INCREMENT: u64 = 1442695040888963407;

function nextRandom(session: Session): u32 {
  const old = session.random;
  session.random = old * MULTIPLIER + INCREMENT;
  return rotr<u32>(<u32>(((old >> 18) ^ old) >> 27), <u32>(old >> 59));
}

/** Where the caller writes which tokens `sampleToken` may pick. */
export function maskAddress(): usize {
  return mask;
}

/**
 * Picks a token from the session's logits, one that the mask allows if it is to be masked. The
 * caller has seen to it that there are logits.
 */
export function sampleToken(index: i32, isMasked: bool): i32 {
  const session = sessionAt(index);
  const own = settingsOf(index);
  memory.copy(chances, session.logits, (<usize>vocabulary) << 2);
  for (let i: i32 = 0; i < own.biasCount; i++) {
    const bias = biasesOf(index) + ((<usize>i) << 3);
    const at = chances + ((<usize>load<u32>(bias)) << 2);
    store<f32>(at, load<f32>(at) + load<f32>(bias, 4));
  }
  const repeats = own.penalty != 0 && own.penalty != 1;
  if (repeats || own.frequency != 0 || own.presence != 0) penalize(session, own);
  if (isMasked && !forbid()) return failAbout(errors.OUT_OF_ORDER, "the mask allows no token");
  if (own.temperature == 0) return largest();
  if (own.topK > 0) return pickFrom(session, own, likeliest(own), 0);
  const total = weigh(own.temperature);
  if (own.topP == 1) return pickInOrder(session, own.minP);
  // Tokens below this share cannot be among those that reach top-p: all of them together weigh
  // less than 1 - p.
  const least = ((1 - <f64>own.topP) * total) / <f64>vocabulary;
  return pickFrom(session, own, select(vocabulary, least), total);
}

/**
 * Gives -infinity to tokens outside the mask, and more than that to all others, whatever bias and
 * penalties have made of them: then the largest is allowed, and all that is not weighs nothing.
 * Returns whether any is allowed.
 */
function forbid(): bool {
  let isAny = false;
  for (let i: i32 = 0; i < vocabulary; i++) {
    const place = chances + ((<usize>i) << 2);
    let logit: f32 = -Infinity;
    if (load<u8>(mask + <usize>(i >> 3)) & (1 << (i & 7))) {
      isAny = true;
      logit = load<f32>(place);
      if (!(logit > -f32.MAX_VALUE)) logit = -f32.MAX_VALUE;
    }
    store<f32>(place, logit);
  }
  return isAny;
}

function penalize(session: Session, own: Settings): void {
  const first = session.tokens + ((<usize>max<i32>(0, session.position - own.penaltyWindow)) << 2);
  const end = session.tokens + ((<usize>session.position) << 2);
  for (let at = first; at < end; at += 4) setChosen(load<i32>(at), 0);
  for (let at = first; at < end; at += 4) setChosen(load<i32>(at), chosenAt(load<i32>(at)) + 1);
  for (let at = first; at < end; at += 4) {
    const token = load<i32>(at);
    const count = chosenAt(token);
    if (count == 0) continue; // it has been here before
    setChosen(token, 0);
    const place = chances + ((<usize>token) << 2);
    let logit = load<f32>(place);
    if (own.penalty != 0) logit = logit > 0 ? logit / own.penalty : logit * own.penalty;
    store<f32>(place, logit - (<f32>count * own.frequency + own.presence));
  }
}

/** The id of the largest value, the lowest among equals. */
function largest(): i32 {
  pad(-Infinity);
  const end = chances + ((<usize>vocabulary) << 2);
  let most = v128.load(chances);
  for (let at = chances; at < end; at += 16) most = f32x4.pmax(most, v128.load(at));
  const value = f32x4.splat(maxLanes(most));
  let at = chances;
  while (at < end - 16 && !v128.any_true(f32x4.eq(v128.load(at), value))) at += 16;
  while (at < end - 4 && load<f32>(at) != f32x4.extract_lane(value, 0)) at += 4;
  return <i32>((at - chances) >> 2);
}

/** Fills the last vector behind the vocabulary. */
function pad(value: f32): void {
  for (let at = chances + ((<usize>vocabulary) << 2); at & 15; at += 4) store<f32>(at, value);
}

/**
 * The top-k tokens as a heap, with their probabilities; returns how many. Exponentials are only
 * taken of tokens that may be among them: those not far below the k-th largest logit.
 */
function likeliest(own: Settings): i32 {
  const wanted = min<i32>(own.topK, vocabulary);
  const most = load<f32>(chances + ((<usize>largest()) << 2));
  const count = select(wanted, -Infinity);
  const last = chance(chosenAt(0));
  // Where exponentials vanish they are equal, and ids decide.
  if (count < wanted || (last - most) / own.temperature < -80) {
    weigh(own.temperature);
    return select(wanted, 0);
  }
  // Roundings of the difference, the quotient and the exponential move nothing as far as this.
  const slack = own.temperature * 0.001 + (abs<f32>(most) + abs<f32>(last)) * 0.000001;
  const bound = last - slack;
  const bounds = f32x4.splat(bound);
  let found: i32 = 0;
  let i: i32 = 0;
  while (i < vocabulary) {
    if ((i & 3) == 0 && isBelow(i, bounds)) {
      i += 4;
      continue;
    }
    if (chance(i) >= bound) {
      const power = (chance(i) - most) / own.temperature;
      store<f32>(chances + ((<usize>i) << 2), f32x4.extract_lane(exp4(f32x4.splat(power)), 0));
      found = offer(i, found, wanted);
    }
    i++;
  }
  return found;
}

/** Whether all of the four from the i-th on are below a bound. */
// @ts-ignore: decorator
@inline function isBelow(i: i32, bounds: v128): bool {
  return !v128.any_true(f32x4.ge(v128.load(chances + ((<usize>i) << 2)), bounds));
}

/** Logits to probabilities relative to the likeliest, which gets 1. Returns their sum. */
function weigh(temperature: f32): f64 {
  const end = chances + ((<usize>vocabulary) << 2);
  const most = f32x4.splat(load<f32>(chances + ((<usize>largest()) << 2)));
  const divisor = f32x4.splat(temperature);
  let sum = f64x2.splat(0);
  for (let at = chances; at < end; at += 16) {
    const p = exp4(f32x4.div(f32x4.sub(v128.load(at), most), divisor));
    v128.store(at, p);
    sum = f64x2.add(sum, f64x2.promote_low_f32x4(p));
    sum = f64x2.add(sum, f64x2.promote_low_f32x4(v128.shuffle<i32>(p, p, 2, 3, 2, 3)));
  }
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}

// @ts-ignore: decorator
@inline function chance(token: u32): f32 {
  return load<f32>(chances + ((<usize>token) << 2));
}

/** A number in [0, total). */
function draw(session: Session, total: f64): f64 {
  return <f64>nextRandom(session) * 2.3283064365386963e-10 * total;
}

/** Without sorting: all tokens that min-p leaves, by id. */
function pickInOrder(session: Session, minP: f32): i32 {
  let total: f64 = 0;
  for (let i: i32 = 0; i < vocabulary; i++) {
    const p = chance(i);
    if (p >= minP) total += <f64>p;
  }
  let rest = draw(session, total);
  let last: i32 = 0;
  for (let i: i32 = 0; i < vocabulary; i++) {
    const p = chance(i);
    if (p < minP || p == 0) continue;
    last = i;
    rest -= <f64>p;
    if (rest < 0) break;
  }
  return last;
}

/** Of the `count` tokens of a heap: sorts them, and keeps what top-p and min-p leave. */
function pickFrom(session: Session, own: Settings, count: i32, total: f64): i32 {
  sortDescending(count);
  let kept: f64 = 0;
  for (let i: i32 = 0; i < count; i++) kept += <f64>chance(chosenAt(i));
  const share = <f64>own.topP * (own.topK > 0 ? kept : total);
  let sum: f64 = 0;
  let length: i32 = 0;
  while (length < count) {
    const p = chance(chosenAt(length));
    if (length > 0 && (sum >= share || p < own.minP)) break;
    sum += <f64>p;
    length++;
  }
  let rest = draw(session, sum);
  for (let i: i32 = 0; i < length; i++) {
    rest -= <f64>chance(chosenAt(i));
    if (rest < 0) return chosenAt(i);
  }
  return chosenAt(length - 1);
}

// @ts-ignore: decorator
@inline function chosenAt(index: i32): u32 {
  return load<u32>(chosen + ((<usize>index) << 2));
}

// @ts-ignore: decorator
@inline function setChosen(index: i32, token: u32): void {
  store<u32>(chosen + ((<usize>index) << 2), token);
}

/** Whether `a` comes after `b` in the order of the sampler: less likely, or equal and higher. */
// @ts-ignore: decorator
@inline function isAfter(a: u32, b: u32): bool {
  const p = chance(a);
  const q = chance(b);
  return p < q || (p == q && a > b);
}

/** The `wanted` largest of at least `least`, as a heap with the last of them on top. */
function select(wanted: i32, least: f64): i32 {
  // Rounded down, so that whatever is below it is below `least`, too.
  const lowest = f32x4.splat(<f32>(least * (1 - 0.000001)));
  let count: i32 = 0;
  let i: i32 = 0;
  while (i < vocabulary) {
    const bounds = count < wanted ? lowest : f32x4.splat(chance(chosenAt(0)));
    if ((i & 3) == 0 && isBelow(i, bounds)) {
      i += 4;
      continue;
    }
    if (<f64>chance(i) >= least) count = offer(i, count, wanted);
    i++;
  }
  return count;
}

/** Puts a token into a heap of at most `wanted`, if it belongs there; returns its new size. */
function offer(token: i32, count: i32, wanted: i32): i32 {
  if (count < wanted) {
    setChosen(count, token);
    siftUp(count);
    return count + 1;
  }
  if (isAfter(chosenAt(0), token)) {
    setChosen(0, token);
    siftDown(0, count);
  }
  return count;
}

function siftUp(index: i32): void {
  const token = chosenAt(index);
  while (index > 0) {
    const parent = (index - 1) >> 1;
    if (!isAfter(token, chosenAt(parent))) break;
    setChosen(index, chosenAt(parent));
    index = parent;
  }
  setChosen(index, token);
}

function siftDown(index: i32, count: i32): void {
  const token = chosenAt(index);
  while (true) {
    let child = 2 * index + 1;
    if (child >= count) break;
    if (child + 1 < count && isAfter(chosenAt(child + 1), chosenAt(child))) child++;
    if (!isAfter(chosenAt(child), token)) break;
    setChosen(index, chosenAt(child));
    index = child;
  }
  setChosen(index, token);
}

/** The second half of a heap sort: the last goes to the end, again and again. */
function sortDescending(count: i32): void {
  for (let end = count - 1; end > 0; end--) {
    const last = chosenAt(0);
    setChosen(0, chosenAt(end));
    setChosen(end, last);
    siftDown(0, end);
  }
}
