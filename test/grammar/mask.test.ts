// The mask of every step against trying each token, byte by byte, from the beginning of the text.
// Does not know: trees of tokens; what is kept of masks.

import { afterAll, describe, expect, it } from "vitest";
import { Automaton, DEAD } from "../../host/grammar/automaton";
import { choice, literal, repeat, sequence } from "../../host/grammar/syntax";
import { dice, load, type Model } from "../host/library";
import { GRAMMARS, models } from "./models";

const STEPS = 60;
const ALL = Array.from({ length: 256 }, (_, byte) => byte);
const loaded: Model[] = [];
afterAll(() => loaded.forEach((model) => model.dispose()));

describe.each(models())("with a vocabulary of %s", (_, file) => {
  const ready = load(file).then((model) => {
    loaded.push(model);
    const session = model.session();
    const { exports } = session.host.engine;
    session.close();
    const size = model.info.vocabulary;
    const ids = Array.from({ length: size }, (_, token) => token);
    return {
      model, ids, endings: ids.filter((token) => exports.endsAt(token) === 1),
      bytes: [false, true].map((isFirst) => ids.map((token) => {
        const length = exports.decode(token, isFirst ? 1 : 0);
        return [...new Uint8Array(exports.memory.buffer, exports.stagingAddress(), length)];
      })),
    };
  });

  it.each(GRAMMARS)("%s", async (name, grammar) => {
    const { model, ids, endings, bytes } = await ready;
    const automaton = new Automaton(grammar);
    const constraint = model.constrain(grammar);
    const mask = new Uint8Array(Math.ceil(ids.length / 8));
    for (let seed = 0; seed < 6; seed++) {
      const roll = dice(seed);
      const guide = constraint.guide();
      const text: number[] = [];
      for (let step = 0; step < STEPS; step++) {
        const own = bytes[step === 0 ? 1 : 0] as number[][];
        const state = text.reduce((from, byte) => automaton.step(from, byte), automaton.start);
        const wanted = ids.filter((token) => {
          if (endings.includes(token)) return automaton.isAccepting(state);
          const whole = own[token] as number[];
          return whole.length > 0 && whole.reduce((from, byte) => (
            from === DEAD ? DEAD : automaton.step(from, byte)), state) !== DEAD;
        });
        const where = `${name}, seed ${seed}, step ${step}`;
        // Looks ahead now and then, and goes on with or without being asked for a mask.
        if (roll(3) === 0) {
          const must = guide.forced(1 + roll(9)).bytes;
          must.reduce((from, byte) => {
            expect(ALL.filter((other) => automaton.step(from, other) !== DEAD), where)
              .toEqual([byte]);
            expect(automaton.isAccepting(from), where).toBe(false);
            return automaton.step(from, byte);
          }, state);
        }
        if (roll(3) > 0) {
          guide.mask(mask, step === 0);
          const allowed = ids.filter((token) => (
            ((mask[token >> 3] as number) >> (token & 7)) & 1));
          expect(allowed, where).toEqual(wanted);
          expect(guide.isAccepting, where).toBe(automaton.isAccepting(state));
        }
        const next = wanted.filter((token) => !endings.includes(token));
        // Longer tokens more often, so that the text gets somewhere.
        const some = Array.from({ length: 3 }, () => next[roll(next.length)] as number);
        if (next.length === 0) break;
        const token = some.sort((a, b) => (own[b] as number[]).length
          - (own[a] as number[]).length)[roll(2)] as number;
        guide.advance(Uint8Array.from(own[token] as number[]));
        text.push(...own[token] as number[]);
      }
    }
  });
});

it("a long text under one constraint moves on to new automata", async () => {
  const model = await load(models()[1]?.[1] as Uint8Array);
  loaded.push(model);
  // Ambiguous, with gaps between the counts, so that states are large, and no two are the same.
  const letter = choice(literal("a"), repeat(literal("a"), 50, 50));
  const round = sequence(repeat(letter, 1000, 1000), repeat(literal("b"), 0, 1));
  const grammar = { rules: [sequence(repeat(choice(literal("b"), round), 600, 1000),
    literal("."))] };
  const constraint = model.constrain(grammar);
  const automaton = new Automaton(grammar);
  const mask = new Uint8Array(Math.ceil(model.info.vocabulary / 8));
  const other = constraint.guide();
  const guide = constraint.guide();
  const first = constraint.workshop().automaton;
  let state = automaton.start;
  for (let step = 0; step < 1200; step++) {
    const byte = step < 3 ? 0x62 : 0x61;
    guide.advance(Uint8Array.of(byte));
    state = automaton.step(state, byte);
    if (step % 100 !== 0) continue;
    guide.mask(mask, false);
    const allowed = [0x61, 0x62, 0x2e, 0x63].map((token) => {
      const id = model.tokenize(String.fromCharCode(token), { special: false })[0] as number;
      return ((mask[id >> 3] as number) >> (id & 7)) & 1;
    });
    expect(allowed).toEqual([0x61, 0x62, 0x2e, 0x63].map((byte) => (
      automaton.step(state, byte) === DEAD ? 0 : 1)));
  }
  expect(constraint.workshop().automaton).not.toBe(first);
  other.mask(mask, false);
  expect(other.isAccepting).toBe(false);
});

it("a text that must come moves on to new automata, too", async () => {
  const model = await load(models()[0]?.[1] as Uint8Array);
  loaded.push(model);
  const constraint = model.constrain({ rules: [repeat(literal("ab"), 2 ** 20, 2 ** 20)] });
  const first = constraint.workshop().automaton;
  const guide = constraint.guide();
  for (let length = 0; length < 2 ** 19;) {
    const { bytes } = guide.forced(1023);
    expect(bytes.length).toBe(1023);
    const wrong = bytes.findIndex((byte, i) => byte !== 0x61 + ((length + i) & 1));
    expect(wrong, `behind ${length} bytes`).toBe(-1);
    // Not all of it comes at once.
    guide.advance(bytes.subarray(0, 500));
    guide.advance(bytes.subarray(500, 700));
    length += 700;
  }
  expect(constraint.workshop().automaton).not.toBe(first);
  expect(() => guide.advance(Uint8Array.of(0x63))).toThrow(/does not match the grammar/);
});
