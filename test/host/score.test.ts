// Bits per byte of collections of documents and of texts with mistakes in them, against the slow
// way. (Windows and plain texts are in session.test.ts and test/stories.test.ts.)
// Does not know: the command line.

import { afterAll, describe, expect, it } from "vitest";
import { withNoise } from "../../host/noise";
import type { ScoreOptions } from "../../host/score";
import { byteModel, codeOf, failureOf, load, wordModel } from "./library";
import { logLikelihood, withoutKey } from "./slow";

const file = byteModel();
const bytes = await load(file);
const words = await load(wordModel());
const noEnd = await load(withoutKey(file, "tokenizer.ggml.eos_token_id"));
const noBeginning = await load(withoutKey(file, "tokenizer.ggml.bos_token_id"));
const all = [bytes, words, noEnd, noBeginning];
afterAll(() => all.forEach((model) => model.dispose()));

const BITS = 1 / Math.LN2;

describe("a text of documents", () => {
  it.each([["bytes", bytes, 257], ["words", words, 2]] as const)(
    "is scored one by one, each from its BOS to its EOS, by a model of %s",
    async (_, model, eos) => {
      const parts = ["First one. ", "na\u00efve \u{1f642}", "x"];
      let nats = 0;
      let tokens = 0;
      for (const part of parts) {
        const [bos, ...rest] = model.tokenize(part);
        nats -= await logLikelihood(model, [bos ?? NaN], [...rest, eos]);
        tokens += rest.length + 2;
      }
      const text = parts.map((part) => `${part}\0`).join("");
      const result = await model.score(text);
      expect(result.bits).toBeCloseTo(nats * BITS, 4);
      expect(result).toMatchObject({ documents: 3, tokens, bytes: Buffer.byteLength(text) });
      expect(result.bitsPerByte).toBe(result.bits / result.bytes);
    });

  it("may stop within one, which then has no end to predict", async () => {
    const [whole, part] = [await bytes.score("one\0"), await bytes.score("two")];
    const both = await bytes.score("one\0two");
    expect(both.bits).toBeCloseTo(whole.bits + part.bits, 9);
    expect(both).toMatchObject({ documents: 2, bytes: 7, tokens: 9 });
  });

  it("may have empty ones, of which only the end is scored", async () => {
    const result = await bytes.score("\0\0");
    expect(result).toMatchObject({ documents: 2, bytes: 2, tokens: 4 });
    expect(result.bits).toBeCloseTo(-2 * BITS * await logLikelihood(bytes, [256], [257]), 4);
  });

  it("does not count the ends for a model that has no EOS", async () => {
    const [one, two] = [await noEnd.score("one"), await noEnd.score("two")];
    const both = await noEnd.score("one\0two\0\0");
    expect(both.bits).toBeCloseTo(one.bits + two.bits, 9);
    expect(both).toMatchObject({ documents: 2, bytes: 6, tokens: 8 });
    expect(await codeOf(noEnd.score("\0"))).toBe("EMPTY_PROMPT");
  });

  it("is one text for a model without BOS", async () => {
    const text = "one\0two\0";
    const result = await noBeginning.score(text);
    expect(result).toMatchObject({ documents: 1, bytes: 8, tokens: 8 });
    const tokens = [...Buffer.from(text)];
    expect(result.bits).toBeCloseTo(
      -BITS * await logLikelihood(noBeginning, tokens.slice(0, 1), tokens.slice(1)), 4);
  });

  it("tells its progress over all of them", async () => {
    const seen: number[] = [];
    const { tokens } = await bytes.score("one\0two\0three\0", {
      onProgress: ({ scoredTokens, totalTokens }) => {
        expect(totalTokens).toBe(17);
        seen.push(scoredTokens);
      },
    });
    expect(seen).toEqual([5, 10, 17]);
    expect(tokens).toBe(17);
  });
});

describe("noise", () => {
  const text = "The Quick brown fox, 1234567890 times: na\u00efve \u{1f642}\0 \u{feff}end.\n"
    .repeat(40);
  const changes = (noisy: string): number[] => [...Buffer.from(noisy)].flatMap((byte, i) => (
    byte === Buffer.from(text)[i] ? [] : [i]));

  it("is the same for a seed, on every machine, and another for another", () => {
    expect(withNoise("The Quick brown fox, 1234567890", 0.5, 1))
      .toBe("The Qtvno dlthn lox, 1207837999");
    const seeds = [0, 1, 2, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER];
    expect(new Set(seeds.map((seed) => withNoise(text, 0.1, seed))).size).toBe(seeds.length);
  });

  it("replaces letters by letters of their case, digits by digits, and nothing else", () => {
    const kinds = (of: string): string => of.replace(/[a-z]/g, "a").replace(/[A-Z]/g, "A")
      .replace(/[0-9]/g, "0");
    for (const share of [0, 0.1, 1]) {
      expect(kinds(withNoise(text, share, 7))).toBe(kinds(text));
    }
    expect(withNoise(text, 0, 7)).toBe(text);
    expect(changes(withNoise(text, 1, 7)).length).toBe(text.match(/[a-z0-9]/gi)?.length);
    const digits = withNoise("0".repeat(1000), 1, 3);
    expect([...new Set(digits)].sort().join("")).toBe("123456789");
  });

  it("replaces the share it is given, and more where it is more", () => {
    const letters = text.match(/[a-z0-9]/gi)?.length ?? NaN;
    const few = changes(withNoise(text, 0.1, 5));
    expect(Math.abs(few.length / letters - 0.1)).toBeLessThan(0.03);
    const many = new Set(changes(withNoise(text, 0.3, 5)));
    expect(few.every((at) => many.has(at))).toBe(true);
    expect(many.size).toBeGreaterThan(few.length * 2);
  });

  it("is scored like the text that it makes, by default with seed 1", async () => {
    const part = text.slice(0, 200);
    const result = await bytes.score(part, { noise: 0.2 });
    expect(result).toEqual(await bytes.score(withNoise(part, 0.2, 1)));
    expect(result).toEqual(await bytes.score(part, { noise: 0.2, seed: 1 }));
    expect((await bytes.score(part, { noise: 0.2, seed: 2 })).bits).not.toBe(result.bits);
    expect(await bytes.score(part, { noise: 0 })).toEqual(await bytes.score(part));
  });
});

it.each([
  [{ noise: 1.1 }, "noise"], [{ noise: -0.1 }, "noise"], [{ noise: NaN }, "noise"],
  [{ seed: 1.5 }, "seed"], [{ seed: -1 }, "seed"], [{ nois: 0 }, "nois"],
  [{ onProgress: 5 }, "onProgress"], [{ signal: {} }, "signal"], [{ signal: "now" }, "signal"],
])("its options are checked: %j", async (options, name) => {
  const failure = await failureOf(bytes.score("some text", options as ScoreOptions));
  expect([failure.code, failure.message]).toEqual(["BAD_OPTION", expect.stringContaining(name)]);
});

it("a text that is none is refused: BAD_OPTION", async () => {
  expect(await codeOf(bytes.score(5 as unknown as string))).toBe("BAD_OPTION");
});
