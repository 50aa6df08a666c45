// Conversations: text in, text out, taken back and gone on; several at once, and texts that wait
// for one. What one session does must never show in another.
// Does not know: how the engine keeps its caches.

import { afterAll, describe, expect, it } from "vitest";
import {
  byteModel, codeOf, failureOf, load, wordModel, type Model, type Session,
} from "./library";

const file = byteModel();
const model = await load(file, { sessions: 4 });
const single = await load(file);
const words = await load(wordModel());
afterAll(() => [model, single, words].forEach((each) => each.dispose()));

const GREEDY = { temperature: 0 };

/** All the text of one generate, and how it ended. */
async function write(session: Session, prompt: string, options: object = GREEDY) {
  const writing = session.generate(prompt, options);
  for (let text = ""; ;) {
    const { done, value } = await writing.next();
    if (done) return { text, ...value };
    text += value;
  }
}

/** A prompt after which this model goes on for a while. */
async function longPrompt(writer: Model, count: number): Promise<string> {
  for (let i = 0; i < 50; i++) {
    const prompt = `prompt ${i}`;
    const { finishReason } = await writer.complete(prompt, { ...GREEDY, maxTokens: count });
    if (finishReason === "length") return prompt;
  }
  throw new Error("this model always stops");
}

const prompt = await longPrompt(model, 100);
const wordPrompt = await longPrompt(words, 100);

describe("a conversation", () => {
  it("written in two goes is the one written in a single go", async () => {
    using whole = words.session();
    const all = await write(whole, wordPrompt, { ...GREEDY, maxTokens: 30 });
    whole.close();
    using parts = words.session();
    const first = await write(parts, wordPrompt, { ...GREEDY, maxTokens: 12 });
    const second = await write(parts, "", { ...GREEDY, maxTokens: 18 });
    expect(second.promptTokens).toBe(0);
    if (!/\ufffd/.test(first.text + second.text + all.text)) {
      expect(first.text + second.text).toBe(all.text);
    }
    // The last token of each is still to be read.
    expect(parts.position).toBe(words.tokenize(wordPrompt).length + 29);
  });

  it("reads the token it showed last before the next prompt", async () => {
    using session = model.session();
    const first = await write(session, prompt, { ...GREEDY, maxTokens: 5 });
    expect(session.position).toBe(first.promptTokens + 4);
    const second = await write(session, "and", { ...GREEDY, maxTokens: 5 });
    expect(second.promptTokens).toBe(3); // no second BOS
    expect(session.position).toBe(first.promptTokens + 5 + 3 + 4);
    using again = model.session();
    const tokens = model.tokenize(prompt);
    await again.feed(tokens);
    for (let i = 0; i < 5; i++) {
      const token = again.sample(GREEDY);
      await again.feed([token]);
    }
    await again.feed(model.tokenize("and", { special: false }));
    expect((await write(again, "", { ...GREEDY, maxTokens: 5 })).text).toBe(second.text);
  });

  it("goes on the same after a rewind", async () => {
    using session = model.session();
    await session.feed(prompt);
    const { position } = session;
    const first = await write(session, "!", { ...GREEDY, maxTokens: 20 });
    session.rewind(position);
    expect(session.position).toBe(position);
    const other = await write(session, "?", { ...GREEDY, maxTokens: 20 });
    session.rewind(position);
    expect(await write(session, "!", { ...GREEDY, maxTokens: 20 })).toMatchObject(
      { text: first.text, promptTokens: 1 });
    session.rewind(0);
    expect((await write(session, `${prompt}?`, { ...GREEDY, maxTokens: 20 })).text)
      .toBe(other.text);
    expect(() => session.rewind(session.position + 1)).toThrow("rewind");
    expect(() => session.rewind(-1)).toThrow("position");
  });

  it("gives the same numbers however its text was fed", async () => {
    const tokens = model.tokenize(prompt);
    const logits: Float32Array[] = [];
    for (const size of [1, 3, 100]) {
      using session = model.session();
      for (let at = 0; at < tokens.length; at += size) {
        expect(await session.feed(tokens.slice(at, at + size)))
          .toBe(Math.min(size, tokens.length - at));
      }
      logits.push(session.logits());
    }
    expect(logits[1]).toEqual(logits[0]);
    expect(logits[2]).toEqual(logits[0]);
    expect(logits[0]?.every(Number.isFinite)).toBe(true);
  });

  it("takes a text whole or not at all", async () => {
    using session = model.session();
    await session.feed("abc");
    expect(await codeOf(session.feed("x".repeat(253)))).toBe("PROMPT_TOO_LONG");
    expect(session.position).toBe(4);
    expect(await codeOf(session.feed([65, 999]))).toBe("BAD_TOKEN");
    expect(await codeOf(session.feed([...Array(40).fill(65) as number[], -1]))).toBe("BAD_TOKEN");
    expect(session.position).toBe(4);
    expect(await session.feed("x".repeat(252))).toBe(252);
    expect(session.position).toBe(256);
    expect(await codeOf(session.feed("y"))).toBe("PROMPT_TOO_LONG");
  });

  it("knows the end of the context when it goes on there", async () => {
    using session = model.session();
    await session.feed("x".repeat(250));
    const { finishReason, completionTokens } = await write(session, "", { temperature: 0.01 });
    expect([finishReason, completionTokens]).toEqual(["length", 6]);
    expect(await codeOf(session.generate("").next())).toBe("PROMPT_TOO_LONG");
  });

  it("has no logits before it has read anything, and none after a rewind", async () => {
    using session = model.session();
    expect(() => session.sample()).toThrow("no logits");
    await session.feed("abc");
    session.rewind(2);
    expect(() => session.sample()).toThrow("no logits");
  });

  it("samples without adding, the same for the same seed", async () => {
    using session = model.session();
    await session.feed("abc");
    const picks = Array.from({ length: 20 }, (_, seed) => session.sample({ seed }));
    expect(picks).toEqual(Array.from({ length: 20 }, (_, seed) => session.sample({ seed })));
    expect(new Set(picks).size).toBeGreaterThan(1);
    expect(session.position).toBe(4);
  });

  it("without a beginning token needs a text", async () => {
    using session = model.session();
    expect(await session.feed("")).toBe(1); // BOS
    expect(await session.feed("")).toBe(0);
    expect(await session.feed([])).toBe(0);
    expect(session.position).toBe(1);
  });
});

describe("a session", () => {
  it("writes one text at a time: SESSION_BUSY", async () => {
    using session = model.session();
    const writing = session.generate(prompt, GREEDY);
    await writing.next();
    expect(await codeOf(session.generate("x").next())).toBe("SESSION_BUSY");
    expect(await codeOf(session.feed("x"))).toBe("SESSION_BUSY");
    expect(await codeOf(session.evaluate([1], () => undefined))).toBe("SESSION_BUSY");
    expect(() => session.rewind(0)).toThrow("writing");
    expect(() => session.sample()).toThrow("writing");
    await writing.return(undefined as never);
    expect(await session.feed("x")).toBe(1);
  });

  it("is used no more once closed: SESSION_CLOSED", async () => {
    const session = model.session();
    const writing = session.generate(prompt, GREEDY);
    await writing.next();
    session.close();
    session.close();
    expect(await codeOf(writing.next())).toBe("SESSION_CLOSED");
    expect(await codeOf(session.feed("x"))).toBe("SESSION_CLOSED");
    expect(await codeOf(session.generate("x").next())).toBe("SESSION_CLOSED");
    expect(() => session.position).toThrow("closed");
    expect(() => session.logits()).toThrow("closed");
  });

  it("that is closed in the middle of its work touches nothing of the next one", async () => {
    const alone = (await single.complete(prompt, { ...GREEDY, maxTokens: 20 })).text;
    for (const work of [
      (s: Session) => s.feed("z".repeat(200)), (s: Session) => s.generate("zz").next(),
      (s: Session) => s.evaluate([65, 66, 67, 68], () => undefined, { rows: 1 }),
    ]) {
      const old = single.session();
      const running = work(old).catch((error: unknown) => error);
      old.close();
      const next = single.session();
      const text = write(next, prompt, { ...GREEDY, maxTokens: 20 });
      await running;
      expect((await text).text).toBe(alone);
      next.close();
    }
  });

  it("counts the token that it showed last when it goes on with an evaluation", async () => {
    const tokens = model.tokenize("more", { special: false });
    using session = model.session();
    await write(session, prompt, { ...GREEDY, maxTokens: 4 });
    const hash = await session.hashLogits(tokens);
    expect(session.position).toBe(model.tokenize(prompt).length + 4 + tokens.length);
    using again = model.session();
    await again.feed(prompt);
    for (let i = 0; i < 4; i++) await again.feed([again.sample(GREEDY)]);
    expect(await again.hashLogits(tokens)).toBe(hash);
  });

  it("begins empty, whatever the one before it did", async () => {
    const before = single.session();
    await before.feed("something");
    before.close();
    using after = single.session();
    expect(after.position).toBe(0);
    expect(() => after.sample()).toThrow("no logits");
  });

  it("is refused when all are taken: SESSIONS_IN_USE, until one is closed", async () => {
    const taken = Array.from({ length: 4 }, () => model.session());
    expect(() => model.session()).toThrow("4 sessions are in use");
    expect(await codeOf(model.complete("x"))).toBe("SESSIONS_IN_USE");
    expect(await codeOf(model.score("some text"))).toBe("SESSIONS_IN_USE");
    taken[2]?.close();
    const { completionTokens } = await model.complete(prompt, { ...GREEDY, maxTokens: 2 });
    expect(completionTokens).toBe(2);
    taken.forEach((session) => session.close());
  });

  it("is given back by a loop that is left early, or that throws", async () => {
    for await (const text of single.generate(prompt, GREEDY)) {
      expect(text).not.toBe("");
      break;
    }
    await expect((async () => {
      for await (const text of single.generate(prompt, GREEDY)) throw new Error(text && "mine");
    })()).rejects.toThrow("mine");
    single.session().close();
  });
});

describe("texts that are written at the same time", () => {
  const prompts = ["one", "two two", "three ".repeat(20), prompt, "\u{1f642}", "six"];
  const options = { seed: 9, maxTokens: 25 };
  const alone = Promise.all(prompts.map(async () => undefined)).then(async () => {
    const texts: string[] = [];
    for (const text of prompts) texts.push((await single.complete(text, options)).text);
    return texts;
  });

  it("wait for the only session and come out as if alone", async () => {
    const together = await Promise.all(prompts.map((text) => single.complete(text, options)));
    expect(together.map(({ text }) => text)).toEqual(await alone);
  });

  it("share several sessions and come out as if alone", async () => {
    const together = await Promise.all(prompts.map((text) => model.complete(text, options)));
    expect(together.map(({ text }) => text)).toEqual(await alone);
  });

  it("leave scores and hashes as they are", async () => {
    const text = "a text to be scored ".repeat(8);
    const tokens = single.tokenize(text);
    const bits = (await single.score(text)).bits;
    const hash = async (from: Model, options: { rows?: number } = {}) => {
      using session = from.session();
      return await session.hashLogits(tokens, options);
    };
    const expected = await hash(single);
    const results = await Promise.all([
      hash(model), hash(model, { rows: 1 }), hash(model, { rows: 7 }),
      model.complete(prompt, options),
    ]);
    expect(results.slice(0, 3)).toEqual([expected, expected, expected]);
    const [score, again] = await Promise.all([
      model.score(text), model.score(text), model.complete("three", options), hash(model),
    ]);
    expect([score.bits, again.bits]).toEqual([bits, bits]);
  });

  it.each([1, 2, 3])("pass the turn on when number %i of those that wait gives up", async (who) => {
    const controller = new AbortController();
    const first = single.complete(prompt, { ...GREEDY, maxTokens: 30 });
    const waiting = [1, 2, 3].map((number) => single.complete(`text ${number}`, {
      ...options, ...(number === who ? { signal: controller.signal } : {}),
    }).then(() => "written", (error: unknown) => error));
    const reason = new Error("not needed");
    setImmediate(() => controller.abort(reason));
    await first;
    expect(await Promise.all(waiting)).toEqual([1, 2, 3].map((number) => (
      number === who ? reason : "written")));
  });

  it("pass the turn on when one fails at once", async () => {
    const results = await Promise.allSettled([
      single.complete("one", options), single.complete("x".repeat(300), options),
      single.complete("two", options), single.score(""), single.score("some text"),
    ]);
    expect(results.map(({ status }) => status)).toEqual(
      ["fulfilled", "rejected", "fulfilled", "fulfilled", "fulfilled"].map((status, i) => (
        i === 3 ? "rejected" : status)));
  });

  it("all reject when the model is disposed of, those that wait too", async () => {
    const doomed = await load(file);
    const running = ["a", "b", "c"].map((text) => codeOf(doomed.complete(text, GREEDY)));
    await new Promise(setImmediate);
    doomed.dispose();
    expect(await Promise.all(running)).toEqual(Array(3).fill("MODEL_DISPOSED"));
  });
});

describe("a score", () => {
  it("is that of the probabilities, one token after the other", async () => {
    const text = "bits";
    const { bits, bytes, tokens, bitsPerByte } = await model.score(text);
    expect([bytes, tokens]).toEqual([4, 5]);
    expect(bitsPerByte).toBeCloseTo(bits / 4, 12);
    using session = model.session();
    let sum = 0;
    const ids = model.tokenize(text);
    for (const [i, token] of ids.entries()) {
      if (i > 0) {
        const logits = [...session.logits()];
        const most = Math.max(...logits);
        const all = logits.reduce((total, logit) => total + Math.exp(logit - most), 0);
        sum -= ((logits[token] ?? NaN) - most - Math.log(all)) / Math.LN2;
      }
      await session.feed([token]);
    }
    expect(bits).toBeCloseTo(sum, 5);
  });

  it("counts every token once when the text is longer than the context", async () => {
    const progress: number[] = [];
    const text = "longer than the context ".repeat(40);
    const result = await model.score(text, {
      onProgress: ({ scoredTokens, totalTokens }) => {
        progress.push(scoredTokens);
        expect(totalTokens).toBe(text.length + 1);
      },
    });
    expect(progress.at(-1)).toBe(text.length + 1);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(result.bitsPerByte).toBeGreaterThan(0);
    expect(await codeOf(model.score(""))).toBe("EMPTY_PROMPT");
  });
});

describe("options", () => {
  it.each([[{ row: 1 }, "row"], [{ rows: 0 }, "rows"], [{ rows: 33 }, "rows"],
    [{ signal: 5 }, "signal"], [{ signal: { aborted: false } }, "signal"], [null, "object"]])(
    "of evaluate and hashLogits are checked: %j", async (options, name) => {
      using session = model.session();
      for (const promise of [session.evaluate([65], () => undefined, options as object),
        session.hashLogits([65], options as object)]) {
        const failure = await failureOf(promise);
        expect([failure.code, failure.message])
          .toEqual(["BAD_OPTION", expect.stringContaining(name)]);
      }
      expect(session.position).toBe(0);
    });

  it("that are no signal are refused by feed, and by what waits for a session", async () => {
    using session = model.session();
    const signal = "stop" as unknown as AbortSignal;
    expect(await codeOf(session.feed("x", signal))).toBe("BAD_OPTION");
    expect(session.position).toBe(0);
    expect(await codeOf(single.score("some text", { signal }))).toBe("BAD_OPTION");
    expect(await codeOf(single.complete("x", { signal }))).toBe("BAD_OPTION");
  });

  it("of tokenize are checked", () => {
    expect(() => model.tokenize("x", { specal: false } as object)).toThrow("specal");
    expect(() => model.tokenize("x", { special: "no" } as object)).toThrow("special");
    expect(model.tokenize("x", { special: undefined })).toEqual(model.tokenize("x"));
  });
});
