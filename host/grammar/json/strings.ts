// Strings as JSON writes them: the characters of a text with the escapes of JSON.stringify, between
// quotes. Conditions on a text that do not simply add up become one automaton. Knows nothing of
// what strings are for.

import { anyMatch } from "../regex";
import { ALL, type Points, type Range } from "../points";
import { common, inUtf8, type Spell } from "../spelling";
import { NOTHING, bytes, choice, literal, repeat, rule, sequence, type Node } from "../syntax";
import { capped, languageOf, lengthsOf, sizeOf, spelled, textsLanguage, type Language }
  from "./language";
import type { Budget } from "./limits";
import { Matcher, intersection, type Automaton, type Side } from "./machine";
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

interface Wanted {
  readonly sides: readonly Side[];
  readonly least: number;
  readonly most: number;
  automaton?: Automaton;
  node?: Node;
}

const QUOTE = literal('"');
/** States that a bound of the length may multiply a pattern to. */
const COUNTED_MAX = 4000;

/** Strings of one grammar, which share what they are made of. */
export class Strings {
  readonly #spell: Spell = inJson(inUtf8());
  readonly #languages = new Map<string, Language>();
  readonly #known = new Map<string, Wanted | undefined>();
  readonly #matchers = new Map<string, Matcher>();
  readonly #rules: Rules;
  readonly #budget: Budget;

  constructor(rules: Rules, budget: Budget) {
    this.#rules = rules;
    this.#budget = budget;
  }

  /** All strings that meet a condition, quotes included. */
  node(condition: StringCondition, place: string): Node {
    if (isPlain(condition)) {
      return sequence(QUOTE, repeat(this.#spell(ALL), condition.least, condition.most), QUOTE);
    }
    const wanted = this.#once(condition);
    if (!wanted) return NOTHING;
    wanted.node ??= this.#written(wanted, place);
    return wanted.node;
  }

  #written(wanted: Wanted, place: string): Node {
    const [only] = wanted.sides;
    if (only && wanted.sides.length === 1 && !only.isNegated && wanted.least === 0
      && wanted.most === Infinity) {
      this.#budget.spend(sizeOf(only.language.node) >> 3, place, "strings");
      return sequence(QUOTE, spelled(only.language, this.#spell), QUOTE);
    }
    return sequence(QUOTE, this.#chain(this.#automaton(wanted, place), place));
  }

  /** Whether no string meets a condition; one pattern alone is taken to match something. */
  isNothing(condition: StringCondition, place: string): boolean {
    if (condition.least > condition.most) return true;
    if (condition.matches.length === 0) return false;
    const wanted = this.#once(condition);
    if (!wanted || wanted.sides.length < 2) return !wanted;
    const [first] = this.#automaton(wanted, place).states;
    return first !== undefined && !first.accepts && first.edges.length === 0;
  }

  /** Equal conditions are met again and again, while alternatives are told apart. */
  #once(condition: StringCondition): Wanted | undefined {
    const key = JSON.stringify([condition.least, condition.most, condition.unlike,
      condition.matches.map(({ source, isNegated }) => [source, isNegated])]);
    if (!this.#known.has(key)) this.#known.set(key, this.#wanted(condition));
    return this.#known.get(key);
  }

  /**
   * What has to be looked at together: bounds of the length that a pattern keeps anyway are left
   * out. Where counting up to a far bound would take too many states, a pattern's repetitions are
   * bounded instead, so that no text gets too long. Undefined where no length is possible.
   */
  #wanted({ least, most, matches, unlike }: StringCondition): Wanted | undefined {
    const sides: Side[] = matches.map((match) => (
      { language: this.#language(match), isNegated: match.isNegated }));
    if (unlike.length > 0) sides.push({ language: textsLanguage(unlike), isNegated: true });
    const inside = sides.filter(({ isNegated }) => !isNegated).map(({ language }) => language);
    const lengths = inside.map(({ node }) => lengthsOf(node));
    const shortest = Math.max(0, ...lengths.map(([length]) => length));
    const longest = Math.min(Infinity, ...lengths.map(([, length]) => length));
    if (least > longest || shortest > most || least > most) return undefined;
    if (shortest >= least) least = 0;
    if (longest <= most) return { sides, least, most: Infinity };
    // The one that is bounded the most already loses the least.
    const first = inside[lengths.findIndex(([, length]) => length === longest)];
    const states = sides.reduce((sum, { language }) => sum + sizeOf(language.node), 0);
    const node = first && states * most > COUNTED_MAX && cappedAt(first.node, most);
    if (!node) return { sides, least, most };
    return { least, most: Infinity, sides: sides.map((side) => (
      side.language === first ? { language: { ...first, node }, isNegated: false } : side)) };
  }

  matches(match: Match, text: string, place: string): boolean {
    let matcher = this.#matchers.get(match.source);
    if (!matcher) {
      matcher = new Matcher(this.#language(match), this.#budget, place);
      this.#matchers.set(match.source, matcher);
    }
    this.#budget.spend(1 + (text.length >> 5), place, "strings");
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

  #automaton(wanted: Wanted, place: string): Automaton {
    const { sides, least, most } = wanted;
    wanted.automaton ??= intersection(sides, least, most, this.#budget, place);
    return wanted.automaton;
  }

  /** The automaton's states as rules that only go on, the last with the closing quote. */
  #chain({ states }: Automaton, place: string): Node {
    this.#budget.spend(states.length, place, "strings");
    const indices = states.map(() => this.#rules.reserve());
    states.forEach(({ accepts, edges }, i) => {
      this.#rules.set(indices[i] as number, choice(...(accepts ? [QUOTE] : []),
        ...edges.map(({ points, next }) => (
          sequence(this.#spell(points), rule(indices[next] as number))))));
    });
    return rule(indices[0] as number);
  }
}

function isPlain({ matches, unlike }: StringCondition): boolean {
  return matches.length === 0 && unlike.length === 0;
}

/** The same language with its repetitions bounded, so that no text is longer than `most`. */
function cappedAt(node: Node, most: number): Node | undefined {
  let [low, high] = [0, most];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (lengthsOf(capped(node, middle))[1] <= most) low = middle;
    else high = middle - 1;
  }
  return low > 0 ? capped(node, low) : undefined;
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
