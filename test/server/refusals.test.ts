// What is refused, and how: the status, the sentence, and the parameter by its name, in the shape
// that OpenAI's clients read. And who may ask at all: keys, origins, types, sizes.
// Does not know: sockets.

import { afterAll, describe, expect, it } from "vitest";
import { wordModel, load } from "../host/library";
import { createServer, jsonOf, openModel, post, type LogEntry } from "./library";

const model = await openModel();
const log: LogEntry[] = [];
const server = createServer(model, { log: (entry) => log.push(entry) });
afterAll(() => model.dispose());

const messages = [{ role: "user", content: "Hi" }];

describe("a parameter that is refused by name", () => {
  const COMPLETIONS = "/v1/completions";
  const CHAT = "/v1/chat/completions";
  const ofCompletions: [object, string][] = [
    [{ prompt: undefined }, "prompt"], [{ prompt: 5 }, "prompt"], [{ prompt: [] }, "prompt"],
    [{ prompt: [1, "a"] }, "prompt"], [{ prompt: Array(65).fill("a") }, "prompt"],
    [{ prompt: [1, 0.5] }, "prompt"], [{ prompt: [[1], []] }, "prompt"],
    [{ max_tokens: -1 }, "max_tokens"], [{ max_tokens: 1.5 }, "max_tokens"],
    [{ max_tokens: "5" }, "max_tokens"], [{ temperature: 2.1 }, "temperature"],
    [{ temperature: -0.1 }, "temperature"], [{ temperature: "hot" }, "temperature"],
    [{ top_p: 1.1 }, "top_p"], [{ top_k: -1 }, "top_k"], [{ min_p: 2 }, "min_p"],
    [{ frequency_penalty: 3 }, "frequency_penalty"], [{ presence_penalty: -3 }, "presence_penalty"],
    [{ typical_p: 0 }, "typical_p"], [{ xtc_probability: 2 }, "xtc_probability"],
    [{ xtc_threshold: -1 }, "xtc_threshold"], [{ mirostat: 1 }, "mirostat"],
    [{ mirostat: 2, typical_p: 0.5 }, "typical_p"], [{ speculation: "draft" }, "speculation"],
    [{ mirostat: 2, xtc_probability: 0.5 }, "xtc_probability"], [{ speculation: 1 }, "speculation"],
    [{ mirostat: 2, dynatemp_range: 1 }, "dynatemp_range"],
    [{ mirostat_tau: 0 }, "mirostat_tau"], [{ mirostat_eta: 2 }, "mirostat_eta"],
    [{ dynatemp_range: -1 }, "dynatemp_range"], [{ dynatemp_exponent: 11 }, "dynatemp_exponent"],
    [{ dry_multiplier: -1 }, "dry_multiplier"], [{ dry_base: 0 }, "dry_base"],
    [{ dry_allowed_length: 1.5 }, "dry_allowed_length"],
    [{ dry_penalty_last_n: -2 }, "dry_penalty_last_n"],
    [{ dry_sequence_breakers: ":" }, "dry_sequence_breakers"],
    [{ dry_sequence_breakers: [""] }, "dry_sequence_breakers"],
    [{ repetition_penalty: 0 }, "repetition_penalty"], [{ seed: -1 }, "seed"],
    [{ seed: 2 ** 60 }, "seed"], [{ n: 0 }, "n"], [{ n: 17 }, "n"], [{ stream: "yes" }, "stream"],
    [{ stop: "" }, "stop"], [{ stop: ["a", "b", "c", "d", "e"] }, "stop"], [{ stop: [1] }, "stop"],
    [{ logit_bias: { 5: 101 } }, "logit_bias"], [{ logit_bias: { x: 1 } }, "logit_bias"],
    [{ logit_bias: [1] }, "logit_bias"], [{ logprobs: 6 }, "logprobs"],
    [{ echo: true, logprobs: 1 }, "echo"], [{ suffix: "end" }, "suffix"],
    [{ best_of: 2 }, "best_of"],
    [{ temprature: 1 }, "temprature"], [{ messages }, "messages"],
    [{ stream_options: { include_usage: true } }, "stream_options"],
    [{ stream: true, stream_options: { include: 1 } }, "stream_options.include"],
    [{ stream: true, stream_options: [] }, "stream_options"],
    [{ model: "gpt-4" }, "model"], [{ prompt: "x".repeat(600) }, "prompt"],
    [{ prompt: [100000] }, "prompt"],
  ];
  const ofChats: [object, string][] = [
    [{ messages: undefined }, "messages"], [{ messages: "Hi" }, "messages"],
    [{ messages: [] }, "messages"], [{ messages: [5] }, "messages[0]"],
    [{ messages: [{ role: "tool", content: "x" }] }, "messages[0].role"],
    [{ messages: [...messages, { role: "user" }] }, "messages"],
    [{ messages: [{ role: "user", content: [{ type: "image_url" }] }] }, "messages"],
    [{ messages: [{ role: "user", content: "x".repeat(600) }] }, "messages"],
    [{ top_logprobs: 2 }, "top_logprobs"], [{ logprobs: 3 }, "logprobs"],
    [{ logprobs: true, top_logprobs: 21 }, "top_logprobs"],
    [{ tools: [{ type: "function" }] }, "tools"], [{ tool_choice: "required" }, "tool_choice"],
    [{ max_completion_tokens: -1 }, "max_completion_tokens"], [{ prompt: "x" }, "prompt"],
  ];
  const cases = [
    ...ofCompletions.map(([body, param]) => (
      [COMPLETIONS, { prompt: "x", ...body }, param] as const)),
    ...ofChats.map(([body, param]) => [CHAT, { messages, ...body }, param] as const),
    ["/v1/embeddings", {}, "input"], ["/v1/embeddings", { input: [] }, "input"],
    ["/v1/embeddings", { input: "x".repeat(600) }, "input"],
    ["/v1/embeddings", { input: "a", dimensions: 5 }, "dimensions"],
    ["/v1/embeddings", { input: "a", encoding_format: "int8" }, "encoding_format"],
    ["/tokenize", {}, "content"], ["/detokenize", { tokens: ["a"] }, "tokens"],
  ] as const;

  it.each(cases)("%s %j", async (path, body, param) => {
    for (const stream of path.startsWith("/v1/c") && !("stream" in body)
      && !("stream_options" in body) ? [false, true] : [undefined]) {
      const response = await server.fetch(post(path, { ...body, ...(stream ? { stream } : {}) }));
      expect(response.status).toBe(param === "model" ? 404 : 400);
      const { error } = await jsonOf(response);
      expect(error).toMatchObject({ type: "invalid_request_error", param });
      expect(error?.message).toMatch(/^[^\n]+[.!]$/);
    }
    expect(model.activity.running).toBe(0);
  });

  it("of the model itself: one without a template", async () => {
    using plain = await load(wordModel());
    const response = await createServer(plain).fetch(post("/v1/chat/completions", { messages }));
    expect(response.status).toBe(400);
    expect((await jsonOf(response)).error).toMatchObject(
      { param: "messages", code: "no_chat_template" });
  });
});

describe("a body that is refused", () => {
  it.each([["nothing", ""], ["no JSON", "{"], ["a list", "[]"], ["a number", "5"],
    ["null", "null"], ["deep nesting", "[".repeat(100000)]])("%s", async (_, body) => {
    const response = await server.fetch(post("/v1/completions", body));
    expect(response.status).toBe(400);
    expect((await jsonOf(response)).error?.type).toBe("invalid_request_error");
  });

  it("of another type, as pages can send to anybody", async () => {
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "",
      "application/jsonp"]) {
      const response = await server.fetch(post("/v1/completions", { prompt: "x" },
        { headers: { "content-type": type } }));
      expect(response.status).toBe(415);
    }
  });

  it("that is too large, whether it says so or not", async () => {
    const small = createServer(model, { bodyBytesMax: 1000 });
    const large = JSON.stringify({ prompt: "x".repeat(2000) });
    expect((await small.fetch(post("/v1/completions", large))).status).toBe(413);
    const silent = new ReadableStream<Uint8Array>({ pull(controller) {
      controller.enqueue(new Uint8Array(500).fill(32));
    } });
    const response = await small.fetch(new Request("http://localhost/v1/completions", {
      method: "POST", body: silent, headers: { "content-type": "application/json" },
      duplex: "half" } as RequestInit));
    expect(response.status).toBe(413);
    expect((await jsonOf(response)).error?.message).toContain("1000 bytes");
  });

  it("with a name twice in one object, of which one would be passed over", async () => {
    for (const body of ['{"prompt":"x","seed":1,"se\\u0065d":2}',
      '{"prompt":"x","json_schema":{"properties":{},"seed":[],"seed":1}}']) {
      const response = await server.fetch(post("/v1/completions", body));
      expect(response.status).toBe(400);
      expect((await jsonOf(response)).error?.message).toContain('"seed" twice');
    }
  });

  it("with a prototype in it changes nothing", async () => {
    const body = '{"prompt":"x","max_tokens":1,"__proto__":{"n":5},"constructor":1}';
    expect((await server.fetch(post("/v1/completions", body))).status).toBe(400);
    expect(({} as { n?: number }).n).toBeUndefined();
  });
});

describe("a path that is refused", () => {
  it.each(["/v1", "/v1/models/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd",
    "/v1/completions/", "/V1/COMPLETIONS", "/v1/models%00", "/v1/%c0%ae", "/index.html",
    "/v1/models?x=/../../etc", "/nibble.wasm", "/.env"])("%s", async (path) => {
    const response = await server.fetch(new Request(`http://localhost${path}`));
    expect(response.status).toBe(path.includes("?") ? 200 : 404);
    expect(log.at(-1)?.path).toBe(path.includes("?") ? "/v1/models" : "other");
  });

  it("by another method", async () => {
    expect((await server.fetch(new Request("http://localhost/v1/completions"))).status).toBe(404);
    expect((await server.fetch(new Request("http://localhost/v1/models",
      { method: "DELETE" }))).status).toBe(404);
  });
});

describe("a key", () => {
  const locked = createServer(model, { apiKey: "s3cret key" });
  const body = { prompt: "x", max_tokens: 1 };
  const withKey = (authorization?: string): Promise<Response> => locked.fetch(post(
    "/v1/completions", body, authorization === undefined ? {} : { headers: { authorization } }));

  it("is needed, and the right one", async () => {
    for (const wrong of [undefined, "", "Bearer", "Bearer ", "Basic s3cret key", "Bearer s3cret",
      "Bearer s3cret keyy", "Bearer S3CRET KEY", "s3cret key"]) {
      const response = await withKey(wrong);
      expect(response.status, wrong).toBe(401);
      expect(response.headers.get("www-authenticate")).toBe("Bearer");
      const { error } = await jsonOf(response);
      expect(error).toMatchObject({ code: "invalid_api_key", type: "authentication_error" });
      expect(error?.message).not.toContain("s3cret");
    }
    expect((await withKey("Bearer s3cret key")).status).toBe(200);
    expect((await withKey("bearer  s3cret key")).status).toBe(200);
  });

  it("is needed everywhere but for the page and health", async () => {
    for (const [path, status] of [["/", 200], ["/health", 200], ["/v1/models", 401],
      ["/metrics", 401], ["/props", 401], ["/nowhere", 401]] as const) {
      expect((await locked.fetch(new Request(`http://localhost${path}`))).status).toBe(status);
    }
  });
});

describe("a page of another origin", () => {
  const preflight = (origin: string): Request => new Request("http://localhost/v1/completions", {
    method: "OPTIONS", headers: { origin, "access-control-request-method": "POST",
      "access-control-request-headers": "content-type,authorization" } });
  const ask = (origin: string, key = ""): Request => post("/v1/completions",
    { prompt: "x", max_tokens: 1 }, { headers: { origin, authorization: `Bearer ${key}` } });

  it("is let in when it is named, with errors that it can read", async () => {
    const open = createServer(model, { cors: ["https://a.example"], apiKey: "k" });
    const yes = await open.fetch(preflight("https://a.example"));
    expect(yes.status).toBe(204);
    expect(yes.headers.get("access-control-allow-origin")).toBe("https://a.example");
    expect(yes.headers.get("access-control-allow-headers")).toContain("authorization");
    for (const [key, status] of [["k", 200], ["x", 401]] as const) {
      const response = await open.fetch(ask("https://a.example", key));
      expect(response.status).toBe(status);
      expect(response.headers.get("access-control-allow-origin")).toBe("https://a.example");
    }
    const no = await open.fetch(preflight("https://b.example"));
    expect(no.headers.get("access-control-allow-origin")).toBeNull();
    const all = createServer(model, { cors: ["*"] });
    expect((await all.fetch(ask("https://b.example"))).headers.get("access-control-allow-origin"))
      .toBe("*");
  });

  it("gets no leave without --cors", async () => {
    expect((await server.fetch(preflight("https://a.example"))).headers
      .get("access-control-allow-origin")).toBeNull();
    expect((await server.fetch(ask("https://a.example"))).headers
      .get("access-control-allow-origin")).toBeNull();
  });
});
