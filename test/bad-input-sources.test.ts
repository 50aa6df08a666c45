// Sources that fail, options that are out of range, prompts that do not fit: each a NibbleError
// with its code, and what was opened is closed again.
// Does not know: bad files, which are bad-input.test.ts.

import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GenerateOptions, LoadOptions, Model, SourceInput } from "../host/index";
import { goodByte, withKey, withoutKey } from "./bad-input/craft";
import { expectSentence, failureOf, load, runCommand, withinLimit } from "./bad-input/library";
import { streamOf } from "./bad-input/streams";

async function refused(
  work: Promise<unknown>, code: string, says: RegExp, isSentence = true,
): Promise<void> {
  const error = await failureOf(work);
  expect(error).toMatchObject({ code, message: expect.stringMatching(says) as string });
  if (isSentence) expectSentence(error.message);
}

/** What the test server answers at each path. */
const answers: Record<string, (response: ServerResponse) => void> = {
  "/good.gguf": (response) => response.end(goodByte),
  "/html.gguf": (response) => response.end("<html><body>Sign in</body></html>"),
  "/404.gguf": (response) => response.writeHead(404).end("not found"),
  "/500.gguf": (response) => response.writeHead(500).end(),
  "/204.gguf": (response) => response.writeHead(204).end(),
  // A failure whose page never ends must not keep a process alive.
  "/endless404.gguf": (response) => response.writeHead(404).write("not found"),
  "/empty.gguf": (response) => response.end(),
  "/broken.gguf": (response) => {
    response.writeHead(200, { "content-length": goodByte.length });
    response.write(goodByte.slice(0, 20_000), () => setTimeout(() => response.destroy(), 20));
  },
  "/chunked.gguf": (response) => {
    response.write(goodByte.slice(0, 20_000), () => setTimeout(() => response.destroy(), 20));
  },
  "/short.gguf": (response) => {
    response.write(goodByte.slice(0, 20_000), () => response.end());
  },
  "/loop.gguf": (response) => response.writeHead(302, { location: "/loop.gguf" }).end(),
};

let server: Server;
let origin = "";
beforeAll(async () => {
  server = createServer((request, response) => answers[request.url ?? ""]?.(response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const overHttp: [path: string, code: string, says: RegExp][] = [
  ["/404.gguf", "HTTP_STATUS", /404.gguf answered 404 Not Found; check the address/],
  ["/500.gguf", "HTTP_STATUS", /answered 500/],
  ["/endless404.gguf", "HTTP_STATUS", /answered 404/],
  ["/html.gguf", "HTML_NOT_GGUF", /html.gguf: This is a web page/],
  ["/empty.gguf", "EMPTY_SOURCE", /empty.gguf: The source is empty/],
  ["/204.gguf", "EMPTY_SOURCE", /empty/],
  ["/broken.gguf", "FETCH_FAILED", /broken.gguf broke off while it was read/],
  ["/chunked.gguf", "FETCH_FAILED", /chunked.gguf broke off/],
  ["/short.gguf", "TRUNCATED_HEADER|TENSOR_BEYOND_END", /short.gguf: /],
  ["/loop.gguf", "FETCH_FAILED", /could not be fetched: redirect/],
];

describe("over HTTP", () => {
  it.each(overHttp)("%s: %s, through library and command line", async (path, codes, says) => {
    const error = await failureOf(load(origin + path));
    expect(codes.split("|")).toContain(error.code);
    expect(error.message).toMatch(says);
    expectSentence(error.message);
    const { code, stdout, stderr } = await runCommand(["run", origin + path, "Once"]);
    expect({ code, stdout, stderr }).toEqual({
      code: 1, stdout: "", stderr: `nibble: ${error.message} [${error.code}]\n`,
    });
  });

  it("addresses that lead nowhere", async () => {
    await refused(load("http://127.0.0.1:9/a.gguf"), "FETCH_FAILED", /could not be fetched/);
    await refused(load("http://"), "FETCH_FAILED", /could not be fetched/);
    await refused(load("https://[::::]/a.gguf"), "FETCH_FAILED", /could not be fetched/);
    await refused(load(new URL("nowhere:/a.gguf")), "FETCH_FAILED", /could not be fetched/);
    await refused(load(new URL("file:///absent/a.gguf")), "FILE_NOT_FOUND", /does not exist/);
    await refused(load(new URL("file:///%E0%A4%A")), "BAD_SOURCE", /%/);
  });

  it("a good address works after all that", async () => {
    const model = await withinLimit(load(`${origin}/good.gguf`));
    expect(model.info.vocabulary).toBe(258);
  });
});

describe("sources", () => {
  it("can be read once", async () => {
    const response = new Response(new Blob([new Uint8Array(goodByte)]));
    await load(response);
    await refused(load(response), "SOURCE_USED", /has been read already/);
    const stream = streamOf(goodByte, 5000);
    const both = await Promise.allSettled([load(stream), load(stream)]);
    expect(both.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    await refused(load(stream), "SOURCE_USED", /is being read by something else/);
    const locked = streamOf(goodByte, 5000);
    const reader = locked.getReader();
    await refused(load(locked), "SOURCE_USED", /stream is being read by something else/);
    await refused(load(new Response("a teapot", { status: 418 })), "HTTP_STATUS", /418/);
    await reader.cancel();
  });

  it("break off with a sentence, and are closed", async () => {
    const cause = new Error("the cable\nwas pulled.");
    await refused(load(streamOf(goodByte.slice(0, 30_000), 999, cause)), "FETCH_FAILED",
      /stream broke off while it was read: the cable was pulled\.$/);
    let cancelled = false;
    const bad = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new TextEncoder().encode("<html>")),
      cancel: () => { cancelled = true; },
    });
    await refused(load(bad), "HTML_NOT_GGUF", /web page/);
    expect(cancelled).toBe(true);
  });

  it("lie about their size", async () => {
    for (const length of ["1", "100", "1e9", "-5", "many"]) {
      const response = new Response(streamOf(goodByte, 5000), {
        headers: { "content-length": length },
      });
      const outcome = await withinLimit(load(response).then(() => "loaded", ({ code }) => code));
      expect(["loaded", "TENSOR_BEYOND_END"]).toContain(outcome);
    }
    const packed = new Response(streamOf(goodByte, 5000), {
      headers: { "content-length": "300", "content-encoding": "gzip" },
    });
    await load(packed);
  });

  it("stop a load when the signal says so", async () => {
    const never = new ReadableStream<Uint8Array>({ pull: () => new Promise(() => undefined) });
    const abort = new AbortController();
    const reason = new Error("enough");
    setTimeout(() => abort.abort(reason), 20);
    await expect(withinLimit(load(never, { signal: abort.signal }))).rejects.toBe(reason);
    await expect(load(goodByte, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it.each([
    [null], [7], [{}], [[]], [true], [Symbol("model")], [() => goodByte],
    [new Float32Array(4)], [new DataView(new ArrayBuffer(8))], [""],
  ])("%s is none", async (input) => {
    await refused(load(input as unknown as SourceInput), "BAD_SOURCE", /./);
  });

  it("give bytes and nothing else", async () => {
    const words = new ReadableStream<unknown>({ start: (c) => c.enqueue("GGUF") });
    await refused(load(words as ReadableStream<Uint8Array>), "BAD_SOURCE", /bytes/);
    const gone = new ArrayBuffer(8);
    structuredClone(gone, { transfer: [gone] });
    await refused(load(gone), "EMPTY_SOURCE", /empty/);
    await refused(load(new Blob([])), "EMPTY_SOURCE", /blob: The source is empty/);
    await refused(load("a\0b.gguf"), "FILE_UNREADABLE", /^a\?b.gguf cannot be read/);
    await refused(load("a\nb.gguf"), "FILE_NOT_FOUND", /^a\?b.gguf does not exist/);
  });
});

const loadOptions: [unknown, RegExp][] = [
  [{ context: 0 }, /context is 0/], [{ context: -1 }, /context is -1/],
  [{ context: 1.5 }, /context is 1.5; it must be a whole number/],
  [{ context: 2 ** 20 + 1 }, /context is 1048577; it must be a number from 1 to 1048576/],
  [{ context: NaN }, /context/], [{ context: "64" }, /context is "64"/],
  [{ context: null }, /context is null/], [{ context: 64n }, /context/],
  [{ sessions: 0 }, /sessions is 0/], [{ sessions: 33 }, /sessions is 33.*from 1 to 32/],
  [{ weights: "q2_k" }, /weights is "q2_k"; it must be q4_0, q8_0 or f32/],
  [{ weights: "constructor" }, /weights/], [{ weights: 4 }, /weights is 4/],
  [{ cache: "f16" }, /cache is "f16"; it must be int8 or f32/], [{ cache: 8 }, /cache is 8/],
  [{ memoryLimit: 0 }, /memoryLimit is 0/], [{ memoryLimit: -1 }, /memoryLimit is -1/],
  [{ memoryLimit: "" }, /memoryLimit is ""; write it like 128MB/],
  [{ memoryLimit: "12 TB" }, /memoryLimit is "12 TB"/], [{ memoryLimit: "5GB" }, /from 1 to/],
  [{ memoryLimit: "0.1B" }, /memoryLimit/], [{ memoryLimit: true }, /memoryLimit is true/],
  [{ memoryLimit: {} }, /memoryLimit is an object/],
  [{ onProgress: 1 }, /onProgress is 1; it must be a function/],
  [{ signal: {} }, /signal is an object; it must be an AbortSignal/],
  [{ contexts: 1 }, /no option "contexts"; there are context, /],
  [null, /options are null/], ["q4_0", /options are "q4_0"/],
];

const generateOptions: [unknown, RegExp][] = [
  [{ maxTokens: -1 }, /maxTokens is -1/], [{ maxTokens: 1.5 }, /maxTokens is 1.5/],
  [{ maxTokens: "9" }, /maxTokens is "9"/], [{ maxTokens: Infinity }, /maxTokens is Infinity/],
  [{ temperature: -0.1 }, /temperature is -0.1; it must be a number from 0 to 10/],
  [{ temperature: 10.1 }, /temperature/], [{ temperature: NaN }, /temperature/],
  [{ topK: -1 }, /topK is -1/], [{ topK: 0.5 }, /topK is 0.5/],
  [{ topP: 0 }, /topP is 0/], [{ topP: 1.01 }, /topP is 1.01/], [{ topP: NaN }, /topP/],
  [{ minP: -0.01 }, /minP is -0.01/], [{ minP: 1.01 }, /minP is 1.01/],
  [{ repeatPenalty: 0 }, /repeatPenalty is 0/], [{ repeatPenalty: 10.5 }, /repeatPenalty/],
  [{ repeatTokens: -1 }, /repeatTokens is -1/],
  [{ seed: -1 }, /seed is -1/], [{ seed: 2 ** 53 }, /seed is 9007199254740992/],
  [{ seed: 0.5 }, /seed is 0.5/],
  [{ stop: "" }, /stop takes texts of 1 to 256 characters/], [{ stop: [""] }, /stop/],
  [{ stop: ["x".repeat(257)] }, /stop/], [{ stop: Array(17).fill("x") }, /at most 16/],
  [{ stop: 7 }, /stop/], [{ stop: [7] }, /stop/],
  [{ signal: 1 }, /signal is 1/], [{ max_tokens: 3 }, /no option "max_tokens"; there are/],
  [null, /options are null/], [3, /options are 3/],
];

describe("options", () => {
  // What JavaScript calls NaN is named by that word.
  it.each(loadOptions)("load: %o", (options, says) => (
    refused(load(goodByte, options as LoadOptions), "BAD_OPTION", says, false)));

  it("generate", async () => {
    const model = await load(goodByte);
    for (const [options, says] of generateOptions) {
      await refused(model.complete("a", options as GenerateOptions), "BAD_OPTION", says, false);
    }
    expect((await model.complete("a", { maxTokens: 3, seed: 1 })).completionTokens)
      .toBeLessThanOrEqual(3);
  });
});

describe("prompts and sessions", () => {
  const open = (bytes = goodByte, options: LoadOptions = {}): Promise<Model> => (
    load(bytes, options));

  it("a prompt longer than the context is refused whole", async () => {
    const model = await open(goodByte, { context: 16 });
    await refused(model.complete("x".repeat(16)), "PROMPT_TOO_LONG",
      /17 tokens, but only 16 of the context's 16/);
    await refused(model.complete("x".repeat(1_000_000)), "PROMPT_TOO_LONG", /1000001 tokens/);
    const session = model.session();
    await session.feed("x".repeat(10));
    await refused(session.feed("x".repeat(6)), "PROMPT_TOO_LONG", /6 tokens, but only 5/);
    expect(session.position).toBe(11);
    expect(await session.feed("x".repeat(5))).toBe(5);
  });

  it("an empty prompt needs a BOS", async () => {
    const bos = "tokenizer.ggml.bos_token_id";
    await (await open()).complete("", { maxTokens: 1 });
    for (const file of [withoutKey(goodByte, bos), withKey(goodByte, bos, "uint32", 2 ** 32 - 1)]) {
      await refused((await open(file)).complete(""), "EMPTY_PROMPT", /prompt is empty/);
    }
  });

  it("tokens, positions and sessions that do not exist", async () => {
    const model = await open();
    const session = model.session();
    for (const token of [-1, 258, 2 ** 31]) {
      await refused(session.feed([1, token]), "BAD_TOKEN", /outside the vocabulary of 258/);
      expect(() => model.detokenize([token])).toThrow(/outside the vocabulary/);
    }
    expect(session.position).toBe(0);
    expect(() => session.rewind(1)).toThrow(/Cannot rewind to position 1/);
    expect(() => session.sample()).toThrow(/has no logits/);
    expect(() => model.session()).toThrow(/All 1 sessions are in use/);
    session.close();
    await refused(session.feed("a"), "SESSION_CLOSED", /closed/);
    model.dispose();
    await refused(model.complete("a"), "MODEL_DISPOSED", /disposed/);
    expect(() => model.info).toThrow(/disposed/);
  });
});
