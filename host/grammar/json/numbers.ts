// Numbers as JSON writes them, within bounds and of multiples: their digits from left to right,
// with what has to be known of those before. At most 15 digits are written, and no exponents, so
// that every number is read back as it stands; no zeros that mean nothing, and no -0.
// Knows nothing of what numbers are for.

import { EMPTY, bytes, choice, literal, repeat, rule, sequence, type Node } from "../syntax";
import { ZERO, compare, divisor, negative, unitsAt, type Decimal } from "./decimals";
import { tooLarge, type Budget } from "./limits";
import type { Rules } from "./strings";

/** A double keeps 15 decimal digits apart, whatever they are. */
export const DIGITS_MAX = 15;
const LARGEST: Decimal = { units: 10n ** BigInt(DIGITS_MAX) - 1n, scale: 0 };
/** What divides all numbers that can be written, in units of the last digit. */
export const DIVISOR_MAX = 1_000_000_000n;

export interface Bound {
  readonly value: Decimal;
  /** The bound itself is outside. */
  readonly isOpen: boolean;
}

/** What a number has to be. */
export interface NumberCondition {
  readonly low: Bound | undefined;
  readonly high: Bound | undefined;
  readonly multipleOf: Decimal | undefined;
  /** It is not an integer. */
  readonly isFractional: boolean;
}

/** Whether no number is between the bounds. */
export function isNoRange({ low, high }: NumberCondition): boolean {
  if (!low || !high) return false;
  const order = compare(low.value, high.value);
  return order > 0 || order === 0 && (low.isOpen || high.isOpen);
}

/** Whether all numbers between the bounds have too many digits. */
export function isOutOfReach({ low, high }: NumberCondition): boolean {
  return low !== undefined && compare(low.value, LARGEST) > 0
    || high !== undefined && compare(high.value, negative(LARGEST)) < 0;
}

/** The numbers that meet a condition. Throws GRAMMAR_TOO_COMPLEX. */
export function numberNode(
  condition: NumberCondition, rules: Rules, budget: Budget, place: string,
): Node {
  const { low, high, multipleOf, isFractional } = condition;
  if (multipleOf && multipleOf.units > DIVISOR_MAX) {
    throw tooLarge(place, `asks for multiples of a number above ${DIVISOR_MAX}`);
  }
  const digits = (from: Bound, to: Bound): Node => (
    new Digits(from, to, multipleOf, isFractional, rules, budget, place).node());
  const options: Node[] = [];
  const isAbove = low && compare(low.value, ZERO) >= 0;
  const isBelow = high && compare(high.value, ZERO) < 0;
  const end: Bound = { value: LARGEST, isOpen: false };
  if (!isBelow) {
    options.push(digits(isAbove ? low : { value: ZERO, isOpen: false }, high ?? end));
  }
  if (!isAbove) {
    options.push(sequence(literal("-"), digits(
      isBelow ? mirrored(high) : { value: ZERO, isOpen: true }, low ? mirrored(low) : end)));
  }
  return choice(...options);
}

function mirrored({ value, isOpen }: Bound): Bound {
  return { value: negative(value), isOpen };
}

const DIGIT = bytes([0x30, 0x39]);
const LAST = bytes([0x31, 0x39]);

/** What the digits so far leave open. */
interface Known {
  /** All digits so far are those of the bound. */
  readonly isLow: boolean;
  readonly isHigh: boolean;
  /** What is left when the digits so far are divided. */
  readonly left: number;
}

/** Digits within the bounds, whatever comes. */
const FREE: Known = { isLow: false, isHigh: false, left: 0 };

/** The digits of numbers from 0 on, between two bounds. */
class Digits {
  readonly #low: Bound;
  readonly #high: Bound;
  readonly #divisor: bigint;
  /** Digits behind the point that the divisor has. */
  readonly #scale: number;
  readonly #isWhole: boolean;
  readonly #isFractional: boolean;
  readonly #rules: Rules;
  readonly #budget: Budget;
  readonly #place: string;
  readonly #known = new Map<string, Node>();
  readonly #sets = new Map<string, Node>();
  /** Digits of the bounds, from the first of those that are written. */
  #lowDigits = "";
  #highDigits = "";

  constructor(
    low: Bound, high: Bound, multipleOf: Decimal | undefined, isFractional: boolean,
    rules: Rules, budget: Budget, place: string,
  ) {
    [this.#low, this.#high] = [low, high];
    this.#divisor = multipleOf?.units ?? 1n;
    this.#scale = multipleOf?.scale ?? DIGITS_MAX;
    // Every number that can be written is a multiple of one unit of its last digit.
    if (!multipleOf) this.#divisor = 1n;
    this.#isWhole = this.#scale === 0;
    this.#isFractional = isFractional;
    [this.#rules, this.#budget, this.#place] = [rules, budget, place];
  }

  node(): Node {
    const options: Node[] = [];
    const free: number[] = [];
    for (let count = 1; count <= DIGITS_MAX; count++) {
      const least: Decimal = { units: count === 1 ? 0n : 10n ** BigInt(count - 1), scale: 0 };
      const most: Decimal = { units: 10n ** BigInt(count) - 1n, scale: 0 };
      const beyond: Decimal = { units: 10n ** BigInt(count), scale: 0 };
      if (compare(this.#low.value, beyond) >= 0 || compare(this.#high.value, least) < 0) continue;
      const [low, high] = [compare(this.#low.value, least), compare(this.#high.value, beyond)];
      const isLow = low > 0 || low === 0 && this.#low.isOpen;
      // Nothing is written between the last of the longest numbers and what comes behind it.
      const isLast = count === DIGITS_MAX && !this.#high.isOpen
        && compare(this.#high.value, most) >= 0;
      const isHigh = high < 0 && !isLast;
      if (!isLow && !isHigh && this.#divisor === 1n) {
        free.push(count);
        continue;
      }
      this.#lowDigits = isLow ? digitsOf(this.#low.value, count) : "";
      this.#highDigits = isHigh ? digitsOf(this.#high.value, count) : "";
      options.push(this.#whole(count, 0, { isLow, isHigh, left: 0 }));
    }
    return choice(...this.#free(free[0] ?? 0, free.at(-1) ?? -1), ...options);
  }

  /** All numbers of so many digits before the point, in one go. */
  #free(least: number, most: number): Node[] {
    if (least > most) return [];
    const behind = (count: number): Node => this.#behind(count, FREE);
    let more = behind(most);
    for (let count = most - 1; count >= least; count--) {
      const next = more;
      more = this.#once(`more ${count}`, () => choice(behind(count), sequence(DIGIT, next)));
    }
    const first = sequence(LAST, repeat(DIGIT, least - 1, least - 1), more);
    return least === 1 ? [sequence(literal("0"), behind(1)), first] : [first];
  }

  /** The digits before the point, from the one at `at` of `count`, and all behind. */
  #whole(count: number, at: number, known: Known): Node {
    if (at === count) return this.#behind(count, known);
    const isFirst = at === 0 && count > 1;
    if (isFree(known) && this.#divisor === 1n && !isFirst) {
      const rest = this.#once(`behind ${this.#room(count)}`, () => this.#behind(count, known));
      return sequence(repeat(DIGIT, count - at, count - at), rest);
    }
    const key = isFree(known) && !isFirst ? `whole ${count - at} ${this.#room(count)} ${known.left}`
      : `whole ${count} ${at} ${keyOf(known)}`;
    return this.#once(key, () => choice(...this.#byDigit(at, isFirst ? 1 : 0, known,
      count - at - 1 + this.#scale, (next) => this.#whole(count, at + 1, next))));
  }

  /** What stands behind the last digit before the point. */
  #behind(count: number, known: Known): Node {
    const options: Node[] = [];
    if (!this.#isFractional && this.#isEnd(count, this.#scale, known)) options.push(EMPTY);
    if (!this.#isWhole && this.#room(count) > 0) {
      options.push(sequence(literal("."), this.#fraction(count, 0, known)));
    }
    return choice(...options);
  }

  /** The digits behind the point, after `at` of them. The last of them is not 0. */
  #fraction(count: number, at: number, known: Known): Node {
    const room = this.#room(count);
    if (isFree(known) && this.#divisor === 1n) {
      return sequence(repeat(DIGIT, 0, room - at - 1), LAST);
    }
    const key = isFree(known) ? `fraction ${room} ${at} ${known.left}`
      : `fraction ${count} ${at} ${keyOf(known)}`;
    return this.#once(key, () => {
      const inner = at + 1 < room ? this.#byDigit(count + at, 0, known, this.#scale - at - 1,
        (next) => this.#fraction(count, at + 1, next)) : [];
      const last = this.#byDigit(count + at, 1, known, this.#scale - at - 1, (next) => (
        this.#isEnd(count + at + 1, this.#scale - at - 1, next) ? EMPTY : choice()));
      return choice(...inner, ...last);
    });
  }

  /** Digits behind the point that may be written. */
  #room(count: number): number {
    return Math.min(DIGITS_MAX - count, this.#scale);
  }

  /** Each digit that may come, those together that lead to the same. */
  #byDigit(
    at: number, least: number, known: Known, rest: number, next: (known: Known) => Node,
  ): Node[] {
    const groups = new Map<string, { known: Known; digits: number[] }>();
    // Only what the digits still to come can mend has to be known.
    const divides = Number(this.#divisor / divisor(this.#divisor, 10n ** BigInt(rest)));
    const lowest = known.isLow ? digitAt(this.#lowDigits, at) : 0;
    const highest = known.isHigh ? digitAt(this.#highDigits, at) : 9;
    for (let digit = Math.max(least, lowest); digit <= highest; digit++) {
      const now = { isLow: known.isLow && digit === lowest,
        isHigh: known.isHigh && digit === highest, left: (known.left * 10 + digit) % divides };
      const group = groups.get(keyOf(now));
      if (group) group.digits.push(digit);
      else groups.set(keyOf(now), { known: now, digits: [digit] });
    }
    this.#budget.spend(groups.size, this.#place, "numbers");
    return [...groups.values()].map((group) => (
      sequence(this.#digits(group.digits), next(group.known))));
  }

  /** One of some digits; the same ones share a node. */
  #digits(digits: readonly number[]): Node {
    const key = digits.join("");
    const known = this.#sets.get(key);
    if (known) return known;
    const node = bytes(...digits.map((digit) => [0x30 + digit, 0x30 + digit] as const));
    this.#sets.set(key, node);
    return node;
  }

  /** Whether a number may end behind `at` digits; `rest` more would be zeros of the divisor's. */
  #isEnd(at: number, rest: number, { isLow, isHigh, left }: Known): boolean {
    const isZero = (digits: string): boolean => /^0*$/.test(digits.slice(at));
    if (isLow && (!isZero(this.#lowDigits) || this.#low.isOpen)) return false;
    if (isHigh && isZero(this.#highDigits) && this.#high.isOpen) return false;
    return BigInt(left) * 10n ** BigInt(rest) % this.#divisor === 0n;
  }

  /** One rule for each state, so that states that are reached in many ways are there once. */
  #once(key: string, make: () => Node): Node {
    const made = this.#known.get(key);
    if (made) return made;
    const index = this.#rules.reserve();
    const node = rule(index);
    this.#known.set(key, node);
    this.#budget.spend(1, this.#place, "numbers");
    this.#rules.set(index, make());
    return node;
  }
}

function isFree({ isLow, isHigh }: Known): boolean {
  return !isLow && !isHigh;
}

function keyOf({ isLow, isHigh, left }: Known): string {
  return `${isLow ? "low " : ""}${isHigh ? "high " : ""}${left}`;
}

/** The digits of a number with `count` before the point, and as many behind as it has. */
function digitsOf(value: Decimal, count: number): string {
  return String(unitsAt(value, value.scale)).padStart(count + value.scale, "0");
}

function digitAt(digits: string, at: number): number {
  return Number(digits[at] ?? "0");
}
