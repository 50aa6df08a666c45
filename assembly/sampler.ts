// From logits to the next token. The steps, in this order: bias, penalties, DRY, mask,
// temperature, top-k, typical, top-p, min-p, XTC, dynamic temperature, pick; mirostat stands in the
// place of all between temperature and pick. What is off costs nothing. From top-k to XTC each step keeps a
// stretch of the tokens sorted by probability; among equals the lower id comes first.
// docs/SAMPLING.md has the formulas. Knows nothing of text.
//
//   bias         added to the logits of the tokens that the caller names
//   penalties    logits of recent tokens, once each: the repetition penalty divides positive ones
//                and multiplies negative ones; then presence and, for every time that the token
//                stands there, frequency are taken off
//   DRY          tokens that would go on with a repetition (dry.ts)
//   mask         where the caller gives one: tokens that it does not allow get -infinity, so that
//                no later step can bring them back
//   temperature  logits divided by it; 0 picks the largest logit
//   top-k        the k likeliest; 0 keeps all
//   typical      those whose surprise is nearest to the entropy, until their share reaches p
//                (arXiv 2202.00666); 0 is off
//   top-p        the likeliest until their share reaches p (arXiv 1904.09751)
//   min-p        those at least p times as likely as the likeliest (arXiv 2407.01082)
//   XTC          at times, all but the last of those with at least a share (p-e-w, 2024)
//   dynamic      logits divided by a temperature that grows with the entropy of what is left
//                (arXiv 2309.02772 has the idea, llama.cpp the formula); the other one is 1 then
//   mirostat 2   those whose surprise is at most mu, which follows a target (arXiv 2007.14966)

import {
  chance, chances, chosenAt, isBelow, offer, select, setChosen, sortDescending,
} from "./candidates";
import { vocabulary } from "./config";
import { discourage } from "./dry";
import * as errors from "./errors";
import { failAbout } from "./errors";
import { exp, exp4, log } from "./math";
import { nextRandom } from "./random";
import { Settings, biasesOf, breakersOf, isAllowed, settingsOf } from "./sampling";
import { Session, sessionAt } from "./session";
import { maxLanes } from "./simd";

/** Below every chance that is not 0, and above 0. */
const LEAST: f64 = 1e-300;
const LN2: f64 = 0.6931471805599453;

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
  if (own.dryMultiplier > 0) {
    const length = min<i32>(session.position, own.dryWindow);
    discourage(session.tokens + ((<usize>(session.position - length)) << 2), length,
      breakersOf(index), own.dryMultiplier, own.dryBase, own.dryAllowed);
  }
  if (isMasked && !forbid()) return failAbout(errors.OUT_OF_ORDER, "the mask allows no token");
  if (own.temperature == 0) return largest();
  const temperature = own.range > 0 ? <f32>1 : own.temperature;
  const minP = <f64>own.minP;
  if (own.topK > 0) return pickFrom(session, own, likeliest(own.topK, temperature), 0, minP);
  const total = weigh(temperature);
  const isPlain = own.typical + own.xtcProbability + own.range + own.tau == 0;
  if (own.topP == 1 && isPlain) return pickInOrder(session, own.minP);
  const least = own.tau > 0 ? total * exp(min<f64>(muOf(session, own) * -LN2, 99)) : minP;
  // Tokens below this share cannot be among those that reach top-p: all of them together weigh
  // less than 1 - p.
  const share = ((1 - <f64>own.topP) * total) / <f64>vocabulary;
  // Typical ones may be anywhere. The likeliest, which weighs 1, is always among the others.
  const lowest = own.typical > 0 ? LEAST : min<f64>(1, max<f64>(LEAST, max<f64>(least, share)));
  return pickFrom(session, own, select(vocabulary, lowest), total, least);
}

/** The most surprise, in bits, of tokens that mirostat keeps. It begins at twice the target. */
function muOf(session: Session, own: Settings): f64 {
  return 2 * <f64>own.tau + session.drift;
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
    if (isAllowed(i)) {
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
function likeliest(topK: i32, temperature: f32): i32 {
  const wanted = min<i32>(topK, vocabulary);
  const most = load<f32>(chances + ((<usize>largest()) << 2));
  const count = select(wanted, -Infinity);
  const last = chance(chosenAt(0));
  // Where exponentials vanish they are equal, and ids decide.
  if (count < wanted || (last - most) / temperature < -80) {
    weigh(temperature);
    return select(wanted, 0);
  }
  // Roundings of the difference, the quotient and the exponential move nothing as far as this.
  const slack = temperature * 0.001 + (abs<f32>(most) + abs<f32>(last)) * 0.000001;
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
      const power = (chance(i) - most) / temperature;
      store<f32>(chances + ((<usize>i) << 2), f32x4.extract_lane(exp4(f32x4.splat(power)), 0));
      found = offer(i, found, wanted);
    }
    i++;
  }
  return found;
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

// The tokens that the steps leave: chosenAt(first) to chosenAt(end - 1).
let first: i32 = 0;
let end: i32 = 0;

/** Of the `count` tokens of a heap: sorts them, and picks from what the further steps leave. */
function pickFrom(session: Session, own: Settings, count: i32, total: f64, least: f64): i32 {
  sortDescending(count);
  first = 0;
  end = count;
  // Of a forbidden token, or one that is far too unlikely, the chance is exactly 0.
  while (end > 1 && chance(chosenAt(end - 1)) == 0) end--;
  if (own.topK > 0) total = weightLeft();
  if (own.typical > 0) {
    total = keepTypical(own.typical);
    least *= <f64>chance(chosenAt(first));
  }
  // All are all: a sum may reach the total before it has taken in the last of them.
  let share = own.topP < 1 ? <f64>own.topP * total : Infinity;
  count = end;
  end = first;
  let sum: f64 = 0;
  while (end < count) {
    const p = <f64>chance(chosenAt(end));
    if (end > first && (sum >= share || p < least)) break;
    sum += p;
    end++;
  }
  if (own.xtcProbability > 0 && draw(session, 1) < <f64>own.xtcProbability) {
    share = sum * <f64>own.xtcThreshold;
    while (first + 1 < end && <f64>chance(chosenAt(first + 1)) >= share) first++;
  }
  if (own.range > 0 && end - first > 1) heat(own);
  sum = weightLeft();
  let rest = draw(session, sum);
  let at = first;
  while (at < end - 1) {
    rest -= <f64>chance(chosenAt(at));
    if (rest < 0) break;
    at++;
  }
  const token = chosenAt(at);
  if (own.tau > 0) {
    const surprise = log(sum / <f64>chance(token)) / LN2;
    session.drift -= <f64>own.eta * (surprise - <f64>own.tau);
  }
  return token;
}

function weightLeft(): f64 {
  let sum: f64 = 0;
  for (let i = first; i < end; i++) sum += <f64>chance(chosenAt(i));
  return sum;
}

/** The mean of the chances' logarithms: of the entropy, all but the logarithm of their sum. */
function meanLog(sum: f64): f64 {
  let mean: f64 = 0;
  for (let i = first; i < end; i++) {
    const p = <f64>chance(chosenAt(i));
    mean += p * log(p);
  }
  return mean / sum;
}

/**
 * Keeps the tokens whose surprise is nearest to the entropy until their share reaches `p`, and
 * returns their weight. Sorted by likelihood they lie side by side: it goes on to the left or to
 * the right, whichever is nearer.
 */
function keepTypical(p: f32): f64 {
  const count = end;
  const sum = weightLeft();
  const middle = exp(meanLog(sum)); // the weight of a token as surprising as the mean
  while (first < count && <f64>chance(chosenAt(first)) > middle) first++;
  end = first;
  let kept: f64 = 0;
  while (kept < <f64>p * sum && end - first < count) {
    const isLeft = end == count || (first > 0 && <f64>chance(chosenAt(first - 1))
      * <f64>chance(chosenAt(end)) <= middle * middle);
    kept += <f64>chance(chosenAt(isLeft ? --first : end++));
  }
  return kept;
}

/** Divides what the logits were by a temperature between two, by the entropy of what is left. */
function heat(own: Settings): void {
  const sum = weightLeft();
  const entropy = (log(sum) - meanLog(sum)) / log(<f64>(end - first));
  const height = exp(<f64>own.exponent * log(max<f64>(entropy, LEAST)));
  const least = max<f64>(0, <f64>own.temperature - <f64>own.range);
  const most = <f64>own.temperature + <f64>own.range;
  const temperature = max<f64>(least + (most - least) * height, 0.001);
  const likeliest = <f64>chance(chosenAt(first));
  for (let i = first; i < end; i++) {
    const place = chances + ((<usize>chosenAt(i)) << 2);
    store<f32>(place, <f32>exp(log(<f64>load<f32>(place) / likeliest) / temperature));
  }
}
