// In workerd: a text that a Durable Object writes some tokens a request, each time in another
// isolate, is what Node writes at once; and OpenAI's interface streams, stops and serves two.
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
    durableObjects: { STORIES: { className: "Story", useSQLite: true } },
    durableObjectsPersist: join(stage.folder, "objects"),
  });
  running.push(miniflare);
  return miniflare;
}

const stop = (): Promise<unknown> => Promise.all(running.splice(0).map((each) => each.dispose()));
const post = (miniflare: Miniflare, path: string, body: object) => (
  miniflare.dispatchFetch(`http://worker${path}`, { method: "POST", body: JSON.stringify(body),
    headers: { "content-type": "application/json" } }));

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
    let text = "";
    for (let slice = 0; slice < 3; slice++) {
      await stop();
      const response = await post(await start(), "/story",
        { prompt, options, tokens: slice < 2 ? 30 : 1000 });
      expect(response.status, response.ok ? "" : await response.text()).toBe(200);
      const answer = await response.json() as { text: string; wasSaved: boolean; bytes: number };
      expect(answer.wasSaved).toBe(slice > 0);
      expect(answer.bytes).toBeGreaterThan(2_000_000);
      expect(answer.text.length).toBeGreaterThan(0);
      text += answer.text;
    }
    expect(text).toBe(expected);
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
