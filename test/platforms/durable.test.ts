// In workerd: sessions that Durable Objects keep. A text that is written some tokens a request,
// each time in another isolate, is what Node writes at once, and a chat is not read again. And
// OpenAI's interface streams, stops and serves two.
// Does not know: what the model says.

import { cpSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Miniflare } from "miniflare";
import { CHATML, chatModel, load } from "../host/library";
import { workerd, workerModules } from "./hosts/workerd";
import { here, openStage, type Stage } from "./stage";

const missing = workerd.missing();
// So large that a session takes several chunks of the storage.
const bytes = chatModel(CHATML, ["<|im_start|>", "<|im_end|>"],
  { width: 256, layers: 8, heads: 4, kvHeads: 4, context: 1024 });
const prompt = "The beginning. ".repeat(30);
/** Without the tokens that are no bytes, of which one ends a text. */
const options = { seed: 7, maxTokens: 90, logitBias: { 256: -100, 257: -100 } };

let stage: Stage;
const running: Miniflare[] = [];

/** A new isolate, with what the storage has. */
async function start(): Promise<Miniflare> {
  const { Miniflare } = await import("miniflare");
  const miniflare = new Miniflare({
    modules: await workerModules(stage.folder, "durable.mjs"),
    compatibilityDate: "2026-04-01", r2Buckets: ["MODELS"], r2Persist: join(stage.folder, "r2"),
    durableObjects: { TALKS: { className: "Talk", useSQLite: true } },
    durableObjectsPersist: join(stage.folder, "objects"),
  });
  running.push(miniflare);
  return miniflare;
}

const stop = (): Promise<unknown> => Promise.all(running.splice(0).map((each) => each.dispose()));
const post = (miniflare: Miniflare, path: string, body: object) => (
  miniflare.dispatchFetch(`http://worker${path}`, { method: "POST", body: JSON.stringify(body),
    headers: { "content-type": "application/json" } }));

interface Reply {
  choices: { text?: string; message?: { content: string } }[];
  usage: { completion_tokens: number; prompt_tokens_details: { cached_tokens: number } };
}

/** A session whose reader has just gone is busy until that has been noticed. */
async function until200(ask: () => ReturnType<typeof post>): Promise<Reply> {
  for (let i = 0; i < 100; i++) {
    const response = await ask();
    if (response.status !== 409) {
      expect(response.status).toBe(200);
      return await response.json() as Reply;
    }
    await response.text();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the session stays busy");
}

beforeAll(async () => {
  if (missing) return;
  stage = await openStage();
  cpSync(join(here, "durable.mjs"), join(stage.folder, "durable.mjs"));
  await (await start()).dispatchFetch("http://worker/put", { method: "PUT", body: bytes });
});
afterAll(async () => {
  await stop();
  await stage?.close();
});

describe.skipIf(missing)(`workerd${missing ? ` (there is no ${missing})` : ""}`, () => {
  it("writes a text in slices, each in an isolate of its own", async () => {
    using model = await load(bytes, { sessions: 2 });
    const { text: expected } = await model.complete(prompt, options);
    expect(expected.length).toBeGreaterThan(20);
    const path = "/v1/sessions/story-1/completions";
    let text = "";
    for (let slice = 0; slice < 3; slice++) {
      await stop();
      const miniflare = await start();
      const response = await post(miniflare, path, { ...(slice === 0 ? { prompt }
        : { resume: true }), seed: options.seed, logit_bias: options.logitBias, max_tokens: 30 });
      expect(response.status, response.ok ? "" : await response.text()).toBe(200);
      const { choices: [choice], usage } = await response.json() as Reply;
      expect(usage.completion_tokens).toBe(30);
      expect(usage.prompt_tokens_details.cached_tokens > 0).toBe(slice > 0);
      text += choice!.text;
      const row = await (await miniflare.dispatchFetch(`http://worker${path}`)).json();
      expect(row).toMatchObject({ most: 1_000_000 });
      expect((row as { pieces: number }).pieces).toBeGreaterThan(2);
    }
    // Of a character that is not whole yet the library shows at its end what there is.
    expect(text.length).toBeGreaterThan(20);
    expect(expected.startsWith(text)).toBe(true);
    expect(expected.length - text.length).toBeLessThan(3);
  });

  it("knows a chat again in another isolate, streamed and left, and forgets it", async () => {
    using model = await load(bytes);
    const path = "/v1/sessions/chat-1/chat/completions";
    const messages = [{ role: "user" as const, content: "Who are you?" }];
    const asked = { messages, seed: 7, max_tokens: 20 };
    const { text: first } = await model.completeChat(messages, { seed: 7, maxTokens: 20 });
    await stop();
    let miniflare = await start();
    // More often than there are sessions: workerd does not always tell of a reader that has gone.
    for (let i = 0; i < 4; i++) {
      const gone = await post(miniflare, path.replace("1", `${i}`),
        { ...asked, max_tokens: 500, stream: true });
      const reader = gone.body!.getReader();
      expect((await reader.read()).done).toBe(false);
      await reader.cancel();
    }
    let reply = await until200(() => post(miniflare, path, asked));
    expect(reply.choices[0]?.message?.content).toBe(first);
    messages.push({ role: "assistant" as "user", content: first },
      { role: "user", content: "And then?" });
    const { text: second } = await model.completeChat(messages, { seed: 7, maxTokens: 20 });
    await stop();
    miniflare = await start();
    reply = await until200(() => post(miniflare, path, asked));
    expect(reply.choices[0]?.message?.content).toBe(second);
    expect(reply.usage.prompt_tokens_details.cached_tokens).toBeGreaterThan(45);
    const forget = await miniflare.dispatchFetch("http://worker/v1/sessions/chat-1",
      { method: "DELETE" });
    expect(await forget.json()).toMatchObject({ deleted: true });
    reply = await until200(() => post(miniflare, path, asked));
    expect(reply.usage.prompt_tokens_details.cached_tokens).toBe(0);
  });

  it("serves OpenAI's interface: two at once, and on after one has gone", async () => {
    await stop();
    const miniflare = await start();
    using model = await load(bytes);
    const messages = [{ role: "user", content: "Who are you?" }];
    const asked = { messages, seed: 7, max_tokens: 40, stream: true };
    let expected = "";
    for await (const text of model.chat(messages, { seed: 7, maxTokens: 40 })) expected += text;
    const textOf = (events: string): string => [...events.matchAll(/^data: (\{.*)$/gm)]
      .map(([, json]) => (JSON.parse(json!) as { choices: { delta: { content?: string } }[] })
        .choices[0]?.delta.content ?? "").join("");
    const ask = async () => (await post(miniflare, "/v1/chat/completions", asked)).text();
    for (const events of await Promise.all([ask(), ask()])) {
      expect(events).toMatch(/data: \[DONE\]\n\n$/);
      expect(textOf(events)).toBe(expected);
    }
    const gone = await post(miniflare, "/v1/chat/completions",
      { ...asked, max_tokens: 900 });
    const reader = gone.body!.getReader();
    expect((await reader.read()).done).toBe(false);
    await reader.cancel();
    expect(textOf(await ask())).toBe(expected);
    // Texts that ended are counted, and the one whose reader has gone is none of them.
    const metrics = await (await miniflare.dispatchFetch("http://worker/metrics")).text();
    const written = Number(/^nibble_completion_tokens_total (\d+)$/m.exec(metrics)?.[1]);
    expect(written).toBeGreaterThan(0);
    expect(written).toBeLessThanOrEqual(3 * 40);
  });
});
