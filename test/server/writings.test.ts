// Several texts at once, from writers that a test holds in its hands: what comes is told in the
// order in which it came, one that fails ends the others, and one that waits costs nothing.
// Does not know: models, replies.

import { expect, it } from "vitest";
import type { GenerateResult, Writing } from "../../host/completion";
import { happenings } from "../../host/server/writings";

const RESULT: GenerateResult = { finishReason: "stop", promptTokens: 1, reusedTokens: 0,
  completionTokens: 1, seed: 1 };

async function* pieces(count: number): Writing {
  for (let i = 0; i < count; i++) yield `${i}`;
  return RESULT;
}

/** Says nothing until it is let go. */
function waiting(): { writing: Writing; release(): void; fail(error: Error): void } {
  let release = (): void => undefined;
  let fail = (_: Error): void => undefined;
  const held = new Promise<void>((resolve, reject) => {
    release = resolve;
    fail = reject;
  });
  return { release, fail, writing: (async function* (): Writing {
    await held;
    yield "late";
    return RESULT;
  })() };
}

it("tells of all, each in its order", async () => {
  const late = waiting();
  const told: string[] = [];
  const all = happenings([() => late.writing, () => pieces(3)], () => told.push("stopped"));
  for await (const { choice, text, result } of all) {
    told.push(`${choice} ${result?.finishReason ?? text}`);
    if (result && choice === 1) late.release();
  }
  expect(told).toEqual(["1 0", "1 1", "1 2", "1 stop", "0 late", "0 stop"]);
});

it("ends all when one fails, behind what came before", async () => {
  const late = waiting();
  const told: string[] = [];
  const all = happenings([() => late.writing, () => pieces(1000)], () => told.push("stopped"));
  await all.next();
  late.fail(new Error("broken"));
  await expect((async () => {
    while (true) await all.next();
  })()).rejects.toThrow("broken");
  expect(told).toEqual(["stopped"]);
});

it("asks nothing of a text that waits, however much another one says", async () => {
  // Every reaction to a pending promise is kept for as long as it pends.
  const late = waiting();
  const reactions = new Map<unknown, number>();
  const { then } = Promise.prototype;
  Promise.prototype.then = function counted(...given) {
    reactions.set(this, (reactions.get(this) ?? 0) + 1);
    return then.apply(this, given) as never;
  };
  try {
    const all = happenings([() => late.writing, () => pieces(100)], () => undefined);
    for (let i = 0; i < 100; i++) await all.next();
    late.release();
    await all.return();
  } finally {
    Promise.prototype.then = then;
  }
  expect(Math.max(...reactions.values())).toBeLessThan(5);
});
