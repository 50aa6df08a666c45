// Counted loops in loops against a recogniser that counts: every text of two letters up to some
// length, and how many letters in a row there can be. Does not know: how rounds are counted.

import { expect, it } from "vitest";
import { Automaton, DEAD } from "../../host/grammar/automaton";
import { choice, literal, optional, repeat, sequence, type Node } from "../../host/grammar/syntax";
import { Random } from "../kernels";
import { matches } from "./library";

const a = literal("a");
const b = literal("b");

/** Loops of up to four levels, with something between most of them. */
function randomLoops(random: Random, depth: number): Node {
  const inner = depth === 0
    ? [a, choice(a, sequence(a, a)), choice(b, a), sequence(a, optional(b)),
      choice(sequence(a, a), sequence(a, a, a))][random.whole(0, 4)] as Node
    : randomLoops(random, depth - 1);
  const part = [inner, sequence(inner, optional(b)), sequence(optional(a), inner),
    choice(inner, b)][random.whole(0, 3)] as Node;
  const least = random.whole(0, 2);
  return { kind: "repeat", part, least,
    most: [least + random.whole(0, 2), least + 1, Infinity][random.whole(0, 2)] as number };
}

it("allow what can be counted, and no more", () => {
  const random = new Random(11);
  let lively = 0;
  for (let round = 0; round < 150; round++) {
    const grammar = { rules: [sequence(randomLoops(random, random.whole(1, 3)),
      [a, b, optional(a)][random.whole(0, 2)] as Node)] };
    const automaton = new Automaton(grammar);
    const walk = (state: number, text: string): void => {
      const where = `${JSON.stringify(grammar)}, ${text}`;
      const isAccepting = state !== DEAD && automaton.isAccepting(state);
      expect(isAccepting, where).toBe(matches(grammar, text));
      if (isAccepting) lively++;
      if (state === DEAD || text.length === 7) return;
      for (const letter of "ab") walk(automaton.step(state, letter.charCodeAt(0)), text + letter);
    };
    walk(automaton.start, "");
    for (let length = 8; length < 26; length++) {
      const text = Array.from({ length }, () => (random.whole(0, 3) === 0 ? "b" : "a")).join("");
      const state = Array.from(text).reduce((from, letter) => (
        from === DEAD ? DEAD : automaton.step(from, letter.charCodeAt(0))), automaton.start);
      expect(state !== DEAD && automaton.isAccepting(state), `${JSON.stringify(grammar)}, ${text}`)
        .toBe(matches(grammar, text));
    }
  }
  expect(lively).toBeGreaterThan(2000);
});

it.each<[name: string, loops: Node, least: number, most: number]>([
  ["three in each other", repeat(sequence(repeat(sequence(repeat(choice(a, b), 1, 40),
    optional(literal("x"))), 1, 40), optional(literal("x"))), 1, 40), 1, 64_000],
  ["of two lengths", repeat(sequence(repeat(sequence(repeat(choice(a, sequence(a, a)), 3, 9),
    optional(b)), 2, 30), optional(b)), 1, 20), 6, 10_800],
  ["four in each other", [1, 2, 3, 4].reduce((inner) => (
    repeat(sequence(inner, optional(b)), 1, 9)), a as Node), 1, 6561],
])("end exactly, in few states: %s", (_, loops, least, most) => {
  const automaton = new Automaton({ rules: [loops] });
  let state = automaton.start;
  let first = 0;
  let length = 0;
  for (; state !== DEAD; length++) {
    if (first === 0 && automaton.isAccepting(state)) first = length;
    expect(automaton.countOf(state)).toBeLessThan(40);
    state = automaton.step(state, 0x61);
  }
  expect([first, length - 1]).toEqual([least, most]);
  expect(automaton.work).toBeLessThan(150 * most);
});
