// Takes left recursion out of a grammar: rules that begin with themselves, however hidden, would be
// entered for ever. `sum = sum "+" n | n` becomes `sum = n ("+" n)*`; in general a rule becomes
// what its circle can begin with, and behind it a climb through the circle's rules up to the one
// that was wanted (the left-corner transform: Rosenkrantz and Lewis 1970). Knows nothing of texts.

import { ENDLESS } from "./cells";
import { FILLED, NULLABLE, factsOf } from "./facts";
import { EMPTY, KIND, NOTHING, tooComplex, type Parts } from "./parts";

/** Rules of one circle, at most: the transform makes a climb for each pair of them, in all ways. */
const CIRCLE_MAX = 32;
/** Ways to begin the rules of one circle. */
const WAYS_MAX = 20_000;

/**
 * Rewrites the rules so that none begins with itself; returns the facts of all parts then. Throws
 * GRAMMAR_TOO_COMPLEX.
 */
export function removeLeftRecursion(parts: Parts): Uint8Array {
  // One round does it; the second finds nothing.
  for (let round = 0; round < 4; round++) {
    const facts = factsOf(parts);
    const circles = growingCircles(parts, facts);
    if (circles.length === 0) return facts;
    for (const circle of circles) rewrite(parts, facts, circle);
  }
  throw tooComplex("its rules begin with each other in too many ways");
}

/**
 * What a part can begin with, and whether something more of it follows behind that. Only what
 * matches more than the empty string counts.
 */
function beginnings(
  parts: Parts, part: number, facts: Uint8Array,
): [inner: number, more: boolean][] {
  const a = parts.a(part);
  const all = ((): [number, boolean][] => {
    switch (parts.kindOf(part)) {
      case KIND.sequence: return ((facts[a] as number) & NULLABLE) === 0 ? [[a, true]]
        : [[a, true], [parts.b(part), false]];
      case KIND.choice: return [[a, false], [parts.b(part), false]];
      case KIND.loop: return [[a, true]];
      case KIND.nonempty: return [[a, false]];
      case KIND.rule: return [[parts.rules[a] as number, false]];
      default: return [];
    }
  })();
  return all.filter(([inner]) => ((facts[inner] as number) & FILLED) !== 0);
}

/** Sets of parts that begin with each other so that more is left over with every round. */
function growingCircles(parts: Parts, facts: Uint8Array): Set<number>[] {
  if (!parts.hasCalls) return [];
  return componentsOf(parts, facts).map((members) => new Set(members)).filter((circle) => (
    [...circle].some((part) => (
      beginnings(parts, part, facts).some(([inner, more]) => more && circle.has(inner))))));
}

/** Strongly connected parts of what begins with what (Tarjan 1972, with a stack of its own). */
function componentsOf(parts: Parts, facts: Uint8Array): number[][] {
  const { count } = parts.records;
  const order = new Int32Array(count); // 0: not seen
  const low = new Int32Array(count);
  const isOpen = new Uint8Array(count);
  const open: number[] = [];
  const found: number[][] = [];
  let seen = 0;
  const path: { part: number; next: number[]; at: number }[] = [];
  const lower = (part: number, to: number): void => {
    low[part] = Math.min(low[part] as number, to);
  };
  const enter = (part: number): void => {
    order[part] = low[part] = ++seen;
    isOpen[part] = 1;
    open.push(part);
    const next = beginnings(parts, part, facts).map(([inner]) => inner);
    path.push({ part, next: next.filter((inner) => parts.kindOf(inner) !== KIND.bytes), at: 0 });
  };
  for (const root of parts.rules) {
    if (order[root] === 0) enter(root);
    while (path.length > 0) {
      const top = path[path.length - 1] as (typeof path)[number];
      const { part } = top;
      const inner = top.next[top.at++];
      if (inner !== undefined) {
        if (order[inner] === 0) enter(inner);
        else if (isOpen[inner] === 1) lower(part, order[inner] as number);
        continue;
      }
      path.pop();
      const above = path[path.length - 1]?.part;
      if (above !== undefined) lower(above, low[part] as number);
      if (low[part] !== order[part]) continue;
      const members = open.splice(open.lastIndexOf(part));
      for (const member of members) isOpen[member] = 0;
      if (members.length > 1) found.push(members);
    }
  }
  return found;
}

/** How a rule of a circle can begin. */
interface Ways {
  /** With something outside the circle: all of it. */
  readonly seeds: number[];
  /** With a rule of the circle: which one, and what follows. */
  readonly edges: (readonly [first: number, rest: number])[];
}

/** Gives the rules of a circle bodies that begin outside of it. */
function rewrite(parts: Parts, facts: Uint8Array, circle: ReadonlySet<number>): void {
  const rules = [...circle].filter((part) => parts.kindOf(part) === KIND.rule)
    .map((part) => parts.a(part));
  if (rules.length > CIRCLE_MAX) {
    throw tooComplex(`${rules.length} rules begin with each other, more than ${CIRCLE_MAX}`);
  }
  const ways = new Map(rules.map((rule) => [rule, waysOf(parts, facts, circle, rule)]));
  const bodies = rules.map((goal) => {
    const climb = climbsTo(parts, goal, rules, ways);
    let body = ((facts[parts.rules[goal] as number] as number) & NULLABLE) !== 0 ? EMPTY : NOTHING;
    for (const rule of rules) {
      for (const seed of (ways.get(rule) as Ways).seeds) {
        body = parts.choice(parts.sequence(seed, climb(rule)), body);
      }
    }
    return body;
  });
  rules.forEach((rule, i) => {
    parts.rules[rule] = bodies[i] as number;
  });
}

/** What may follow a finished rule until it has become the goal. */
function climbsTo(
  parts: Parts, goal: number, rules: readonly number[], ways: ReadonlyMap<number, Ways>,
): (from: number) => number {
  if (rules.length === 1) {
    const rounds = (ways.get(goal) as Ways).edges.map(([, rest]) => rest);
    const round = rounds.reduce((all, rest) => parts.choice(rest, all), NOTHING);
    const climb = parts.loop(round, 0, ENDLESS);
    return () => climb;
  }
  const climbs = new Map(rules.map((rule) => [rule, parts.rules.push(NOTHING) - 1]));
  const climb = (rule: number): number => parts.rule(climbs.get(rule) as number);
  for (const [rule, index] of climbs) parts.rules[index] = rule === goal ? EMPTY : NOTHING;
  for (const rule of rules) {
    for (const [first, rest] of (ways.get(rule) as Ways).edges) {
      const index = climbs.get(first) as number;
      const step = parts.sequence(rest, climb(rule));
      parts.rules[index] = parts.choice(step, parts.rules[index] as number);
    }
  }
  return climb;
}

/** All ways to begin a rule of a circle, without entering another rule of it. */
function waysOf(
  parts: Parts, facts: Uint8Array, circle: ReadonlySet<number>, rule: number,
): Ways {
  const ways: Ways = { seeds: [], edges: [] };
  const seen = new Set<string>();
  const open: [part: number, rest: number][] = [[parts.rules[rule] as number, EMPTY]];
  const isNullable = (part: number): boolean => ((facts[part] as number) & NULLABLE) !== 0;
  for (;;) {
    const [part, rest] = open.pop() ?? [NOTHING, NOTHING];
    if (part === NOTHING) return ways;
    const key = `${part},${rest}`;
    if (seen.has(key) || ((facts[part] as number) & FILLED) === 0) continue;
    seen.add(key);
    if (seen.size > WAYS_MAX) {
      throw tooComplex(`a rule begins with itself in more than ${WAYS_MAX} ways`);
    }
    const a = parts.a(part);
    const b = parts.b(part);
    const kind = parts.kindOf(part);
    if (!circle.has(part)) ways.seeds.push(parts.sequence(parts.nonempty(part), rest));
    else if (kind === KIND.rule) ways.edges.push([a, rest]);
    else if (kind === KIND.choice) open.push([a, rest], [b, rest]);
    else if (kind === KIND.nonempty) open.push([a, rest]);
    else if (kind === KIND.sequence) {
      open.push([a, parts.sequence(b, rest)]);
      if (isNullable(a)) open.push([b, rest]);
    } else {
      // A loop. Rounds that may be empty may be left out.
      const least = isNullable(a) ? 0 : Math.max(0, b - 1);
      const most = parts.c(part) === ENDLESS ? ENDLESS : parts.c(part) - 1;
      open.push([a, parts.sequence(parts.loop(a, least, most), rest)]);
    }
  }
}
