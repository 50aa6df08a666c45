// OpenAI's interface, in process: whole replies and streams, in the order that clients expect, and
// with the texts that the library itself writes; many at once, given up, refused, shut down.
// Does not know: sockets, clients.

import { afterAll, describe, expect, it } from "vitest";
import type { Model } from "../host/library";
import {
  createServer, eventsOf, jsonOf, openModel, post, type LogEntry, type Reply,
} from "./library";

const model = await openModel({ sessions: 4 });
const log: LogEntry[] = [];
const server = createServer(model, { name: "tiny", log: (entry) => log.push(entry) });
afterAll(() => model.dispose());

const get = (path: string): Request => new Request(`http://localhost${path}`);
const ask = (path: string, body: object): Promise<Response> => server.fetch(post(path, body));
const messages = [{ role: "user" as const, content: "Hello" }];
const OPTIONS = { temperature: 1, seed: 3 };
const CHAT = { messages, ...OPTIONS, max_tokens: 12 };

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a whole reply", () => {
  it("of a chat is what the library answers", async () => {
    const response = await ask("/v1/chat/completions", CHAT);
    expect(response.status).toBe(200);
    const expected = await model.completeChat(messages, { ...OPTIONS, maxTokens: 12 });
    const reply = await jsonOf(response);
    expect(reply).toMatchObject({
      object: "chat.completion", model: "tiny",
      choices: [{ index: 0, message: { role: "assistant", content: expected.text },
        finish_reason: expected.finishReason, logprobs: null }],
      usage: { prompt_tokens: expected.promptTokens,
        completion_tokens: expected.completionTokens,
        total_tokens: expected.promptTokens + expected.completionTokens },
    });
    expect(Object.keys(reply).sort()).toEqual(
      ["choices", "created", "id", "model", "object", "system_fingerprint", "usage"]);
  });

  it("of a completion is what the library writes, for every prompt and choice", async () => {
    const prompts = ["Once", [256, 72, 105], "and so"];
    const reply = await jsonOf(await ask("/v1/completions",
      { prompt: prompts, n: 2, ...OPTIONS, max_tokens: 8, top_k: 7, top_p: 0.9, min_p: 0.01,
        frequency_penalty: 0.5, presence_penalty: -0.5, repetition_penalty: 1.2,
        logit_bias: { 65: 3 }, user: "me" }));
    const expected: string[] = [];
    for (const prompt of prompts) {
      for (const seed of [3, 4]) {
        expected.push((await model.complete(prompt, { temperature: 1, seed, maxTokens: 8, topK: 7,
          topP: 0.9, minP: 0.01, frequencyPenalty: 0.5, presencePenalty: -0.5, repeatPenalty: 1.2,
          logitBias: { 65: 3 } })).text);
      }
    }
    expect(reply.choices.map(({ text }) => text)).toEqual(expected);
    expect(reply.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(new Set(expected).size).toBeGreaterThan(3);
  });

  it("is sampled as llama.cpp's fields say", async () => {
    const dry = { dryMultiplier: 1.5, dryBase: 2, dryAllowedLength: 1, dryBreakers: ["e"] };
    for (const [fields, options] of [
      [{ typical_p: 0.3 }, { typicalP: 0.3 }],
      [{ xtc_probability: 1, xtc_threshold: 0.02 }, { xtcProbability: 1, xtcThreshold: 0.02 }],
      [{ mirostat: 2, mirostat_tau: 2, mirostat_eta: 0.4 },
        { mirostat: 2, mirostatTau: 2, mirostatEta: 0.4 }],
      [{ speculation: "lookup" }, { speculation: "lookup" }],
      [{ dynatemp_range: 0.9, dynatemp_exponent: 0.5 },
        { dynamicTemperatureRange: 0.9, dynamicTemperatureExponent: 0.5 }],
      [{ dry_multiplier: 1.5, dry_base: 2, dry_allowed_length: 1, dry_penalty_last_n: 4,
        dry_sequence_breakers: ["e"] }, { ...dry, dryTokens: 4 }],
      [{ dry_multiplier: 1.5, dry_base: 2, dry_allowed_length: 1, dry_penalty_last_n: -1,
        dry_sequence_breakers: ["e"] }, dry],
    ] as const) {
      const prompt = "see the bees, see the bees, see";
      const reply = await jsonOf(await ask("/v1/completions",
        { prompt, ...OPTIONS, max_tokens: 30, ...fields }));
      const { text } = await model.complete(prompt, { ...OPTIONS, maxTokens: 30, ...options });
      expect(reply.choices[0]?.text, JSON.stringify(fields)).toBe(text);
    }
  });

  it("is sampled as the server's owner says where the request does not", async () => {
    const own = createServer(model, { sampling: { temperature: 0, repeatPenalty: 1.5 } });
    const textOf = async (fields: object): Promise<string | undefined> => (
      await jsonOf(await own.fetch(post("/v1/completions", { prompt: "Once", ...fields }))))
      .choices[0]?.text;
    const expected = async (options: object): Promise<string> => (
      (await model.complete("Once", { maxTokens: 16, ...options })).text);
    expect(await textOf({})).toBe(await expected({ temperature: 0, repeatPenalty: 1.5 }));
    expect(await textOf({ temperature: 1, seed: 4 }))
      .toBe(await expected({ temperature: 1, seed: 4, repeatPenalty: 1.5 }));
    expect(await (await own.fetch(get("/props"))).json()).toMatchObject({
      defaults: { temperature: 0, repetition_penalty: 1.5, top_k: 40, mirostat: 0 } });
    expect(() => createServer(model, { sampling: { temperature: -1 } })).toThrow("temperature");
    // A request's mirostat takes the place of the owner's steps; the other way round it is refused.
    const typical = createServer(model, { sampling: { typicalP: 0.5 } });
    const asked = { prompt: "Once", mirostat: 2, seed: 2 };
    const { choices } = await jsonOf(await typical.fetch(post("/v1/completions", asked)));
    expect(choices[0]?.text).toBe(await expected({ mirostat: 2, seed: 2 }));
    const surprising = createServer(model, { sampling: { mirostat: 2 } });
    const refused = await jsonOf(await surprising.fetch(post("/v1/completions",
      { prompt: "Once", typical_p: 0.5 })));
    expect(refused.error).toMatchObject({ param: "typical_p",
      message: expect.stringMatching(/^typical_p has no say beside mirostat 2/) });
  });

  it("repeats prompts that are to be echoed, and has 16 tokens by default", async () => {
    const reply = await jsonOf(await ask("/v1/completions",
      { prompt: ["Once", [256, 72, 105]], echo: true, ...OPTIONS, logit_bias: { 257: -100 } }));
    expect(reply.choices[0]?.text?.startsWith("Once")).toBe(true);
    expect(reply.choices[1]?.text?.startsWith("Hi")).toBe(true);
    expect(reply.usage?.completion_tokens).toBeLessThanOrEqual(32);
  });

  it("takes parts, developers, null, and both names of the limit", async () => {
    const parts = await jsonOf(await ask("/v1/chat/completions", { ...CHAT, stop: null, n: null,
      messages: [{ role: "developer", content: "Be kind." },
        { role: "user", content: [{ type: "text", text: "Hel" }, { type: "text", text: "lo" }] }],
      max_tokens: undefined, max_completion_tokens: 12, response_format: { type: "text" } }));
    const plain = await jsonOf(await ask("/v1/chat/completions", CHAT));
    expect(parts.choices[0]?.message).toEqual(plain.choices[0]?.message);
  });

  it("stops at texts, which it leaves out", async () => {
    const { text } = await model.complete("Once", { ...OPTIONS, maxTokens: 60 });
    for (const stop of [text.slice(5, 8), ["never", text.slice(5, 8)]]) {
      const reply = await jsonOf(await ask("/v1/completions",
        { prompt: "Once", ...OPTIONS, max_tokens: 60, stop }));
      expect(reply.choices[0]).toMatchObject(
        { text: text.slice(0, text.indexOf(text.slice(5, 8))), finish_reason: "stop" });
    }
  });

  it("tells probabilities of its tokens and of others", async () => {
    const chat = await jsonOf(await ask("/v1/chat/completions",
      { ...CHAT, logprobs: true, top_logprobs: 3 }));
    const told = chat.choices[0]?.logprobs?.content ?? [];
    expect(told).toHaveLength(chat.usage?.completion_tokens ?? 0);
    for (const { logprob, top_logprobs: others } of told) {
      expect(others).toHaveLength(3);
      expect(others[0]?.logprob).toBeGreaterThanOrEqual(logprob);
      expect(logprob).toBeLessThan(0);
    }
    const bytes = Buffer.from(told.flatMap((entry) => entry.bytes));
    expect(String(bytes).trimEnd()).toBe(chat.choices[0]?.message?.content);
    const none = await jsonOf(await ask("/v1/chat/completions", { ...CHAT, logprobs: true }));
    expect(none.choices[0]?.logprobs?.content?.[0]?.top_logprobs).toEqual([]);
    const old = await jsonOf(await ask("/v1/completions",
      { prompt: "Once", ...OPTIONS, max_tokens: 5, logprobs: 2 }));
    const { tokens = [], token_logprobs: own = [], text_offset: offsets = [] } = (
      old.choices[0]?.logprobs ?? {});
    expect(own).toHaveLength(tokens.length);
    expect(offsets.slice(0, 2)).toEqual([0, tokens[0]?.length]);
  });
});

describe("a stream", () => {
  const chunksOf = async (path: string, body: object): Promise<(Reply | "[DONE]")[]> => {
    const response = await ask(path, { ...body, stream: true });
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    return (await eventsOf(response)).map((data) => (
      data === "[DONE]" ? data : JSON.parse(data) as Reply));
  };

  it("of a chat has role, pieces, finish, usage and [DONE], in this order", async () => {
    const chunks = await chunksOf("/v1/chat/completions",
      { ...CHAT, stream_options: { include_usage: true } });
    expect(chunks.pop()).toBe("[DONE]");
    const replies = chunks as Reply[];
    const usage = replies.pop();
    expect(usage).toMatchObject({ choices: [], usage: { prompt_tokens: expect.any(Number) } });
    expect(replies.every((reply) => reply.usage === null)).toBe(true);
    expect(replies.every((reply) => reply.object === "chat.completion.chunk")).toBe(true);
    expect(replies[0]?.choices[0]).toMatchObject(
      { delta: { role: "assistant", content: "" }, finish_reason: null });
    expect(replies.at(-1)?.choices[0]).toMatchObject({ delta: {} });
    expect(["stop", "length"]).toContain(replies.at(-1)?.choices[0]?.finish_reason);
    const pieces = replies.slice(1, -1).map(({ choices: [choice] }) => choice?.delta?.content);
    const whole = await jsonOf(await ask("/v1/chat/completions", CHAT));
    expect(pieces.join("")).toBe(whole.choices[0]?.message?.content);
    expect(pieces.every((piece) => piece && !/\p{Surrogate}/u.test(piece))).toBe(true);
    expect(new Set(replies.map((reply) => (reply as Reply & { id: string }).id)).size).toBe(1);
  });

  it("has no usage unasked", async () => {
    const chunks = await chunksOf("/v1/chat/completions", CHAT);
    expect(JSON.stringify(chunks)).not.toContain("usage");
  });

  it("of several choices is each of them, and of completions, too", async () => {
    for (const path of ["/v1/chat/completions", "/v1/completions"]) {
      const body = { ...(path === "/v1/completions" ? { prompt: "Once" } : { messages }),
        ...OPTIONS, max_tokens: 12, n: 3 };
      const texts = ["", "", ""];
      const ends: number[] = [];
      for (const chunk of await chunksOf(path, body)) {
        if (chunk === "[DONE]") continue;
        for (const { index, delta, text, finish_reason: reason } of chunk.choices) {
          texts[index] += delta?.content ?? text ?? "";
          if (reason) ends.push(index);
        }
      }
      const whole = await jsonOf(await ask(path, body));
      expect(texts).toEqual(whole.choices.map(({ message, text }) => message?.content ?? text));
      expect(ends.sort()).toEqual([0, 1, 2]);
    }
  });

  it("tells the probabilities of each token once", async () => {
    const body = { ...CHAT, logprobs: true, top_logprobs: 1 };
    const streamed = (await chunksOf("/v1/chat/completions", body)).flatMap((chunk) => (
      chunk === "[DONE]" ? [] : chunk.choices[0]?.logprobs?.content ?? []));
    const whole = await jsonOf(await ask("/v1/chat/completions", body));
    expect(streamed).toEqual(whole.choices[0]?.logprobs?.content);
  });

  it("that is cancelled frees its place within a step", async () => {
    const long = { prompt: "Once", ...OPTIONS, max_tokens: 100000, logit_bias: { 257: -100,
      256: -100 }, stream: true };
    for (let i = 0; i < 10; i++) {
      const response = await ask("/v1/completions", long);
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      await reader.read();
      expect(model.activity.running).toBe(1);
      await reader.cancel();
      await turn();
      expect(model.activity.running).toBe(0);
    }
    const gone = new AbortController();
    const waiting = server.fetch(post("/v1/completions", { ...long, stream: false },
      { signal: gone.signal }));
    await turn();
    expect(model.activity.running).toBe(1);
    gone.abort();
    expect((await waiting).status).toBe(499);
    expect(model.activity.running).toBe(0);
  });

  it("whose reader vanishes without a word frees its place, too", async () => {
    const idle = createServer(model, { idleSeconds: 0.05 });
    const response = await idle.fetch(post("/v1/completions", { prompt: "Once", ...OPTIONS,
      max_tokens: 100000, logit_bias: { 257: -100, 256: -100 }, stream: true }));
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    expect(model.activity.running).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(model.activity.running).toBe(0);
    await expect(reader.read().then(() => reader.read())).rejects.toThrow("0.05 seconds");
  });

  it("that nobody reads ends at the time limit, and with the server", async () => {
    const text = async (limitSeconds: number, closes: boolean): Promise<string> => {
      const limited = createServer(model, { limitSeconds });
      const response = await limited.fetch(post("/v1/completions", { prompt: "Once", ...OPTIONS,
        max_tokens: 100000, logit_bias: { 257: -100, 256: -100 }, stream: true }));
      expect(model.activity.running).toBe(1);
      if (closes) await limited.close(0.05);
      // It would end later, with another sentence, once its reader has been idle for long.
      while (model.activity.running > 0) await new Promise((resolve) => setTimeout(resolve, 10));
      await limited.close(300);
      return response.text();
    };
    for (const told of [await text(0.5, false), await text(300, true)]) {
      expect(told).toMatch(/"error":\{.*(limit of 0.5 seconds|was shut down)/);
      expect(told.split('"error"')).toHaveLength(2);
      expect(told).not.toContain("[DONE]");
    }
  });

  it("tells of a failure on the way in an event, and ends", async () => {
    const other = await openModel();
    const response = await createServer(other).fetch(post("/v1/completions",
      { prompt: "Once", ...OPTIONS, max_tokens: 400, logit_bias: { 257: -100, 256: -100 },
        stream: true }));
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    other.dispose();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      text += new TextDecoder().decode(value);
    }
    expect(text).toContain('"error":{');
    expect(text).not.toContain("[DONE]");
  });
});

describe("many at once", () => {
  it("get what each would get alone, and reuse what was read", async () => {
    using many: Model = await openModel({ sessions: 15 });
    const crowd = createServer(many);
    const bodies = Array.from({ length: 15 }, (_, i) => ({
      messages: [{ role: "user", content: `Tell me about ${"very ".repeat(i)}${i}` }],
      temperature: 1, seed: i, max_tokens: 20 }));
    const textOf = async (answering: Promise<Response>): Promise<string | undefined> => (
      (await jsonOf(await answering)).choices[0]?.message?.content);
    const together = await Promise.all(bodies.map((body) => (
      textOf(crowd.fetch(post("/v1/chat/completions", body))))));
    for (const [i, body] of bodies.entries()) {
      expect(await textOf(ask("/v1/chat/completions", body))).toBe(together[i]);
    }
    const again = await jsonOf(await crowd.fetch(post("/v1/chat/completions", bodies[14])));
    expect(again.choices[0]?.message?.content).toBe(together[14]);
    expect(again.usage?.prompt_tokens_details.cached_tokens).toBeGreaterThan(50);
  });

  it("wait in a queue, and are told to come again when it is full", async () => {
    using small: Model = await openModel({ sessions: 1, queue: 1 });
    const narrow = createServer(small);
    const body = { prompt: "Once", ...OPTIONS, max_tokens: 30 };
    const answers = await Promise.all([1, 2, 3, 4].map(() => (
      narrow.fetch(post("/v1/completions", body)))));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429, 429]);
    expect(answers[2]?.headers.get("retry-after")).toBe("1");
    expect((await jsonOf(answers[2] as Response)).error).toMatchObject(
      { type: "rate_limit_error", code: "queue_full" });
  });

  it("end at the time limit", async () => {
    using slow: Model = await openModel({ sessions: 1 });
    const busy = createServer(slow, { limitSeconds: 0.1 });
    const first = slow.generate("x", { maxTokens: 5, seed: 1 });
    await first.next(); // a reader that stops reading keeps the only session
    const response = await busy.fetch(post("/v1/completions", { prompt: "Once" }));
    expect(response.status).toBe(504);
    expect((await jsonOf(response)).error?.message).toContain("0.1 seconds");
    await first.return(undefined as never);
    expect((await busy.fetch(post("/v1/completions", { prompt: "Once" }))).status).toBe(200);
  });

  it("may end when the server shuts down, but none may begin", async () => {
    using own: Model = await openModel({ sessions: 2 });
    const closing = createServer(own);
    const running = closing.fetch(post("/v1/completions",
      { prompt: "Once", ...OPTIONS, max_tokens: 40 }));
    await turn();
    const closed = closing.close(5);
    expect((await closing.fetch(post("/v1/completions", { prompt: "x" }))).status).toBe(503);
    expect((await running).status).toBe(200);
    await closed;
    const endless = createServer(own);
    const stopped = endless.fetch(post("/v1/completions", { prompt: "Once", ...OPTIONS,
      max_tokens: 100000, logit_bias: { 257: -100, 256: -100 } }));
    await turn();
    await endless.close(0);
    expect([200, 503]).toContain((await stopped).status);
  });
});

describe("the other ways", () => {
  it("list the model and say what it is", async () => {
    expect((await jsonOf(await server.fetch(get("/v1/models")))).data?.[0]?.id).toBe("tiny");
    expect(await (await server.fetch(get("/health"))).json()).toEqual({ status: "ok" });
    expect(await (await server.fetch(get("/props"))).json()).toMatchObject(
      { model: "tiny", context: 512, sessions: 4, chat_template: expect.any(String) });
  });

  it("count", async () => {
    const text = await (await server.fetch(get("/metrics"))).text();
    expect(text).toMatch(/^nibble_requests_total\{path="\/v1\/completions",status="200"\} \d+$/m);
    expect(text).toMatch(/^# TYPE nibble_texts_running gauge\nnibble_texts_running 0$/m);
    const { promptTokens, completionTokens } = log.find(({ path, status }) => (
      path === "/v1/chat/completions" && status === 200)) as LogEntry;
    expect(promptTokens).toBeGreaterThan(20);
    expect(completionTokens).toBeGreaterThan(0);
  });

  it("turn text into tokens and back", async () => {
    const { tokens } = await jsonOf(await ask("/tokenize", { content: "Hi", add_special: true }));
    expect(tokens).toEqual([256, 72, 105]);
    expect((await jsonOf(await ask("/tokenize", { content: "Hi" }))).tokens).toEqual([72, 105]);
    expect((await jsonOf(await ask("/detokenize", { tokens }))).content).toBe("Hi");
  });

  it("give vectors, as numbers or as bytes", async () => {
    const input = ["one", "two", [72, 105]];
    const plain = await jsonOf(await ask("/v1/embeddings", { input, model: "tiny" }));
    const packed = await jsonOf(await ask("/v1/embeddings", { input, encoding_format: "base64" }));
    expect(plain.data).toHaveLength(3);
    for (const [i, { embedding }] of (plain.data ?? []).entries()) {
      const bytes = Buffer.from(packed.data?.[i]?.embedding as string, "base64");
      const unpacked = new Float32Array(Uint8Array.from(bytes).buffer);
      expect([...unpacked]).toEqual(embedding);
      expect((await model.embed(input[i] as string)).vector).toEqual(unpacked);
    }
    expect(plain.usage).toEqual({ prompt_tokens: 4 + 4 + 2, total_tokens: 10 });
  });
});
