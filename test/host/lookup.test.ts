// Guesses out of a text's own past: none while nothing repeats, what followed before where it does,
// and none any more where they do not pay.
// Does not know: models, or what becomes of a guess (speculation.test.ts).

import { expect, it } from "vitest";
import { Lookup } from "../../host/lookup";

const numbers = (count: number, first = 0): number[] =>
  Array.from({ length: count }, (_, i) => first + i);

function lookup(tokens: readonly number[], room = 1000): Lookup {
  const made = new Lookup(room);
  for (const token of tokens) made.add(token);
  return made;
}

it("guesses what followed before, once the text has followed for 16 tokens, then 24", () => {
  const passage = numbers(100);
  const expected = [[0, 0], [15, 0], [16, 3], [23, 3], [24, 7], [60, 7]] as const;
  for (const [followed, guessed] of expected) {
    const made = lookup([...passage, 777, ...numbers(followed)]);
    expect(made.guess(31), `${followed}`).toEqual(numbers(guessed, followed));
  }
});

it("guesses nothing where nothing repeats, and no more than there is room for", () => {
  expect(lookup(numbers(500)).guess(31)).toEqual([]);
  const made = lookup([...numbers(100), ...numbers(50)]);
  expect([-3, 0, 1, 2].map((room) => made.guess(room))).toEqual([[], [], [50], [50, 51]]);
});

it("follows a passage that runs into itself", () => {
  const made = lookup([9, ...Array.from({ length: 40 }, (_, i) => i % 3)]);
  expect(made.guess(31)).toEqual([1, 2, 0, 1, 2, 0, 1]);
});

it("leaves a passage that goes on otherwise, and finds the one that was there last", () => {
  const made = lookup([...numbers(40), 500, ...numbers(40), 600, ...numbers(39)]);
  expect(made.guess(31)[0]).toBe(39);
  made.add(39);
  expect(made.guess(31)[0]).toBe(600);
  made.add(601);
  expect(made.guess(31)).toEqual([]);
});

it("stops where guesses are wrong, until a passage is long or they have paid", () => {
  const made = lookup([...numbers(200), 500, ...numbers(30)]);
  made.settle(7, 4);
  expect(made.guess(31)).toHaveLength(7);
  made.settle(7, 4);
  expect(made.guess(31)).toHaveLength(0);
  for (const token of numbers(18, 30)) made.add(token);
  expect(made.guess(31)).toEqual(numbers(7, 48));
  expect(lookupAfter(made)).toHaveLength(0);
  made.settle(7, 7);
  expect(lookupAfter(made)).toHaveLength(7);
});

/** The guesses after another passage, short but followed long enough. */
function lookupAfter(made: Lookup): readonly number[] {
  for (const token of [900, ...numbers(25, 100)]) made.add(token);
  return made.guess(31);
}

it("takes tokens without end, and any", () => {
  const made = lookup([...numbers(50), ...numbers(50), 2 ** 31 - 1, 0, 0], 64);
  expect(made.guess(3)).toHaveLength(0);
});

/** The slow way: the last earlier place of the last eight tokens, compared one by one. */
it("finds what a plain search finds", () => {
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 16) % below;
  };
  const text: number[] = [];
  const made = new Lookup(4096);
  let hits = 0;
  for (let i = 0; i < 40; i++) {
    // Long copies of earlier places between a few letters.
    const length = random(60);
    const from = text.length > 0 ? random(text.length) : 0;
    for (let j = 0; j < length; j++) {
      const token = random(40) === 0 || text.length === 0 ? random(4)
        : text[from + (j % (text.length - from))] as number;
      text.push(token);
      made.add(token);
      const guess = made.guess(1)[0];
      if (guess === undefined) continue;
      hits++;
      expect(placesOf(text).some((end) => text[end] === guess)).toBe(true);
    }
  }
  expect(hits).toBeGreaterThan(100);
});

/** Where an earlier passage of 16 tokens like the last 16 ends. */
function placesOf(text: readonly number[]): number[] {
  const last = text.slice(-16).join();
  return numbers(text.length).filter((end) => end >= 16 && end < text.length
    && text.slice(end - 16, end).join() === last);
}
