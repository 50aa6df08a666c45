// Grammars made to hurt: they run, or are refused in a sentence, with bounded work. Does not know:
// how parts are run.

import { describe, expect, it } from "vitest";
import { Automaton, DEAD } from "../../host/grammar/automaton";
import { Masks } from "../../host/grammar/mask";
import {
  choice, literal, optional, repeat, rule, sequence, type Grammar, type Node,
} from "../../host/grammar/syntax";
import { triesOf } from "../../host/grammar/trie";
import { Random } from "../kernels";

const DEEP = 60_000;
const a = literal("a");

/** Runs a text of letters a; returns the work, or the code of the refusal. */
function run(grammar: Grammar, length: number, letters = "a"): string | number {
  try {
    const automaton = new Automaton(grammar);
    let state = automaton.start;
    for (let i = 0; i < length && state !== DEAD; i++) {
      automaton.allowed(state);
      automaton.spell(state, [], 3);
      state = automaton.step(state, letters.charCodeAt(i % letters.length));
    }
    const { states, cells } = automaton.size;
    expect(states).toBeLessThan(2 ** 19);
    expect(cells).toBeLessThan(2 ** 21);
    return automaton.work;
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    expect(message).toMatch(/^[A-Z].*\.$/);
    return code;
  }
}

const nested = (wrap: (inner: Node) => Node, depth = DEEP): Node => {
  let node = a;
  for (let i = 0; i < depth; i++) node = wrap(node);
  return node;
};

describe("deep grammars", () => {
  const ways: [string, (inner: Node) => Node][] = [
    ["to the left", (inner) => sequence(inner, literal("b"))],
    ["to the right", (inner) => sequence(literal("a"), inner)],
    ["in the middle", (inner) => sequence(literal("["), inner, literal("]"))],
    ["choices", (inner) => choice(literal("b"), inner)],
    ["optional", (inner) => optional(sequence(literal("a"), inner))],
    ["loops", (inner) => repeat(inner, 0, Infinity)],
    ["counted loops", (inner) => repeat(inner, 1, 2)],
    ["exact loops", (inner) => repeat(inner, 2, 2)],
    ["nullable loops", (inner) => repeat(optional(inner), 0, 3)],
  ];

  it.each(ways)("%s", (_, wrap) => {
    const result = run({ rules: [nested(wrap)] }, 100);
    if (typeof result === "string") expect(result).toBe("GRAMMAR_TOO_COMPLEX");
    else expect(result).toBeLessThan(1_000_000);
  });

  it("of rules, in a row and in a circle", () => {
    const chain = Array.from({ length: DEEP }, (_, i): Node => (
      i === DEEP - 1 ? a : sequence(rule(i + 1), optional(literal("b")))));
    expect(run({ rules: chain }, 100, "ab")).toEqual(expect.any(Number));
    const circle = Array.from({ length: DEEP }, (_, i): Node => (
      choice(a, sequence(rule((i + 1) % DEEP), literal("b")))));
    expect(run({ rules: circle }, 10)).toBe("GRAMMAR_TOO_COMPLEX");
    const units = Array.from({ length: DEEP }, (_, i): Node => choice(a, rule((i + 1) % DEEP)));
    expect(run({ rules: units }, 10)).toEqual(expect.any(Number));
    const right = Array.from({ length: DEEP }, (_, i): Node => (
      choice(a, sequence(a, rule((i + 1) % DEEP)))));
    expect(run({ rules: right }, 100)).toEqual(expect.any(Number));
  });
});

describe("ambiguous grammars", () => {
  it("do not multiply", () => {
    const twice = choice(a, sequence(a, literal("")), literal("a"));
    const loops = repeat(repeat(twice, 0, Infinity), 0, Infinity);
    expect(run({ rules: [loops] }, 10_000)).toBeLessThan(100);
    // Two ways at every letter: 2^60000 parses, few states.
    const many = Array.from({ length: 200 }, () => choice(a, sequence(a, a), optional(a)));
    expect(run({ rules: [sequence(...many)] }, 200)).toBeLessThan(2_000_000);
    expect(run({ rules: [choice(sequence(rule(0), rule(0)), sequence(rule(0), rule(0), rule(0)),
      a)] }, 1000)).toEqual(expect.any(Number));
  });

  it("share parts that are used often", () => {
    // As a tree it would have 2^60 leaves.
    const double = nested((inner) => sequence(inner, choice(literal("b"), inner)), 60);
    expect(run({ rules: [double] }, 50)).toEqual(expect.any(Number));
  });

  it("with many rounds in flight are refused, if at all", () => {
    const some = repeat(choice(a, sequence(a, a)), 0, 100_000);
    const result = run({ rules: [repeat(some, 0, 100_000)] }, 3000);
    if (typeof result === "string") expect(result).toBe("GRAMMAR_TOO_COMPLEX");
    const exact = run({ rules: [repeat(choice(a, sequence(a, a)), 5000, 5000)] }, 3000);
    if (typeof exact === "string") expect(exact).toBe("GRAMMAR_TOO_COMPLEX");
  });
});

describe("large counts", () => {
  it("cost what a text uses of them", () => {
    const word = repeat(choice(a, literal("b")), 100_000, 100_000_000);
    expect(run({ rules: [word] }, 1000)).toBeLessThan(10_000);
    const words = repeat(sequence(repeat(word, 2, 1e9), literal("c")), 1e9, 1e9);
    expect(run({ rules: [words] }, 1000)).toBeLessThan(100_000);
    expect(run({ rules: [repeat(a, 2 ** 50, 2 ** 52)] }, 1000)).toBeLessThan(10_000);
  });

  it("end exactly", () => {
    const automaton = new Automaton({ rules: [repeat(a, 5000, 5003)] });
    let state = automaton.start;
    const accepted: number[] = [];
    for (let length = 1; state !== DEAD && length < 6000; length++) {
      state = automaton.step(state, 0x61);
      if (state !== DEAD && automaton.isAccepting(state)) accepted.push(length);
    }
    expect(accepted).toEqual([5000, 5001, 5002, 5003]);
  });
});

it("a mask costs a bounded number of steps", () => {
  const random = new Random(1);
  const texts = Array.from({ length: 20_000 }, () => (
    Array.from({ length: random.whole(1, 12) }, () => "abc"[random.whole(0, 2)]).join("")));
  // Every letter may be any of 3,000 that follow, and the states behind are all different.
  const letter = choice(a, literal("b"), literal("c"));
  const many = Array.from({ length: 3000 }, (_, i) => (
    optional(i % 3 === 0 ? sequence(letter, letter) : letter)));
  const grammar: Grammar = { rules: [sequence(...many)] };
  const automaton = new Automaton(grammar);
  const [trie] = triesOf(texts);
  const masks = new Masks(automaton, texts.length, trie ? [trie] : [], undefined);
  const allowed = [...masks.of(automaton.start)];
  expect(automaton.work).toBeLessThan(30_000_000);
  // All begin with what may come, but the long ones could be meant in too many ways.
  const isAllowed = (token: number): boolean => (
    (((allowed[token >> 3] ?? 0) >> (token & 7)) & 1) === 1);
  expect(texts.filter((text, token) => isAllowed(token) !== (text.length === 1))).toEqual([]);
  // The same when the states are known already.
  const again = new Masks(automaton, texts.length, trie ? [trie] : [], undefined);
  expect([...again.of(automaton.start)]).toEqual(allowed);
});

describe("a byte that can be meant in more ways than there is time for", () => {
  // z | x(aa?|a)?...: behind the x there are more continuations than are looked at.
  const many = Array.from({ length: 60_000 }, (_, i) => (
    optional(i % 2 === 0 ? a : sequence(a, literal("b")))));
  const grammar: Grammar = { rules: [choice(literal("z"), sequence(literal("x"), ...many),
    sequence(literal("y"), repeat(choice(a, literal("b")), 0, Infinity), ...many))] };

  it("goes on in some of them, and matches", () => {
    const automaton = new Automaton(grammar);
    const before = [...automaton.allowed(automaton.start)];
    let state = automaton.step(automaton.start, "x".charCodeAt(0));
    for (let i = 0; i < 20; i++) {
      expect(automaton.allowed(state)[3]).toBe((1 << 1) | (i > 0 ? 1 << 2 : 0));
      state = automaton.step(state, "a".charCodeAt(0));
      expect(state).not.toBe(DEAD);
    }
    expect(automaton.work).toBeLessThan(21 * 2 ** 18 + 1000);
    expect([...automaton.allowed(automaton.start)]).toEqual(before);
    expect(automaton.isComplete(automaton.step(automaton.start, "z".charCodeAt(0)))).toBe(true);
  });

  it("and in the same, whatever was written before", () => {
    const run = (automaton: Automaton): string => {
      let state = automaton.step(automaton.start, "x".charCodeAt(0));
      return Array.from("aaabaab", (letter) => {
        state = automaton.step(state, letter.charCodeAt(0));
        return `${automaton.countOf(state)} ${automaton.isAccepting(state)}`;
      }).join();
    };
    const fresh = new Automaton(grammar);
    const used = new Automaton(fresh.program);
    let state = used.step(used.start, "y".charCodeAt(0));
    for (const letter of "abbaab") state = used.step(state, letter.charCodeAt(0));
    expect(run(used)).toBe(run(fresh));
  });

  it("is refused at the beginning of a text", () => {
    expect(run({ rules: [sequence(...many)] }, 1)).toBe("GRAMMAR_TOO_COMPLEX");
  });
});
