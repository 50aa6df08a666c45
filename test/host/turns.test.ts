// Turns for others: after 32 steps or 8 ms, whichever is first, and at once after a long step.
// Does not know: what the steps are.

import { afterEach, expect, it, vi } from "vitest";
import { turnTaking } from "../../host/turns";

afterEach(() => vi.restoreAllMocks());

function counting(): {
  step: () => Promise<void>; turns: () => number; pass: (ms: number) => void;
} {
  let now = 1000;
  let turns = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now);
  const step = turnTaking(async () => void turns++);
  return { step, turns: () => turns, pass: (ms) => { now += ms; } };
}

it("counts steps where the clock stands still", async () => {
  const { step, turns } = counting();
  for (let i = 0; i < 31; i++) await step();
  expect(turns()).toBe(0);
  await step();
  expect(turns()).toBe(1);
  for (let i = 0; i < 320; i++) await step();
  expect(turns()).toBe(11);
});

it("looks at the clock where it runs", async () => {
  const { step, turns, pass } = counting();
  for (let i = 0; i < 20; i++) {
    pass(4);
    await step();
  }
  expect(turns()).toBe(10);
  pass(200);
  await step();
  expect(turns()).toBe(11);
});
