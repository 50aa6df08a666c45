// The class that users hold: texts made of whole characters, the options, the queue of texts for
// few sessions, stopping, and the end of a model. Random models write random bytes, the hardest
// case for characters.
// Does not know: whether a text is the right one (test/model), only that it is always the same.

import { afterAll, describe, expect, it } from "vitest";
import type { GenerateOptions, LoadOptions } from "../../host/options";
import { byteModel, codeOf, failureOf, load, wordModel, type Model } from "./library";

const bytesFile = byteModel();
const wordsFile = wordModel();
const byteWriter = await load(bytesFile);
const wordWriter = await load(wordsFile);
const writers: [string, Model][] = [["bytes", byteWriter], ["words", wordWriter]];
afterAll(() => writers.forEach(([, model]) => model.dispose()));

const PROMPTS = ["", "Once upon a time", "\n\n  two  spaces\t", "\u{feff}marked", "\0zero",
  "na\u00efve \u{1f642}\u{1f469}\u200d\u{1f680} \u4f60\u597d"];

/** All pieces of a text, and how it ended. */
async function collect(model: Model, prompt: string, options: GenerateOptions = {}) {
  const pieces: string[] = [];
  const writing = model.generate(prompt, options);
  for (;;) {
    const { done, value } = await writing.next();
    if (done) return { pieces, text: pieces.join(""), result: value };
    pieces.push(value);
  }
}

/** The same text, token by token through a session, as ids. */
async function tokensOf(model: Model, prompt: string, count: number): Promise<number[]> {
  using session = model.session();
  await session.feed(prompt);
  const tokens: number[] = [];
  while (tokens.length < count) {
    const token = session.sample({ temperature: 0 });
    tokens.push(token);
    await session.feed([token]);
  }
  return tokens;
}

describe.each(writers)("generate, with a model that writes %s", (_, model) => {
  it.each(PROMPTS)("gives whole characters that are all of the text: %j", async (prompt) => {
    for (let seed = 0; seed < 5; seed++) {
      const options = { seed, maxTokens: 40, temperature: 2, topK: 0, topP: 1, minP: 0 };
      const { pieces, text, result } = await collect(model, prompt, options);
      expect(pieces.every((piece) => piece !== "" && !/\p{Surrogate}/u.test(piece))).toBe(true);
      const completion = await model.complete(prompt, options);
      expect({ ...completion, reusedTokens: result.reusedTokens }).toEqual({ text, ...result });
      expect(result.promptTokens).toBe(model.tokenize(prompt).length);
      expect(result.seed).toBe(seed);
    }
  });

  it("gives what its tokens say when they are decoded at once", async () => {
    for (const prompt of ["a", "some words", "\u{1f642}"]) {
      const tokens = await tokensOf(model, prompt, 60);
      // After a prompt nothing is the beginning of the text, so that no space is lost.
      const whole = model.detokenize([...model.tokenize("a"), ...tokens]).slice(1);
      const { text, result } = await collect(model, prompt, { temperature: 0, maxTokens: 60 });
      expect(whole.startsWith(text)).toBe(true);
      if (result.finishReason === "length") expect(text).toBe(whole);
    }
  });

  it("takes a text back and forth", () => {
    const texts = [...PROMPTS, " leading", "trailing ", "  ", "word ".repeat(1600),
      "\u{1f642}".repeat(2000), "<s></s><|end|>"];
    // A word vocabulary whose pieces go across spaces, as this one's, takes 8,192 bytes at most;
    // and U+2581 is its own space.
    if (model === byteWriter) texts.push("long ".repeat(50_000), "\u2581");
    for (const text of texts) {
      for (const special of [true, false]) {
        expect(model.detokenize(model.tokenize(text, { special })) === text,
          JSON.stringify(text.slice(0, 20))).toBe(true);
      }
    }
  });

  it("adds the token that begins a text only when asked", () => {
    const plain = model.tokenize("hello", { special: false });
    const special = model.tokenize("hello");
    expect(special.slice(1)).toEqual(plain);
    expect(model.tokenize("", { special: false })).toEqual([]);
    expect(model.tokenize("")).toEqual(special.slice(0, 1));
    expect(model.detokenize([])).toBe("");
    expect(model.detokenize(special.slice(0, 1))).toBe("");
  });

  it("writes the same for the same seed, and another text for another", async () => {
    const write = async (seed: number) => (await model.complete("x", { seed, maxTokens: 30 })).text;
    const texts = [];
    for (const seed of [0, 1, 2, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER]) {
      texts.push(await write(seed));
      expect(await write(seed)).toBe(texts.at(-1));
    }
    expect(new Set(texts).size).toBe(texts.length);
  });

  it("tells the seed it took when none was given", async () => {
    const first = await model.complete("x", { maxTokens: 20 });
    const { text } = await model.complete("x", { maxTokens: 20, seed: first.seed });
    expect(text).toBe(first.text);
  });
});

describe("the end of a text", () => {
  it("is maxTokens, also when that is 0", async () => {
    for (const maxTokens of [0, 1, 7]) {
      const { result } = await collect(wordWriter, "one", { maxTokens, seed: 3 });
      expect(result).toMatchObject({ finishReason: "length", completionTokens: maxTokens });
    }
    expect((await wordWriter.complete("one", { maxTokens: 0 })).text).toBe("");
  });

  it("is the end of the context", async () => {
    using model = await load(bytesFile, { context: 24 });
    const { result } = await collect(model, "1234567", { seed: 5 });
    // One BOS, 7 bytes, and a last token that needs no room because nothing follows it.
    expect(result).toMatchObject({
      finishReason: "length", promptTokens: 8, completionTokens: 24 - 8 + 1,
    });
    const { result: brim } = await collect(model, "x".repeat(23), { seed: 5 });
    expect(brim).toMatchObject({ finishReason: "length", completionTokens: 1 });
    expect(await codeOf(model.complete("x".repeat(24)))).toBe("PROMPT_TOO_LONG");
    expect((await failureOf(model.complete("x".repeat(24)))).message).toMatch(/25 .*24/);
  });

  it("is the model's own end token", async () => {
    const hot = { temperature: 10, topK: 0, topP: 1, minP: 0, maxTokens: 200 };
    let stops = 0;
    for (let seed = 0; seed < 30; seed++) {
      const { finishReason, completionTokens } = await byteWriter.complete("x", { ...hot, seed });
      if (finishReason !== "stop") continue;
      stops++;
      expect(completionTokens).toBeLessThan(200);
    }
    expect(stops).toBeGreaterThan(3); // one token in 258 ends the text
  });

  it("is a stop sequence, which is left out, wherever the tokens end", async () => {
    const options = { seed: 21, maxTokens: 50, temperature: 1.5 };
    const { text } = await wordWriter.complete("one", options);
    for (let length = 1; length <= 5; length++) {
      const stop = text.slice(10, 10 + length);
      const { pieces, text: cut, result } = await collect(wordWriter, "one", { ...options, stop });
      expect(cut).toBe(text.slice(0, text.indexOf(stop)));
      expect(result.finishReason).toBe("stop");
      expect(pieces.every((piece) => piece !== "")).toBe(true);
      const two = await wordWriter.complete("one", { ...options, stop: ["\u{1f642}never", stop] });
      expect(two.text).toBe(cut);
    }
    const later = `${text.slice(-2)}\u{1f642}`;
    const absent = await wordWriter.complete("one", { ...options, stop: later });
    expect(absent.text).toBe(text);
  });
});

describe("options", () => {
  const wrong: [GenerateOptions, string][] = [
    [{ maxTokens: -1 }, "maxTokens"], [{ maxTokens: 1.5 }, "maxTokens"],
    [{ temperature: -0.1 }, "temperature"], [{ temperature: NaN }, "temperature"],
    [{ temperature: 11 }, "temperature"], [{ topK: -1 }, "topK"], [{ topK: 0.5 }, "topK"],
    [{ topP: 0 }, "topP is 0; it must be a number above 0, to 1."], [{ topP: 1.1 }, "topP"],
    [{ minP: -1 }, "minP"], [{ minP: 2 }, "minP"],
    [{ repeatPenalty: 0 }, "repeatPenalty"], [{ repeatTokens: -1 }, "repeatTokens"],
    [{ seed: -1 }, "seed"], [{ seed: 2 ** 53 }, "seed"],
    [{ seed: "7" as unknown as number }, "seed"],
    [{ stop: "" }, "stop"], [{ stop: [""] }, "stop"], [{ stop: "x".repeat(257) }, "stop"],
    [{ stop: Array.from({ length: 17 }, () => "x") }, "stop"],
    [{ stop: 5 as unknown as string }, "stop"],
    [{ maxTokns: 5 } as GenerateOptions, "maxTokns"],
    [{ max_tokens: 5 } as GenerateOptions, "max_tokens"],
  ];
  it.each(wrong)("of generate are checked: %j", async (options, name) => {
    const failure = await failureOf(wordWriter.complete("x", options));
    expect([failure.code, failure.message]).toEqual(["BAD_OPTION", expect.stringContaining(name)]);
    using session = wordWriter.session();
    expect(await codeOf(session.generate("x", options).next())).toBe("BAD_OPTION");
    expect(() => session.sample(options)).toThrow(name);
    expect(session.position).toBe(0);
  });

  const wrongToLoad: [object, string][] = [
    [{ context: 0 }, "context"], [{ context: 1.5 }, "context"], [{ sessions: 0 }, "sessions"],
    [{ sessions: 33 }, "sessions"], [{ weights: "q5_0" }, "weights"],
    [{ weights: "toString" }, "weights"], [{ cache: "f16" }, "cache"],
    [{ memoryLimit: "lots" }, "memoryLimit"], [{ memoryLimit: -1 }, "memoryLimit"],
    [{ memoryLimit: "128MiB" }, "memoryLimit"], [{ memoryLimit: [5] }, "memoryLimit"],
    [{ contxt: 5 }, "contxt"], [{ seed: 5 }, "seed"],
  ];
  it.each(wrongToLoad)("of load are checked: %j", async (options, name) => {
    const failure = await failureOf(load(bytesFile, options as LoadOptions));
    expect([failure.code, failure.message]).toEqual(["BAD_OPTION", expect.stringContaining(name)]);
  });

  it("that are undefined take their defaults", async () => {
    const none = { maxTokens: undefined, temperature: undefined, stop: undefined, seed: 4 };
    const { text } = await wordWriter.complete("x", none);
    expect(text).toBe((await wordWriter.complete("x", { seed: 4 })).text);
  });

  it("of memory are kept: a limit refuses before anything is loaded", async () => {
    const needed = wordWriter.info.memory.total;
    using model = await load(wordsFile, { memoryLimit: needed });
    expect(model.info.memory.total).toBe(needed);
    expect(await codeOf(load(wordsFile, { memoryLimit: needed - 65536 }))).toBe("MEMORY_LIMIT");
    expect(await codeOf(load(wordsFile, { memoryLimit: "0.1 MB" }))).toBe("MEMORY_LIMIT");
  });

  it("of the context are the model's at most", async () => {
    expect(await codeOf(load(wordsFile, { context: 257 }))).toBe("CONTEXT_TOO_LARGE");
  });
});

describe("an abort", () => {
  const reason = new Error("enough");

  it("ends a text within one token, and the session is free again", async () => {
    const controller = new AbortController();
    let pieces = 0;
    const writing = (async () => {
      for await (const text of byteWriter.generate("x", {
        seed: 2, temperature: 0.1, signal: controller.signal,
      })) {
        if (text) pieces++;
        if (pieces === 5) controller.abort(reason);
      }
    })();
    await expect(writing).rejects.toBe(reason);
    expect(pieces).toBe(5);
    expect((await byteWriter.complete("x", { maxTokens: 1 })).completionTokens).toBe(1);
  });

  it("comes through a timer: the event loop turns between tokens", async () => {
    using model = await load(byteModel({ width: 256, feedForward: 512, layers: 4, context: 2048 }));
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const started = performance.now();
    const signal = AbortSignal.timeout(60);
    const writing = model.complete("x", { maxTokens: 2000, temperature: 0, signal });
    await expect(writing).rejects.toMatchObject({ name: "TimeoutError" });
    clearInterval(timer);
    expect(performance.now() - started).toBeLessThan(2000);
    expect(turns).toBeGreaterThan(0); // every 8 ms or so, and a busy machine may skip some
  });

  it("comes between the slices of a long prompt, which is taken back whole", async () => {
    using model = await load(byteModel({ width: 256, feedForward: 512, layers: 4, context: 2048 }));
    using session = model.session();
    await session.feed("abc");
    await expect(session.feed("y".repeat(2000), AbortSignal.timeout(5)))
      .rejects.toMatchObject({ name: "TimeoutError" });
    expect(session.position).toBe(4);
  });

  it("that came before leaves everything as it is", async () => {
    const signal = AbortSignal.abort(reason);
    await expect(byteWriter.complete("x", { signal })).rejects.toBe(reason);
    await expect(byteWriter.score("some text", { signal })).rejects.toBe(reason);
    expect((await byteWriter.complete("x", { maxTokens: 3, seed: 1 })).completionTokens).toBe(3);
  });
});

describe("disposal", () => {
  it("makes every later call reject, and a text that is being written too", async () => {
    const model = await load(bytesFile, { sessions: 2 });
    const session = model.session();
    await session.feed("abc");
    const writing = model.generate("x", { temperature: 0.1, seed: 2 });
    expect((await writing.next()).done).toBe(false);
    const running = model.complete("x", { temperature: 0.1, seed: 2 });
    model.dispose();
    model.dispose();
    for (const promise of [writing.next(), running, model.complete("x"), model.score("text"),
      session.feed("x"), session.generate("x").next(), session.hashLogits([1])]) {
      expect(await codeOf(promise)).toBe("MODEL_DISPOSED");
    }
    for (const call of [() => model.info, () => model.session(), () => model.tokenize("x"),
      () => model.detokenize([1]), () => session.position, () => session.rewind(0),
      () => session.sample(), () => session.logits()]) {
      expect(call).toThrow("disposed");
    }
    session.close();
  });
});

it("tokens outside the vocabulary are refused: BAD_TOKEN", () => {
  expect(() => byteWriter.detokenize([65, 258])).toThrow("258");
  expect(() => byteWriter.detokenize([-1])).toThrow("-1");
});

it("a free session is waited for, by texts and by sessions", async () => {
  using model = await load(byteModel(), { sessions: 1 });
  const text = model.generate("Once", { seed: 1, maxTokens: 4, temperature: 0 });
  await text.next();
  const stop = new AbortController();
  const given = model.freeSession({ signal: stop.signal });
  const coming = model.freeSession();
  stop.abort("enough");
  expect(await given.catch((error: unknown) => error)).toBe("enough");
  await text.return(undefined as never);
  const session = await coming;
  expect(session.position).toBe(0);
  const waiting = model.complete("Once", { seed: 1, maxTokens: 4 });
  await session.feed("x");
  expect(model.activity).toMatchObject({ running: 1, waiting: 1 });
  session.close();
  expect((await waiting).completionTokens).toBeGreaterThan(0);
});
