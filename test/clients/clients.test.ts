// The real clients of OpenAI's interface against nibble serve: the openai package, Vercel's AI SDK,
// LangChain and curl; whole answers, streams, aborts, vectors and failures.
// Does not know: what the server does inside.

import { execFileSync } from "node:child_process";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { embed, generateText, streamText } from "ai";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { KEY, serve, type Served } from "./served";
import type * as Provider from "../../host/ai";

// By address, so that types come from the source and the code from dist/.
const provider = new URL("../../dist/ai.js", import.meta.url).href;
const { embeddingModel, languageModel } = await import(provider) as typeof Provider;

let served: Served;
let baseURL: Served["baseURL"];
let model: Served["model"];
beforeAll(async () => {
  served = await serve();
  ({ baseURL, model } = served);
});
afterAll(() => served.close());

const messages = [{ role: "user" as const, content: "Hello there" }];
const SETTINGS = { temperature: 1, seed: 5 };
/** It never ends by itself. */
const ENDLESS = { max_tokens: 3000, logit_bias: { 256: -100, 257: -100, 258: -100, 259: -100 } };

const expected = async (): Promise<string> => (
  await model.completeChat(messages, { ...SETTINGS, maxTokens: 20 })).text;

async function running(): Promise<number> {
  const text = await (await fetch(`${baseURL.replace("/v1", "")}/metrics`,
    { headers: { authorization: `Bearer ${KEY}` } })).text();
  return Number(/^nibble_texts_running (\d+)$/m.exec(text)?.[1]);
}

/** After an abort, at once. */
async function expectIdle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(await running()).toBe(0);
}

describe("the openai package", () => {
  const open = (apiKey = KEY): OpenAI => new OpenAI({ baseURL, apiKey, maxRetries: 0 });
  const body = { model: "tiny", messages, ...SETTINGS, max_tokens: 20 };

  it("lists models, chats and completes", async () => {
    expect((await open().models.list()).data.map(({ id }) => id)).toEqual(["tiny"]);
    const chat = await open().chat.completions.create(body);
    expect(chat.choices[0]?.message.content).toBe(await expected());
    expect(chat.usage?.total_tokens).toBe(
      (chat.usage?.prompt_tokens ?? 0) + (chat.usage?.completion_tokens ?? 0));
    const completion = await open().completions.create(
      { model: "tiny", prompt: "Once", ...SETTINGS, max_tokens: 9 });
    expect(completion.choices[0]?.text).toBe(
      (await model.complete("Once", { ...SETTINGS, maxTokens: 9 })).text);
  });

  it("streams the same", async () => {
    let text = "";
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of await open().chat.completions.create(
      { ...body, stream: true, stream_options: { include_usage: true } })) {
      text += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.usage;
    }
    expect(text).toBe(await expected());
    expect(usage?.completion_tokens).toBeGreaterThan(0);
    const gathered = open().chat.completions.stream({ ...body, n: 2, logprobs: true });
    const whole = await gathered.finalChatCompletion();
    expect(whole.choices[0]?.message.content).toBe(await expected());
    expect(whole.choices[0]?.logprobs?.content?.length).toBeGreaterThan(0);
  });

  it("stops when it aborts", async () => {
    const stream = await open().chat.completions.create({ ...body, ...ENDLESS, stream: true });
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
    await expectIdle();
    const stop = new AbortController();
    const whole = open().chat.completions.create({ ...body, ...ENDLESS }, { signal: stop.signal });
    setTimeout(() => stop.abort(), 50);
    await expect(whole).rejects.toThrow(/abort/i);
    await expectIdle();
  });

  it("gets vectors", async () => {
    const { data } = await open().embeddings.create({ model: "tiny", input: ["one", "two"] });
    const vectors = [(await model.embed("one")).vector, (await model.embed("two")).vector];
    expect(data.map(({ embedding }) => Float32Array.from(embedding))).toEqual(vectors);
  });

  it("throws its own errors", async () => {
    await expect(open("wrong").models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
    await expect(open().chat.completions.create({ ...body, model: "gpt-4" }))
      .rejects.toBeInstanceOf(OpenAI.NotFoundError);
    await expect(open().chat.completions.create({ ...body, temperature: 3 }))
      .rejects.toMatchObject({ status: 400, param: "temperature", code: "invalid_value" });
    await expect(open().chat.completions.create({ ...body, stream: true, messages: [] }))
      .rejects.toMatchObject({ status: 400, param: "messages" });
  });
});

describe("Vercel's AI SDK", () => {
  const open = () => createOpenAICompatible({ name: "nibble", baseURL, apiKey: KEY,
    includeUsage: true });
  const settings = () => ({ model: open()("tiny"), prompt: "Hello there", ...SETTINGS,
    maxOutputTokens: 20, maxRetries: 0 });

  it("generates", async () => {
    const { text, usage, finishReason } = await generateText(settings());
    expect(text).toBe(await expected());
    expect(usage.inputTokens).toBeGreaterThan(10);
    expect(["stop", "length"]).toContain(finishReason);
  });

  it("streams, and stops", async () => {
    const result = streamText(settings());
    let text = "";
    for await (const piece of result.textStream) text += piece;
    expect(text).toBe(await expected());
    expect((await result.usage).outputTokens).toBeGreaterThan(0);
    const stop = new AbortController();
    const endless = streamText({ ...settings(), maxOutputTokens: 3000, abortSignal: stop.signal,
      seed: 1 });
    for await (const piece of endless.textStream) if (piece) stop.abort();
    await expectIdle();
  });

  it("embeds", async () => {
    const { embedding } = await embed({ model: open().textEmbeddingModel("tiny"), value: "one" });
    expect(Float32Array.from(embedding)).toEqual((await model.embed("one")).vector);
  });

  it("says why it was refused", async () => {
    await expect(generateText({ ...settings(), temperature: 9 })).rejects.toThrow(/temperature/);
  });
});

describe("the AI SDK in process", () => {
  const settings = () => ({ model: languageModel(model), prompt: "Hello there", ...SETTINGS,
    maxOutputTokens: 20, maxRetries: 0 });

  it("generates and streams", async () => {
    const { text, usage, finishReason } = await generateText({ ...settings(),
      system: undefined, messages: undefined });
    expect(text).toBe(await expected());
    expect(usage.inputTokens).toBeGreaterThan(10);
    const result = streamText(settings());
    let streamed = "";
    for await (const piece of result.textStream) streamed += piece;
    expect(streamed).toBe(text);
    expect(await result.finishReason).toBe(finishReason);
    expect((await result.usage).outputTokens).toBe(usage.outputTokens);
  });

  it("takes several messages", async () => {
    const talk = [
      { role: "user" as const, content: "Hi" }, { role: "assistant" as const, content: "Yes?" },
      { role: "user" as const, content: [{ type: "text" as const, text: "So" }] },
    ];
    const { text } = await generateText({ model: languageModel(model), system: "Rhyme.",
      messages: talk, ...SETTINGS, maxOutputTokens: 9 });
    expect(text).toBe((await model.completeChat([{ role: "system", content: "Rhyme." }, ...talk],
      { ...SETTINGS, maxTokens: 9 })).text);
  });

  it("stops, embeds, and says why it refuses", async () => {
    const stop = new AbortController();
    const endless = streamText({ ...settings(), maxOutputTokens: 3000, abortSignal: stop.signal });
    for await (const piece of endless.textStream) if (piece) stop.abort();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(model.activity.running).toBe(0);
    const { embedding } = await embed({ model: embeddingModel(model), value: "one" });
    expect(Float32Array.from(embedding)).toEqual((await model.embed("one")).vector);
    await expect(generateText({ ...settings(), temperature: 90 })).rejects.toThrow(/temperature/);
  });
});

describe("LangChain", () => {
  const open = () => new ChatOpenAI({ model: "tiny", apiKey: KEY, temperature: 1, maxTokens: 20,
    maxRetries: 0, configuration: { baseURL }, modelKwargs: { seed: 5 } });

  it("invokes and streams", async () => {
    expect((await open().invoke("Hello there")).content).toBe(await expected());
    let text = "";
    for await (const chunk of await open().stream("Hello there")) text += String(chunk.content);
    expect(text).toBe(await expected());
  });

  it("embeds", async () => {
    const embeddings = new OpenAIEmbeddings({ model: "tiny", apiKey: KEY, maxRetries: 0,
      configuration: { baseURL } });
    expect(Float32Array.from(await embeddings.embedQuery("one")))
      .toEqual((await model.embed("one")).vector);
  });
});

describe("curl", () => {
  it("streams line by line", async () => {
    const text = execFileSync("curl", ["-sN", `${baseURL}/chat/completions`, "-H",
      `authorization: Bearer ${KEY}`, "-H", "content-type: application/json", "-d",
      JSON.stringify({ messages, ...SETTINGS, max_tokens: 20, stream: true })],
    { encoding: "utf8" });
    const events = text.split("\n\n").filter(Boolean);
    expect(events.pop()).toBe("data: [DONE]");
    const pieces = events.map((event) => (JSON.parse(event.slice(6)) as {
      choices: { delta: { content?: string } }[] }).choices[0]?.delta.content ?? "");
    expect(pieces.join("")).toBe(await expected());
  });
});
