// Sessions that are kept by id: over several requests, each to another server with a model of its
// own, the texts are those of one model that never stopped. Who leaves in the middle, comes twice
// at once, or comes after the model was changed.
// Does not know: where sessions are kept (platforms/durable.test.ts).

import { afterAll, describe, expect, it } from "vitest";
import type { Model } from "../host/library";
import type { SessionStore } from "../../host/server";
import { createServer, eventsOf, file, jsonOf, openModel, post, type Reply } from "./library";
import { CHATML, chatModel, load } from "../host/library";

const model = await openModel({ sessions: 2 });
afterAll(() => model.dispose());

const OPTIONS = { temperature: 1, seed: 3 };
const UNENDING = { logit_bias: { 256: -100, 257: -100 } };
const PATH = "/v1/sessions/one/completions";

/** A store, and servers around it that have nothing else in common. */
function house() {
  const kept = new Map<string, Uint8Array>();
  const store = {
    read: async (id: string) => kept.get(id),
    write: async (id: string, saved: Uint8Array) => void kept.set(id, saved.slice()),
    delete: async (id: string) => kept.delete(id),
  };
  const ask = async (path: string, body: object, bytes = file): Promise<Reply> => {
    using own: Model = await load(bytes, { sessions: 2 });
    return jsonOf(await createServer(own, { sessions: store }).fetch(post(path, body)));
  };
  return { kept, store, ask };
}

/** Reads some of a stream and goes away; returns the events until then. */
async function leave(store: SessionStore, path: string, body: object): Promise<string> {
  using own: Model = await load(file);
  const response = await createServer(own, { sessions: store }).fetch(
    post(path, { ...OPTIONS, ...UNENDING, ...body, stream: true }));
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let events = "";
  while (events.length < 3000) events += (await reader.read()).value;
  await reader.cancel();
  for (let i = 0; i < 100 && own.activity.running > 0; i++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(own.activity.running).toBe(0);
  return events;
}

describe("a text", () => {
  const whole = async (tokens: number, more: object = {}): Promise<string> => (
    await model.complete("Once", { ...OPTIONS, maxTokens: tokens, logitBias: UNENDING.logit_bias,
      ...more })).text;

  it("goes on with the same bits in other instances", async () => {
    const { ask } = house();
    const asked = { ...OPTIONS, ...UNENDING, max_tokens: 30 };
    const replies = [await ask(PATH, { ...asked, prompt: "Once" })];
    for (let i = 0; i < 2; i++) replies.push(await ask(PATH, { ...asked, resume: true }));
    const text = replies.map(({ choices: [choice] }) => choice?.text).join("");
    expect(text.length).toBeGreaterThan(20);
    // What is held back of an unfinished character comes with the next piece, if there is one.
    expect((await whole(90)).startsWith(text)).toBe(true);
    expect((await whole(87)).startsWith(text)).toBe(false);
    for (const { choices: [choice] } of replies) expect(choice?.finish_reason).toBe("length");
    expect(replies.map(({ usage }) => usage?.completion_tokens)).toEqual([30, 30, 30]);
    expect(replies.map(({ usage }) => usage?.prompt_tokens)).toEqual([5, 35, 65]);
    expect(replies.map(({ usage }) => usage?.prompt_tokens_details.cached_tokens))
      .toEqual([0, 35, 65]);
  });

  it("stops where it would have, through the cut", async () => {
    const full = await whole(60);
    const stop = [...full].slice(18, 22).join("");
    const expected = full.slice(0, full.indexOf(stop));
    const { ask } = house();
    let text = "";
    for (let i = 0, reason: string | null | undefined; reason !== "stop" && i < 60; i++) {
      const { choices: [choice] } = await ask(PATH, { ...OPTIONS, ...UNENDING, max_tokens: 7, stop,
        ...(i === 0 ? { prompt: "Once" } : { resume: true }) });
      text += choice?.text;
      reason = choice?.finish_reason;
    }
    expect(text).toBe(expected);
  });

  it("of which the reader has gone goes on from there", async () => {
    const { store, ask } = house();
    const events = await leave(store, PATH, { prompt: "Once", max_tokens: 200 });
    const text = events.split("\n\n").slice(0, -1).map((event) => (
      (JSON.parse(event.slice(6)) as Reply).choices[0]?.text)).join("");
    const { choices: [rest] } = await ask(PATH,
      { ...OPTIONS, ...UNENDING, max_tokens: 30, resume: true });
    const expected = await whole(400);
    // Pieces that were written but not read any more are lost with the reader, and no others.
    const at = expected.indexOf(rest?.text as string, text.length);
    expect(expected.startsWith(text)).toBe(true);
    expect(at - text.length).toBeGreaterThanOrEqual(0);
    expect(at - text.length).toBeLessThan(10);
  });
});

describe("a chat", () => {
  it("is not read again, and answers as it would", async () => {
    const { ask } = house();
    const path = "/v1/sessions/two/chat/completions";
    const messages = [{ role: "user", content: "Tell me about the sea." }];
    for (let turn = 0; turn < 3; turn++) {
      const asked = { messages, ...OPTIONS, max_tokens: 20 };
      const { choices: [choice], usage } = await ask(path, asked);
      const plain = await jsonOf(await createServer(model).fetch(
        post("/v1/chat/completions", asked)));
      expect(choice?.message).toEqual(plain.choices[0]?.message);
      expect(choice?.finish_reason).toBe(plain.choices[0]?.finish_reason);
      const { cached_tokens: cached } = usage!.prompt_tokens_details;
      if (turn === 0) expect(cached).toBe(0);
      else expect(cached).toBeGreaterThan(40);
      messages.push({ role: "assistant", content: choice?.message?.content ?? "" },
        { role: "user", content: `And ${turn}?` });
    }
  });

  it("keeps the white space that its shape asks for", async () => {
    const { ask } = house();
    const { choices: [choice] } = await ask("/v1/sessions/two/chat/completions", { ...OPTIONS,
      messages: [{ role: "user", content: "Hi" }], guided_regex: "yes\n" });
    expect(choice?.message?.content).toBe("yes\n");
  });

  it("that was left goes on, and ends where an answer does", async () => {
    const { store, kept, ask } = house();
    const path = "/v1/sessions/two/chat/completions";
    const messages = [{ role: "user", content: "Hi" }];
    await leave(store, path, { messages, logit_bias: { ...UNENDING.logit_bias, 258: -100 } });
    const left = kept.get("two")!;
    // 258 ends an answer, since it is a token of the template, but no other text.
    const asked = { ...OPTIONS, resume: true, max_tokens: 200, logit_bias: { 258: 100 } };
    const answer = await ask(path, { ...asked, messages });
    expect(answer.choices[0]?.finish_reason).toBe("stop");
    expect(answer.usage?.completion_tokens).toBe(0);
    expect(answer.usage?.prompt_tokens).toBeGreaterThan(30);
    expect((await ask(path, { ...asked, messages })).error?.code).toBe("nothing_to_resume");
    // It knows that itself, without the messages.
    kept.set("two", left);
    const rest = await ask("/v1/sessions/two/completions", { ...asked, max_tokens: 5 });
    expect(rest.choices[0]).toMatchObject({ text: "", finish_reason: "stop" });
    await leave(store, PATH, { prompt: "Once", max_tokens: 400,
      logit_bias: { ...UNENDING.logit_bias, 258: -100 } });
    const text = await ask(PATH, { ...asked, max_tokens: 5 });
    expect(text.choices[0]?.finish_reason).toBe("length");
  });

  it("streams in the usual order, and is kept before its end is told", async () => {
    const { kept, store } = house();
    const body = { messages: [{ role: "user", content: "Hi" }], ...OPTIONS, max_tokens: 12 };
    const server = createServer(model, { sessions: {
      ...store, write: async () => { throw new Error("no room"); } } });
    const failed = await eventsOf(await server.fetch(
      post("/v1/sessions/x/chat/completions", { ...body, stream: true })));
    expect(failed.at(-1)).toContain('"error"');
    const events = await eventsOf(await createServer(model, { sessions: store }).fetch(
      post("/v1/sessions/x/chat/completions", { ...body, stream: true })));
    expect(events.at(-1)).toBe("[DONE]");
    expect(kept.size).toBe(1);
  });

  it("with another model begins anew", async () => {
    const { kept, ask } = house();
    const other = chatModel(CHATML, ["<|im_start|>", "<|im_end|>"], { seed: 5 });
    const body = { messages: [{ role: "user", content: "Hi" }], ...OPTIONS, max_tokens: 12 };
    const path = "/v1/sessions/one/chat/completions";
    await ask(path, body);
    using own: Model = await load(other);
    const expected = await own.completeChat(body.messages as never, { ...OPTIONS, maxTokens: 12 });
    const reply = await ask(path, body, other);
    expect(reply.choices[0]?.message?.content).toBe(expected.text);
    expect(reply.usage?.prompt_tokens_details.cached_tokens).toBe(0);
    kept.get("one")!.fill(0, 0, 9);
    expect((await ask(path, body, other)).choices[0]?.message?.content).toBe(expected.text);
  });
});

describe("a request that is refused", () => {
  const { store } = house();
  const log: string[] = [];
  const server = createServer(model, { sessions: store, log: ({ path }) => void log.push(path) });
  const ask = (path: string, body: object): Promise<Response> => server.fetch(post(path, body));

  it.each([
    [{ prompt: "x", n: 2 }, "n"], [{ prompt: ["a", "b"] }, "prompt"], [{}, "prompt"],
    [{ prompt: "x", resume: true }, "prompt"], [{ prompt: "x", resume: "yes" }, "resume"],
    [{ resume: true }, "resume"], [{ prompt: "x", max_tokens: 0 }, "max_tokens"],
  ])("%j", async (body, param) => {
    const response = await ask(PATH, body);
    expect(response.status).toBe(400);
    expect((await jsonOf(response)).error).toMatchObject({ param });
  });

  it("leaves an unfinished text as it was", async () => {
    const { ask } = house();
    const asked = { ...OPTIONS, ...UNENDING, max_tokens: 30 };
    const begun = await ask(PATH, { ...asked, prompt: "Once" });
    const other = chatModel(CHATML, ["<|im_start|>", "<|im_end|>"], { seed: 5 });
    const replies = [
      await ask(PATH, { prompt: "x", guided_regex: "(" }),
      await ask(PATH, { prompt: "x", guided_json: { type: "nonsense" } }),
      await ask(PATH, { prompt: "x".repeat(600) }),
      await ask(PATH, { resume: true, guided_regex: "(" }),
      await ask(PATH, { resume: true }, other),
    ];
    expect(replies.map(({ error }) => error?.code)).toEqual(["bad_regex", "bad_schema",
      "context_length_exceeded", "bad_regex", "nothing_to_resume"]);
    const { choices: [rest] } = await ask(PATH, { ...asked, resume: true });
    const { text } = await model.complete("Once", { ...OPTIONS, maxTokens: 90,
      logitBias: UNENDING.logit_bias });
    expect(text.startsWith(`${begun.choices[0]?.text}${rest?.text}`)).toBe(true);
    expect(rest?.text).not.toBe("");
  });

  it("to an id that is none, or to sessions where none are kept", async () => {
    for (const id of ["a.b", "a%2Fb", "x".repeat(129), "%00", "\u00fc"]) {
      const response = await ask(`/v1/sessions/${id}/completions`, { prompt: "x" });
      expect([400, 404], id).toContain(response.status);
      expect(log.at(-1)).toBe("other");
    }
    const none = await createServer(model).fetch(post(PATH, { prompt: "x" }));
    expect(none.status).toBe(404);
  });

  it("while another one writes in the same session", async () => {
    const [first, second, other] = await Promise.all([
      ask(PATH, { prompt: "Once", ...OPTIONS }), ask(PATH, { prompt: "Once", ...OPTIONS }),
      ask("/v1/sessions/other/completions", { prompt: "Once", ...OPTIONS })]);
    expect([first.status, second.status, other.status]).toEqual([200, 409, 200]);
    expect((await ask(PATH, { prompt: "Once", ...OPTIONS })).status).toBe(200);
    expect(log.at(-1)).toBe("/v1/sessions/:id/completions");
  });

  it("with another form than the text began with, or none", async () => {
    const regex = { ...OPTIONS, guided_regex: "[ab]{40}", max_tokens: 5 };
    expect((await ask(PATH, { prompt: "Once", ...regex })).status).toBe(200);
    for (const form of [{ guided_regex: "c{40}" }, { guided_regex: undefined }]) {
      const response = await ask(PATH, { resume: true, ...regex, ...form });
      expect(response.status).toBe(400);
      expect((await jsonOf(response)).error?.param).toBe("resume");
    }
    const { choices: [rest] } = await jsonOf(await ask(PATH, { resume: true, ...regex }));
    expect(rest?.text).toMatch(/^[ab]{5}$/);
  });

  it("after it was forgotten", async () => {
    await ask(PATH, { prompt: "Once", ...OPTIONS, ...UNENDING });
    const forget = async () => (await server.fetch(new Request("http://localhost/v1/sessions/one",
      { method: "DELETE" }))).json();
    expect(await forget()).toEqual({ object: "session.deleted", id: "one", deleted: true });
    expect(await forget()).toEqual({ object: "session.deleted", id: "one", deleted: false });
    expect((await ask(PATH, { resume: true })).status).toBe(400);
  });
});
