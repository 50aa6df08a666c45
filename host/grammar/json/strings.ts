// Strings as JSON writes them: the characters of a text with the escapes of JSON.stringify, between
// quotes. Conditions on a text that do not simply add up become one automaton. Knows nothing of
// what strings are for.

import { anyMatch } from "../regex";
import { ALL, pointsIn, type Points, type Range } from "../points";
import { inUtf8, type Spell } from "../spelling";
import { bytes, choice, literal, repeat, rule, sequence, type Node } from "../syntax";
import { Matcher, intersection, languageOf, textsLanguage, type Automaton, type Language }
  from "./language";
import type { Budget } from "./limits";
import type { Match } from "./schema";

/** What a string has to be. */
export interface StringCondition {
  readonly least: number;
  readonly most: number;
  readonly matches: readonly Match[];
  /** Texts that it is not. */
  readonly unlike: readonly string[];
}

/** Where rules are put that a node refers to. */
export interface Rules {
  /** Takes the next number for a rule that is given later. */
  reserve(): number;
  set(index: number, node: Node): void;
}

const QUOTE = literal('"');

/** Strings of one grammar, which share what they are made of. */
export class Strings {
  readonly #spell: Spell = inJson(inUtf8());
  readonly #languages = new Map<string, Language>();
  readonly #matchers = new Map<string, Matcher>();
  readonly #rules: Rules;
  readonly #budget: Budget;

  constructor(rules: Rules, budget: Budget) {
    this.#rules = rules;
    this.#budget = budget;
  }

  /** All strings that meet a condition, quotes included. */
  node(condition: StringCondition, place: string): Node {
    const { least, most, matches, unlike } = condition;
    if (matches.length === 0 && unlike.length === 0) {
      return sequence(QUOTE, repeat(this.#spell(ALL), least, most), QUOTE);
    }
    const [only] = matches;
    if (only && !only.isNegated && matches.length === 1 && unlike.length === 0
      && least === 0 && most === Infinity) {
      this.#budget.spend(only.source.length, place);
      return sequence(QUOTE, anyMatch(only.pattern, this.#spell), QUOTE);
    }
    return sequence(QUOTE, this.#chain(this.#automaton(condition, place), place));
  }

  /** Whether no string meets a condition; only what is plain or cheap is looked at. */
  isNothing(condition: StringCondition, place: string): boolean {
    if (condition.least > condition.most) return true;
    if (condition.matches.length < 2) return false;
    const [first] = this.#automaton(condition, place).states;
    return first !== undefined && !first.accepts && first.edges.length === 0;
  }

  matches(match: Match, text: string, place: string): boolean {
    let matcher = this.#matchers.get(match.source);
    if (!matcher) {
      matcher = new Matcher(this.#language(match), this.#budget, place);
      this.#matchers.set(match.source, matcher);
    }
    this.#budget.spend(1 + (text.length >> 5), place);
    return matcher.matches(text) !== match.isNegated;
  }

  #language({ source, pattern }: Match): Language {
    let language = this.#languages.get(source);
    if (!language) {
      language = languageOf((spell) => anyMatch(pattern, spell));
      this.#languages.set(source, language);
    }
    return language;
  }

  #automaton({ least, most, matches, unlike }: StringCondition, place: string): Automaton {
    const sides = matches.map((match) => (
      { language: this.#language(match), isNegated: match.isNegated }));
    if (unlike.length > 0) sides.push({ language: textsLanguage(unlike), isNegated: true });
    return intersection(sides, least, most, this.#budget, place);
  }

  /** The automaton's states as rules that only go on, the last with the closing quote. */
  #chain({ states }: Automaton, place: string): Node {
    this.#budget.spend(states.length, place);
    const indices = states.map(() => this.#rules.reserve());
    states.forEach(({ accepts, edges }, i) => {
      this.#rules.set(indices[i] as number, choice(...(accepts ? [QUOTE] : []),
        ...edges.map(({ points, next }) => (
          sequence(this.#spell(points), rule(indices[next] as number))))));
    });
    return rule(indices[0] as number);
  }
}

/** Escapes of one letter, by the character. */
const SHORT: ReadonlyMap<number, string> = new Map([[8, "b"], [9, "t"], [10, "n"], [12, "f"],
  [13, "r"], [0x22, '"'], [0x5c, "\\"]]);
/** Characters that stand for themselves. */
const PLAIN: Points = [[0x20, 0x21], [0x23, 0x5b], [0x5d, 0x10ffff]];

/** A character of a set as JSON.stringify writes it. */
function inJson(raw: Spell): Spell {
  const known = new Map<string, Node>();
  return (points) => {
    const key = points.join(";");
    const made = known.get(key);
    if (made) return made;
    const node = choice(...escaped(points), raw(common(points, PLAIN)));
    known.set(key, node);
    return node;
  };
}

function escaped(points: Points): Node[] {
  const letters: Range[] = [];
  /** Last digits of \u00xx, by the third. */
  const digits: [Range[], Range[]] = [[], []];
  for (const [first, last] of points) {
    for (let point = first; point <= Math.min(last, 0x5c); point++) {
      const letter = SHORT.get(point)?.charCodeAt(0);
      const digit = (point & 15).toString(16).charCodeAt(0);
      if (letter !== undefined) letters.push([letter, letter]);
      else if (point < 0x20) digits[point < 16 ? 0 : 1].push([digit, digit]);
    }
  }
  const options = [
    ...(letters.length > 0 ? [bytes(...letters)] : []),
    ...digits.flatMap((ranges, i) => (
      ranges.length > 0 ? [sequence(literal(`u00${i}`), bytes(...ranges))] : [])),
  ];
  return options.length > 0 ? [sequence(literal("\\"), choice(...options))] : [];
}

/** What is in both sets. */
function common(a: Points, b: Points): Points {
  return pointsIn(a.flatMap(([first, last]) => b.flatMap(([from, to]) => {
    const low = Math.max(first, from);
    const high = Math.min(last, to);
    return low > high ? [] : [[low, high] as const];
  })));
}
