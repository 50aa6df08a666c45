// Automata over characters: whether a text is in a language, and the automaton of all texts that
// are in some languages, outside of others, and of some length. They are made as far as they are
// walked. Knows nothing of JSON or bytes.

import type { Points, Range } from "../points";
import type { Node } from "../syntax";
import type { Language } from "./language";
import { tooLarge, type Budget } from "./limits";

/** Counted repetition is written out, up to here. */
const STATES_MAX = 8000;

/** A state without choice of its own: what a character of a set leads to, and what no character. */
interface State {
  points: Points | undefined;
  next: number;
  free: number[];
}

/** The states of a language, before they are made deterministic. */
class States {
  readonly all: State[] = [];
  readonly #language: Language;
  readonly #budget: Budget;
  readonly #place: string;

  constructor(language: Language, budget: Budget, place: string) {
    this.#language = language;
    this.#budget = budget;
    this.#place = place;
  }

  /** The state from which the node leads to `end`. */
  from(node: Node, end: number): number {
    switch (node.kind) {
      case "bytes": return this.add(this.#language.leaves.get(node), end, []);
      case "sequence": return node.parts.reduceRight((next, part) => this.from(part, next), end);
      case "choice":
        return this.add(undefined, -1, node.options.map((option) => this.from(option, end)));
      case "repeat": return this.#repeated(node, end);
      case "rule": throw new Error("a regular language has no rules");
    }
  }

  #repeated(node: Extract<Node, { kind: "repeat" }>, end: number): number {
    const { part, least, most } = node;
    let next = end;
    if (most === Infinity) {
      next = this.add(undefined, -1, [end]);
      (this.all[next] as State).free.push(this.from(part, next));
    } else {
      for (let i = least; i < most; i++) {
        next = this.add(undefined, -1, [end, this.from(part, next)]);
      }
    }
    for (let i = 0; i < least; i++) {
      const before = this.from(part, next);
      // Of nothing, any number is nothing.
      if (before === next) break;
      next = before;
    }
    return next;
  }

  add(points: Points | undefined, next: number, free: number[]): number {
    this.#budget.spend(1, this.#place, "strings");
    if (this.all.length === STATES_MAX) {
      throw tooLarge(this.#place, `has a pattern of more than ${STATES_MAX} states`,
        "use smaller counts, or no other condition on the same text");
    }
    return this.all.push({ points, next, free }) - 1;
  }
}

/** The automaton of one language: sets of states, numbered as they are met. */
class Machine {
  readonly start: number;
  readonly #states: readonly State[];
  readonly #end: number;
  readonly #sets: number[][] = [];
  readonly #known = new Map<string, number>();
  readonly #steps = new Map<number, number>();
  readonly #budget: Budget;
  readonly #place: string;
  readonly isNegated: boolean;

  constructor(language: Language, isNegated: boolean, budget: Budget, place: string) {
    const states = new States(language, budget, place);
    this.#end = states.add(undefined, -1, []);
    const first = states.from(language.node, this.#end);
    this.#states = states.all;
    this.isNegated = isNegated;
    this.#budget = budget;
    this.#place = place;
    this.start = this.#reached([first]);
  }

  accepts(set: number): boolean {
    return (this.#sets[set] as number[]).includes(this.#end) !== this.isNegated;
  }

  /** Where any of a class's characters leads; `point` is one of them. */
  step(set: number, point: number): number {
    const key = set * 0x110000 + point;
    const known = this.#steps.get(key);
    if (known !== undefined) return known;
    const next = (this.#sets[set] as number[]).flatMap((state) => {
      const { points, next: to } = this.#states[state] as State;
      return points && holds(points, point) ? [to] : [];
    });
    this.#budget.spend(1 + ((this.#sets[set] as number[]).length >> 3), this.#place, "strings");
    const reached = this.#reached(next);
    this.#steps.set(key, reached);
    return reached;
  }

  #reached(starts: readonly number[]): number {
    const found = new Set<number>();
    const rest = [...starts];
    for (let state = rest.pop(); state !== undefined; state = rest.pop()) {
      if (found.has(state)) continue;
      found.add(state);
      rest.push(...(this.#states[state] as State).free);
    }
    // States that only lead on without a character need not be told apart.
    const kept = [...found].filter((state) => (
      state === this.#end || (this.#states[state] as State).points)).sort((a, b) => a - b);
    const key = kept.join();
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.#budget.spend(1 + (kept.length >> 3), this.#place, "strings");
    this.#known.set(key, this.#sets.length);
    return this.#sets.push(kept) - 1;
  }
}

function holds(points: Points, point: number): boolean {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const [first, last] = points[middle] as Range;
    if (point < first) high = middle;
    else if (point > last) low = middle + 1;
    else return true;
  }
  return false;
}

/** Answers whether texts are in one language. */
export class Matcher {
  readonly #machine: Machine;

  constructor(language: Language, budget: Budget, place: string) {
    this.#machine = new Machine(language, false, budget, place);
  }

  matches(text: string): boolean {
    let state = this.#machine.start;
    for (const character of text) {
      state = this.#machine.step(state, character.codePointAt(0) as number);
    }
    return this.#machine.accepts(state);
  }
}

/** A language that texts are in, or outside of. */
export interface Side {
  readonly language: Language;
  readonly isNegated: boolean;
}

/** A deterministic automaton: for each state, where sets of characters lead; 0 is the first. */
export interface Automaton {
  readonly states: readonly {
    readonly accepts: boolean;
    readonly edges: readonly { readonly points: Points; readonly next: number }[];
  }[];
}

/** The texts of `least` to `most` characters on the given side of each language. */
export function intersection(
  sides: readonly Side[], least: number, most: number, budget: Budget, place: string,
): Automaton {
  const machines = sides.map(({ language, isNegated }) => (
    new Machine(language, isNegated, budget, place)));
  const classes = classesOf(sides.flatMap(({ language }) => [...language.leaves.values()]));
  // Beyond what is still told apart, lengths are one.
  const lengthMax = most === Infinity ? least : most;
  const numbers = new Map<string, number>();
  const keys: (readonly number[])[] = [];
  const numberOf = (key: readonly number[]): number => {
    const text = key.join();
    const known = numbers.get(text);
    if (known !== undefined) return known;
    budget.spend(1, place, "strings");
    numbers.set(text, keys.length);
    return keys.push(key) - 1;
  };
  numberOf([0, ...machines.map(({ start }) => start)]);
  const states: Automaton["states"][number][] = [];
  for (let i = 0; i < keys.length; i++) {
    const [length = 0, ...sets] = keys[i] as readonly number[];
    const edges = new Map<number, Range[]>();
    for (const range of length === most ? [] : classes) {
      const next = numberOf([Math.min(length + 1, lengthMax),
        ...machines.map((machine, j) => machine.step(sets[j] as number, range[0]))]);
      addRange(edges, next, range);
    }
    budget.spend(edges.size + (classes.length >> 3), place, "strings");
    states.push({
      accepts: length >= least
        && machines.every((machine, j) => machine.accepts(sets[j] as number)),
      edges: [...edges].map(([next, points]) => ({ points, next })),
    });
  }
  return { states: trimmed(states) };
}

function addRange(edges: Map<number, Range[]>, next: number, range: Range): void {
  const ranges = edges.get(next);
  const last = ranges?.at(-1);
  if (!ranges) edges.set(next, [range]);
  else if (last && last[1] + 1 === range[0]) ranges[ranges.length - 1] = [last[0], range[1]];
  else ranges.push(range);
}

/** Ranges whose characters no set tells apart. Surrogates, which no text has, are left out. */
function classesOf(sets: readonly Points[]): Range[] {
  const borders = new Set([0, 0xd800, 0xe000, 0x110000]);
  for (const points of sets) {
    for (const [first, last] of points) borders.add(first).add(last + 1);
  }
  const sorted = [...borders].sort((a, b) => a - b);
  return sorted.slice(0, -1).map((first, i) => [first, (sorted[i + 1] as number) - 1] as const)
    .filter(([first]) => first < 0xd800 || first >= 0xe000);
}

/** Takes away the edges to states from which nothing is accepted. */
function trimmed(states: readonly Automaton["states"][number][]): Automaton["states"] {
  const before = states.map((): number[] => []);
  states.forEach(({ edges }, i) => edges.forEach(({ next }) => before[next]?.push(i)));
  const live = new Set<number>();
  const rest = states.flatMap(({ accepts }, i) => (accepts ? [i] : []));
  for (let state = rest.pop(); state !== undefined; state = rest.pop()) {
    if (live.has(state)) continue;
    live.add(state);
    rest.push(...before[state] as number[]);
  }
  return states.map(({ accepts, edges }) => (
    { accepts, edges: edges.filter(({ next }) => live.has(next)) }));
}
