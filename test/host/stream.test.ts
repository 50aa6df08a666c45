// Texts as streams of bytes, and the queue of those that wait for a session.
// Does not know: anything inside the engine.

import { expect, it } from "vitest";
import { byteModel, codeOf, load } from "./library";

const options = { seed: 7, maxTokens: 40, temperature: 1 };

it("a stream is the text's bytes", async () => {
  using model = await load(byteModel());
  const { text } = await model.complete("Once", options);
  const bytes = await new Response(model.stream("Once", options)).arrayBuffer();
  expect(Buffer.from(bytes).equals(Buffer.from(text))).toBe(true);
});

it("cancelling a stream gives its session back, while it waits or writes", async () => {
  using model = await load(byteModel());
  const writing = model.stream("Once", { ...options, maxTokens: 1e6 }).getReader();
  await writing.read();
  const waiting = model.stream("Once", options).getReader();
  const never = waiting.read();
  await waiting.cancel();
  expect((await never).done).toBe(true);
  await writing.cancel();
  expect((await model.complete("Once", options)).completionTokens).toBeGreaterThan(0);
});

it("so does cancelling one whose reader is slow", async () => {
  using model = await load(byteModel());
  const stream = model.stream("Once", { ...options, maxTokens: 1000 });
  await new Promise((resolve) => setTimeout(resolve, 50)); // its first piece waits to be read
  await stream.cancel();
  expect((await model.complete("Once", options)).completionTokens).toBeGreaterThan(0);
});

it("a stream fails with the sentence, and with its signal's reason", async () => {
  using model = await load(byteModel());
  const failure = (stream: ReadableStream): Promise<unknown> =>
    new Response(stream).text().catch((error: unknown) => error);
  expect(await codeOf(model.stream("x".repeat(1000)).getReader().read())).toBe("PROMPT_TOO_LONG");
  const signal = AbortSignal.abort(new Error("enough"));
  expect(String(await failure(model.stream("Once", { signal })))).toContain("enough");
});

it("refuses more texts than the queue takes, and serves those in it in order", async () => {
  using model = await load(byteModel(), { queue: 2 });
  const order: number[] = [];
  const texts = [0, 1, 2].map(async (i) => {
    await model.complete("Once", { ...options, maxTokens: 5 });
    order.push(i);
  });
  expect(await codeOf(model.complete("Once"))).toBe("QUEUE_FULL");
  await Promise.all(texts);
  expect(order).toEqual([0, 1, 2]);
  expect((await model.complete("Once", options)).completionTokens).toBeGreaterThan(0);
  using none = await load(byteModel(), { queue: 0 });
  const running = none.complete("Once", options);
  expect(await codeOf(none.complete("Once"))).toBe("QUEUE_FULL");
  await running;
  for (const queue of [-1, 0.5, 1e6]) {
    expect(await codeOf(load(byteModel(), { queue }))).toBe("BAD_OPTION");
  }
});
