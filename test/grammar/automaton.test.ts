// The automaton against a recogniser that only knows what the syntax says: random small grammars,
// all short texts. Does not know: how states are made.

import { describe, expect, it } from "vitest";
import { Automaton, DEAD } from "../../host/grammar/automaton";
import {
  bytes, choice, literal, optional, repeat, rule, sequence, type Grammar,
} from "../../host/grammar/syntax";
import { Random } from "../kernels";
import { Recogniser, allTexts, randomGrammar } from "./grammars";

const TEXTS = allTexts(4);
const LETTERS = [0x61, 0x62, 0x63];

/** Undefined for an empty language. */
function automatonOf(grammar: Grammar): Automaton | undefined {
  try {
    return new Automaton(grammar);
  } catch (error) {
    expect((error as { code: string }).code).toBe("GRAMMAR_EMPTY");
    return undefined;
  }
}

function walk(automaton: Automaton, text: readonly number[], from = automaton.start): number {
  return text.reduce((state, byte) => (
    state === DEAD ? DEAD : automaton.step(state, byte)), from);
}

function accepts(automaton: Automaton, text: readonly number[]): boolean {
  const state = walk(automaton, text);
  return state !== DEAD && automaton.isAccepting(state);
}

/** The shortest text from a state to the end. */
function wayOut(automaton: Automaton, from: number): number[] {
  const ways = new Map<number, number[]>([[from, []]]);
  for (const [state, way] of ways) {
    if (automaton.isAccepting(state)) return way;
    expect(ways.size).toBeLessThan(5000);
    for (const byte of LETTERS) {
      const next = automaton.step(state, byte);
      if (next !== DEAD && !ways.has(next)) ways.set(next, [...way, byte]);
    }
  }
  throw new Error("nothing leads from here to the end");
}

/** What must come, in one go and byte by byte, ends in the same state. */
function compareSpelling(automaton: Automaton, from: number, where: string): void {
  const all = Array.from({ length: 256 }, (_, byte) => byte);
  const wanted: number[] = [];
  const behind = [from];
  for (let state = from; wanted.length < 6 && !automaton.isAccepting(state);) {
    const next = all.filter((byte) => automaton.step(state, byte) !== DEAD);
    if (next.length > 1) break;
    state = automaton.step(state, next[0] as number);
    wanted.push(next[0] as number);
    behind.push(state);
  }
  for (let most = 0; most <= 6; most++) {
    const spelled: number[] = [];
    const state = automaton.spell(from, spelled, most);
    expect(spelled, where).toEqual(wanted.slice(0, most));
    expect(state, where).toBe(behind[spelled.length]);
  }
}

/** Compares all that can be asked of the states of all short texts. */
function compare(grammar: Grammar, name: string): boolean {
  const recogniser = new Recogniser(grammar);
  const matching = TEXTS.filter((text) => recogniser.matches(text));
  const automaton = automatonOf(grammar);
  if (!automaton) {
    expect(matching, name).toEqual([]);
    return false;
  }
  const matches = new Set(matching.map(String));
  const begun = new Set(matching.flatMap((text) => (
    [...text, 0].map((_, length) => String(text.slice(0, length))))));
  let checked = 0;
  for (const text of TEXTS) {
    const state = walk(automaton, text);
    const where = `${name}, behind ${JSON.stringify(String.fromCharCode(...text))}`;
    expect(state !== DEAD && automaton.isAccepting(state), where).toBe(matches.has(String(text)));
    if (state === DEAD) {
      expect(begun.has(String(text)), where).toBe(false);
      continue;
    }
    const next = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => (
      automaton.step(state, byte) !== DEAD));
    const allowed = automaton.allowed(state);
    expect(next, where).toEqual(Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => (
      ((allowed[byte >> 5] as number) >>> (byte & 31)) & 1)));
    compareSpelling(automaton, state, where);
    expect(automaton.isComplete(state), where).toBe(next.length === 0);
    // Of what no short text shows, some text must.
    if (begun.has(String(text)) || text.length > 2 || checked++ > 3) continue;
    const whole = [...text, ...wayOut(automaton, state)];
    if (whole.length < 16) expect(recogniser.matches(whole), where).toBe(true);
  }
  return true;
}

describe("random grammars", () => {
  it.each([[0], [1], [2], [3]])("run as the syntax says, %i", (part) => {
    let full = 0;
    for (let seed = part * 40; seed < part * 40 + 40; seed++) {
      const grammar = randomGrammar(new Random(seed));
      if (compare(grammar, `seed ${seed}: ${JSON.stringify(grammar)}`)) full++;
    }
    expect(full).toBeGreaterThan(10);
  });

  it("look the same within the horizon, and elsewhere", () => {
    for (let seed = 500; seed < 560; seed++) {
      const automaton = automatonOf(randomGrammar(new Random(seed)));
      if (!automaton) continue;
      const other = new Automaton(automaton.program);
      for (const text of TEXTS.filter(({ length }) => length <= 2)) {
        const state = walk(automaton, text);
        if (state === DEAD) continue;
        const moved = other.moved(automaton, state);
        for (const depth of [1, 2, 3]) {
          const horizon = automaton.horizon(state, depth);
          for (const more of TEXTS.filter(({ length }) => length <= depth)) {
            const next = walk(automaton, more, state);
            const seen = walk(automaton, more, horizon);
            const there = walk(other, more, moved);
            expect(seen === DEAD, `seed ${seed}`).toBe(next === DEAD);
            expect(there === DEAD, `seed ${seed}`).toBe(next === DEAD);
            if (next === DEAD) continue;
            expect(other.isAccepting(there)).toBe(automaton.isAccepting(next));
          }
        }
      }
    }
  });
});

const a = literal("a");
const b = literal("b");
const c = literal("c");

/** Rules that begin with themselves, in all ways known, and loops around nothing. */
const AWKWARD: [string, Grammar][] = [
  ["direct", { rules: [choice(sequence(rule(0), a), b)] }],
  ["both sides", { rules: [choice(sequence(rule(0), c, rule(0)), a)] }],
  ["indirect", { rules: [choice(sequence(rule(1), a), a), choice(sequence(rule(0), b), b)] }],
  ["three in a circle", { rules: [choice(sequence(rule(1), a), c),
    choice(sequence(rule(2), b), sequence(rule(0), c)),
    choice(sequence(rule(0), a), rule(1), b)] }],
  ["hidden", { rules: [choice(sequence(optional(a), rule(0), b), c)] }],
  ["hidden behind a rule", { rules: [choice(sequence(rule(1), rule(0), b), c), optional(rule(2)),
    choice(a, sequence(rule(0), a))] }],
  ["in a loop", { rules: [choice(repeat(rule(0), 1, 3), a), b] }],
  ["in a counted loop", { rules: [choice(sequence(repeat(rule(0), 2, 2), c), a)] }],
  ["in an endless loop", { rules: [choice(a, sequence(repeat(rule(0), 0, Infinity), b))] }],
  ["itself", { rules: [choice(rule(0), a)] }],
  ["each other", { rules: [choice(rule(1), a), choice(rule(0), b)] }],
  ["all of nothing", { rules: [choice(sequence(rule(0), rule(0)), optional(a))] }],
  ["nothing, often", { rules: [repeat(repeat(optional(a), 0, Infinity), 3, 1000)] }],
  ["exactly so much of nothing", { rules: [sequence(repeat(optional(a), 2, 2), b)] }],
  ["lists in lists", { rules: [sequence(a, repeat(sequence(b, rule(0)), 0, Infinity))] }],
  ["brackets", { rules: [repeat(sequence(a, rule(0), b), 0, Infinity)] }],
];

describe("awkward grammars", () => {
  it.each(AWKWARD)("run as the syntax says: %s", (name, grammar) => {
    compare(grammar, name);
  });

  it.each([[{ rules: [rule(0)] }], [{ rules: [sequence(a, rule(0))] }], [{ rules: [choice()] }],
    [{ rules: [sequence(a, rule(1)), repeat(choice(), 1, 2)] }], [{ rules: [bytes()] }],
    [{ rules: [repeat(a, 3, 2)] }],
  ] as [Grammar][])("are refused when nothing can match: %j", (grammar) => {
    expect(() => new Automaton(grammar)).toThrow(expect.objectContaining({
      code: "GRAMMAR_EMPTY", message: expect.stringMatching(/^No text can match/) as string,
    }) as Error);
  });

  it.each([[{ rules: [] }], [{ rules: [rule(1)] }], [{ rules: [rule(-1)] }],
    [{ rules: [repeat(a, 0.5, 2)] }], [{ rules: [repeat(a, -1, 2)] }],
    [{ rules: [repeat(a, 0, NaN)] }], [{ rules: [{ kind: "bytes", set: new Uint32Array(7) }] }],
  ] as [Grammar][])("are refused when they are broken: %j", (grammar) => {
    expect(() => new Automaton(grammar))
      .toThrow(expect.objectContaining({ code: "BAD_GRAMMAR" }) as Error);
  });
});

describe("the memory of a text", () => {
  it("is finite where the grammar is right-linear", () => {
    const grammar: Grammar = { rules: [choice(sequence(a, rule(1)), b), choice(sequence(c, rule(0)),
      sequence(a, rule(0)))] };
    const automaton = new Automaton(grammar);
    let state = automaton.start;
    for (let i = 0; i < 10_000; i++) state = automaton.step(state, 0x61);
    expect(automaton.size.states).toBeLessThan(10);
  });

  it("is finite in long sums, however the rule is written", () => {
    const plus = literal("+");
    const ways: Grammar[] = [
      { rules: [choice(sequence(rule(0), plus, rule(0)), a)] },
      { rules: [choice(sequence(rule(0), plus, a), a)] },
      { rules: [choice(sequence(a, plus, rule(0)), a)] },
      { rules: [sequence(a, repeat(sequence(plus, rule(0)), 0, Infinity))] },
    ];
    for (const grammar of ways) {
      const automaton = new Automaton(grammar);
      const text = Array.from({ length: 2001 }, (_, i) => (i % 2 === 0 ? 0x61 : 0x2b));
      expect(accepts(automaton, text)).toBe(true);
      expect(automaton.size.states).toBeLessThan(20);
    }
  });
});
