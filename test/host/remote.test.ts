// A model at the other end of a message port: the same texts, callbacks, errors and aborts as
// beside it.
// Does not know: how workers are started.

import { afterEach, expect, it } from "vitest";
import { NibbleError } from "../../host/errors";
import { answer, loadRemote, type Port, type RemoteModel } from "../../host/remote";
import type { StandardSchema } from "../../host/schema";
import { CHATML, byteModel, chatModel, load } from "./library";

const file = byteModel();
const options = { seed: 7, maxTokens: 30, temperature: 1 };
const ports: MessagePort[] = [];
afterEach(() => ports.splice(0).forEach((port) => port.close()));

/** A port whose other end answers. */
function open(): Port {
  const { port1, port2 } = new MessageChannel();
  for (const port of [port1, port2]) {
    port.start();
    ports.push(port);
  }
  answer(port2 as unknown as Port, load as Parameters<typeof answer>[1]);
  return port1 as unknown as Port;
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(() => "nothing went wrong", (error: unknown) =>
    error instanceof NibbleError ? error.code : String(error));

it("writes what the model beside it writes", async () => {
  using beside = await load(file);
  const loaded: number[] = [];
  const remote = await loadRemote(open(), file, {
    context: 64, onProgress: ({ loadedBytes }) => loaded.push(loadedBytes),
  });
  expect(loaded.at(-1)).toBe(file.length);
  expect(remote.info.context).toBe(64);
  expect(await remote.complete("Once", options)).toEqual(await beside.complete("Once", options));
  const pieces: string[] = [];
  for await (const piece of remote.generate("Once", options)) pieces.push(piece);
  expect(pieces.join("")).toBe((await beside.complete("Once", options)).text);
  expect(await remote.tokenize("Once")).toEqual(beside.tokenize("Once"));
  expect(await remote.tokenize("Once", { special: false })).toEqual([..."Once"].map((letter) =>
    letter.charCodeAt(0)));
  expect(await remote.detokenize([79, 110])).toBe("On");
  expect((await remote.score("Once upon")).bits).toBe((await beside.score("Once upon")).bits);
});

it("chats as the model beside it chats", async () => {
  const talker = chatModel(CHATML, ["<|im_start|>", "<|im_end|>"]);
  using beside = await load(talker);
  const remote = await loadRemote(open(), talker);
  const messages = [{ role: "user", content: "Hello" } as const];
  const { text, ...result } = await remote.completeChat(messages, options);
  expect({ text, ...result }).toEqual(await beside.completeChat(messages, options));
  let pieces = "";
  for await (const piece of remote.chat(messages, options)) pieces += piece;
  expect(pieces).toBe(text);
  expect(await codeOf(remote.completeChat([], options))).toBe("BAD_MESSAGES");
});

it("leaves nothing behind on a signal that many calls share", async () => {
  const stop = new AbortController();
  let listening = 0;
  const { addEventListener, removeEventListener } = stop.signal;
  Object.assign(stop.signal, {
    addEventListener(...given: Parameters<typeof addEventListener>) {
      listening++;
      addEventListener.apply(stop.signal, given);
    },
    removeEventListener(...given: Parameters<typeof removeEventListener>) {
      listening--;
      removeEventListener.apply(stop.signal, given);
    },
  });
  const remote = await loadRemote(open(), file, { signal: stop.signal });
  for (let i = 0; i < 5; i++) await remote.complete("Once", { ...options, signal: stop.signal });
  expect(await codeOf(remote.complete("a", { temperature: -1, signal: stop.signal })))
    .toBe("BAD_OPTION");
  expect(listening).toBe(0);
  const running = remote.complete("Once", { maxTokens: 1e6, signal: stop.signal });
  expect(listening).toBe(1);
  const broken = codeOf(running);
  await remote.dispose();
  expect(await broken).toBe("MODEL_DISPOSED");
  expect(listening).toBe(0);
});

it("tells of every token", async () => {
  const remote = await loadRemote(open(), new Blob([Buffer.from(file)]));
  const told: number[] = [];
  const { text } = await remote.complete("Once", {
    ...options, likeliest: 3, onToken: ({ token, likeliest }) => {
      expect(likeliest).toHaveLength(3);
      told.push(token);
    },
  });
  expect(await remote.detokenize(told)).toBe(text);
});

it("passes errors on with their codes", async () => {
  expect(await codeOf(loadRemote(open(), new Uint8Array(9)))).toBe("NOT_GGUF");
  expect(await codeOf(loadRemote(open(), "nowhere.gguf"))).toBe("FILE_NOT_FOUND");
  expect(await codeOf(loadRemote(open(), new ReadableStream() as never))).toBe("BAD_SOURCE");
  expect(await codeOf(loadRemote(open(), file, { context: 0 }))).toBe("BAD_OPTION");
  const remote = await loadRemote(open(), file);
  expect(await codeOf(remote.complete("a", { temperature: -1 }))).toBe("BAD_OPTION");
  expect(await codeOf(remote.complete("a", { temprature: 1 } as object))).toBe("BAD_OPTION");
  expect(await codeOf(remote.detokenize([1e6]))).toBe("BAD_TOKEN");
  expect((await remote.complete("Once", options)).completionTokens).toBeGreaterThan(0);
});

it("stops when its signal aborts, or its reader stops reading", async () => {
  const remote = await loadRemote(open(), file);
  const stop = new AbortController();
  const long = { ...options, maxTokens: 100000, signal: stop.signal };
  const reason = new Error("enough");
  const reading = (async () => {
    for await (const piece of remote.generate("Once", long)) if (piece) stop.abort(reason);
  })();
  await expect(reading).rejects.toBe(reason);
  for await (const piece of remote.generate("Once", { seed: 3 })) {
    if (piece) break;
  }
  // One session: this could not begin if one of those above were still being written.
  expect((await remote.complete("Once", options)).completionTokens).toBeGreaterThan(0);
  await expect(remote.complete("a", { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

it("is gone when it is disposed of, or when the other end is", async () => {
  const remote = await loadRemote(open(), file);
  await remote.dispose();
  expect(await codeOf(remote.complete("a"))).toBe("MODEL_DISPOSED");
  let fail = (_: NibbleError): void => undefined;
  let isEnded = false;
  const broken: RemoteModel = await loadRemote(open(), file, {}, {
    onFailure: (given) => { fail = given; },
    end: () => { isEnded = true; },
  });
  expect(isEnded).toBe(false);
  const running = codeOf(broken.complete("Once", { maxTokens: 1e6 }));
  fail(new NibbleError("WORKER_FAILED", "The worker has ended."));
  expect(await running).toBe("WORKER_FAILED");
  expect(await codeOf(broken.tokenize("a"))).toBe("WORKER_FAILED");
});

it("writes texts of a shape, of which a library's schema stays at this end", async () => {
  using beside = await load(file);
  const remote = await loadRemote(open(), file);
  const choices = ["yes", "no"] as const;
  expect(await remote.complete("Once", { choices, ...options })).toEqual(
    await beside.complete("Once", { choices, ...options }));
  const schema = { type: "integer", minimum: 10, maximum: 99 } as const;
  const doubled: StandardSchema<number, number> = { "~standard": {
    version: 1, vendor: "nobody", jsonSchema: { input: () => schema },
    validate: (value) => ({ value: value as number * 2 }),
  } };
  const plain = await beside.complete("Once", { schema, ...options });
  const { text, value } = await remote.complete("Once", { schema: doubled, ...options });
  expect(text).toBe(plain.text);
  expect(value).toBe(Number(text) * 2);
  expect((await remote.extract("Once", doubled, options)).value).toBe(
    Number((await beside.extract("Once", schema, options)).text) * 2);
  expect(await remote.classify("Once", ["a", "b"])).toEqual(await beside.classify("Once",
    ["a", "b"]));
  expect(await codeOf(remote.complete("Once", { regex: "(" }))).toBe("BAD_REGEX");
  const mute = { "~standard": { vendor: "nobody" } } as unknown as StandardSchema;
  expect(await codeOf(remote.complete("Once", { schema: mute }))).toBe("BAD_SCHEMA");
});
