// What parts begin with, against the bytes tried one by one in the automaton that has them; and
// that what one byte tells apart is one continuation. Does not know: how parts are marked.

import { expect, it } from "vitest";
import { Automaton, DEAD } from "../../host/grammar/automaton";
import { characters } from "../../host/grammar/spelling";
import { bytes, choice, literal, repeat, sequence, type Node } from "../../host/grammar/syntax";
import { Random } from "../kernels";

const LETTER = choice(characters([0, 0x10ffff]), sequence(literal("\\"), bytes([0x61, 0x66])));

it("a letter in UTF-8, or more that one byte tells apart, is one continuation", () => {
  const ways = (node: Node): number => {
    const automaton = new Automaton({ rules: [node] });
    return automaton.countOf(automaton.start);
  };
  const plain = characters([0x20, 0x5b], [0x5d, 0x10ffff]);
  const letter = choice(plain, sequence(literal("\\"), bytes([0x61, 0x66])));
  expect(ways(letter)).toBe(1);
  expect(ways(sequence(repeat(letter, 0, 40), literal(", ")))).toBe(2);
  // Two ways to go on behind the same byte are two.
  expect(ways(choice(sequence(literal("a"), literal("b")), sequence(bytes([0x61, 0x62]),
    literal("c"))))).toBe(2);
  expect(ways(LETTER)).toBeGreaterThan(1);
  // More than are looked through.
  expect(ways(choice(...Array.from({ length: 40 }, (_, i) => (
    sequence(bytes([i, i]), bytes([i, 99]))))))).toBe(40 - 16 + 1);
});

it("allows the bytes that lead somewhere, and forces the only one", () => {
  const random = new Random(5);
  let forced = 0;
  let together = 0;
  for (let round = 0; round < 400; round++) {
    const span = random.whole(0, 1) === 0 ? 0 : random.whole(0, 40);
    const options = Array.from({ length: random.whole(1, 6) }, () => {
      const first = random.whole(0, 200);
      const set = bytes([first, first + random.whole(0, span)]);
      return random.whole(0, 1) === 0 ? set : sequence(set, literal("xy"[random.whole(0, 1)]!));
    });
    const automaton = new Automaton({ rules: [choice(...options)] });
    const allowed = automaton.allowed(automaton.start);
    const leading = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => (
      automaton.step(automaton.start, byte) !== DEAD));
    const inOptions = new Set(options.flatMap((option) => {
      const set = option.kind === "sequence" ? option.parts[0] : option;
      return Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => (
        set?.kind === "bytes" && ((set.set[byte >> 5]! >>> (byte & 31)) & 1) === 1));
    }));
    expect(leading).toEqual([...inOptions].sort((a, b) => a - b));
    expect(Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => (
      ((allowed[byte >> 5]! >>> (byte & 31)) & 1) === 1))).toEqual(leading);
    const spelled: number[] = [];
    automaton.spell(automaton.start, spelled, 1);
    expect(spelled).toEqual(leading.length === 1 ? leading : []);
    if (leading.length === 1) forced++;
    if (automaton.countOf(automaton.start) < new Set(options).size) together++;
  }
  expect(forced).toBeGreaterThan(20);
  expect(together).toBeGreaterThan(100);
});
