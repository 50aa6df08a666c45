// Texts that are guessed at while they are written: token for token, draw for draw and bit for bit
// in what is saved, they are the texts that come one token at a time, whoever guesses what; and
// right guesses do save passes.
// Does not know: how a passage is found (lookup.test.ts).

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { Draft } from "../../host/draft";
import type { Guesser } from "../../host/lookup";
import type { GenerateOptions } from "../../host/options";
import { configure, seed } from "../../host/sampling";
import { settingsOf } from "../../host/settings";
import { saveSession } from "../../host/snapshot";
import { write, type Page } from "../../host/writer";
import { ggmlType, randomBytePool } from "../reference";
import { folder, nibble } from "./command";
import { byteModel, load, withMetadata, wordModel, type Model, type Session } from "./library";

const patchModel = (context = 256): Uint8Array => randomBytePool({
  local: { width: 64, heads: 2, kvHeads: 1, feedForward: 96 }, encoders: 2, decoders: 1,
  window: 24, trunk: { width: 96, heads: 3, kvHeads: 1, feedForward: 128 }, blocks: 2,
  rule: "space", patchLength: 16, ngramRows: 64, ngramOrders: [2, 3, 5], context,
  vocabulary: 272, type: ggmlType.Q4_0, seed: 21,
});

/** Byte pairs: tokens from 258 on are of two letters. */
const pairs = ["th", "in", "an", "on", "er", "re"];
const pairModel = (): Uint8Array => withMetadata(byteModel({ vocabulary: 258 + pairs.length }), [
  ["tokenizer.ggml.tokens", "string[]", (old: string[]) => [...old.slice(0, 258), ...pairs]],
  ["tokenizer.ggml.token_type", "int32[]", (old: number[]) => (
    [...old.slice(0, 258), ...pairs.map(() => 1)])],
  ["tokenizer.ggml.merges", "string[]", () => pairs.map((pair) => [...pair].join(" "))],
]);

const files = {
  bytes: byteModel({ vocabulary: 259 }), words: wordModel(), pairs: pairModel(),
  patches: patchModel(),
};
const PROMPT = "Once there was a thin ant on an inner street";

/** Tokens that end texts of these models; most of these texts are to be longer. */
const unending = { 1: -100, 2: -100, 256: -100, 257: -100, 258: -100 };
const plain = { seed: 7, maxTokens: 60, topK: 0, topP: 1, minP: 0, logitBias: unending,
} satisfies GenerateOptions;
const cases: [string, GenerateOptions][] = [
  ["the likeliest tokens", { ...plain, temperature: 0 }],
  ["temperature 0.8 and the usual limits", { seed: 3, maxTokens: 60, logitBias: unending }],
  ["temperature 2", { ...plain, temperature: 2 }],
  ["penalties", { ...plain, temperature: 0.8, repeatPenalty: 1.4, frequencyPenalty: 0.5,
    presencePenalty: 0.3, repeatTokens: 9 }],
  ["mirostat, which remembers", { ...plain, mirostat: 2, mirostatTau: 3 }],
  ["DRY and XTC", { ...plain, temperature: 1, dryMultiplier: 0.8, xtcProbability: 0.5,
    xtcThreshold: 0.01 }],
  ["biases and top-k", { ...plain, temperature: 1, topK: 5,
    logitBias: { ...unending, 5: 3, 101: 2, 116: 1 } }],
];

/** Everything that there is to compare of a text. */
interface Outcome {
  text: string;
  tokens: number[];
  probabilities: number[];
  end: unknown;
  saved: string;
}

/** Knows the text, and is wrong about it now and then. */
function prophet(text: readonly number[], isRight: (index: number) => boolean, length: number) {
  const tried = { guesses: 0, right: 0 };
  let at = 0;
  const guesser: Guesser = {
    add: () => void at++,
    guess: (room) => text.slice(at, at + Math.max(0, Math.min(room, length)))
      .map((token, i) => (isRight(at + i) ? token : (token + 1) % 256)),
    settle(count, right) {
      tried.guesses += count;
      tried.right += right;
    },
  };
  return { guesser, tried };
}

/** Writes with a guesser, or none, from the beginning of a session. */
async function outcomeOf(
  session: Session, options: GenerateOptions, guesser?: Guesser,
): Promise<Outcome> {
  const { host, index } = session;
  const { engine } = host;
  session.rewind(0);
  await session.feed(PROMPT);
  const tokens: number[] = [];
  const probabilities: number[] = [];
  const { onToken } = options;
  const settings = settingsOf({ ...options, onToken(step) {
    tokens.push(step.token);
    probabilities.push(step.logProbability, step.position);
    onToken?.(step);
  } });
  configure(engine, index, settings);
  seed(engine, index, settings.seed);
  const page: Page = {
    engine, index, pending: [], hasText: true, guesser,
    check: () => undefined,
    room: () => engine.call((e) => e.room(index)),
    pass: () => host.passes.last,
    read: (more, signal, guesses) => host.passes.read(index, more, true,
      () => signal?.throwIfAborted(), { guesses }),
  };
  const draft = new Draft(1, settings.seed, settings.stop, false, false);
  const pieces = write(page, settings, draft, {});
  let text = "";
  let end: unknown;
  try {
    for (let next = await pieces.next(); ; next = await pieces.next()) {
      end = next.value;
      if (next.done) break;
      text += next.value;
    }
  } catch (error) {
    end = String(error);
  }
  const saved = Buffer.from(saveSession(engine, index,
    { pending: page.pending, hasText: page.hasText, draft: draft.state })).toString("base64");
  return { text, tokens, probabilities, end, saved };
}

const models: Model[] = [];
afterAll(() => {
  models.forEach((model) => model.dispose());
  rmSync(folder, { recursive: true });
});

async function open(file: Uint8Array, options: object = {}): Promise<Model> {
  const model = await load(file, options);
  models.push(model);
  return model;
}

describe.each(Object.entries(files))("a model of %s", (_, file) => {
  /** The same with guesses of several lengths that are right at different places. */
  async function compare(options: GenerateOptions | (() => GenerateOptions)): Promise<Outcome> {
    const session = (await open(file)).session();
    const fresh = typeof options === "function" ? options : () => options;
    const whole = await outcomeOf(session, fresh());
    // What the guessers know must go on behind the place where the text ends.
    const known = (await outcomeOf(session, { ...fresh(), maxTokens: 200, stop: [],
      onToken: undefined, signal: undefined })).tokens;
    let right = 0;
    for (const [isRight, length] of [[() => true, 31], [(i: number) => i % 5 !== 3, 7],
      [(i: number) => (i * 7919) % 11 > 4, 3], [() => false, 4]] as const) {
      const { guesser, tried } = prophet(known, isRight, length);
      expect(await outcomeOf(session, fresh(), guesser)).toEqual(whole);
      right += tried.right;
      if (length === 4) expect(tried.right).toBe(0);
    }
    if (whole.tokens.length > 4) expect(right).toBeGreaterThan(whole.tokens.length / 2);
    return whole;
  }

  it.each(cases)("%s", async (_, options) => {
    expect((await compare(options)).tokens.length).toBeGreaterThan(20);
  });

  it("ends where it would: at a token, a count, a stop sequence, the end of the room", async () => {
    const likely = { ...unending, 2: 2, 257: 2 };
    const ends = [];
    for (let at = 0; at < 4; at++) {
      ends.push((await compare({ ...plain, seed: at, temperature: 0.8, logitBias: likely })).end);
    }
    expect(ends).toContainEqual(expect.objectContaining({ finishReason: "stop" }));
    for (const maxTokens of [0, 1, 2, 9, 17]) {
      await compare({ ...plain, temperature: 0.8, maxTokens });
    }
    const session = (await open(file)).session();
    const { text } = await outcomeOf(session, { ...plain, temperature: 0.8 });
    const characters = [...text];
    for (const at of [3, 12, 25]) {
      const stop = characters.slice(at, at + 2).join("");
      expect(stop).not.toBe("");
      const whole = await compare({ ...plain, temperature: 0.8, stop });
      expect(whole.text).not.toContain(stop);
    }
    const full = await compare({ ...plain, temperature: 0.8, maxTokens: 1000 });
    expect(full.end).toMatchObject({ finishReason: "length" });
  });

  it("stops where a signal or a callback says so, with all text before that", async () => {
    await compare(() => {
      const stop = new AbortController();
      let count = 0;
      return { ...plain, temperature: 0.8, signal: stop.signal,
        onToken: () => void (++count === 13 && stop.abort("enough")) };
    });
    await compare(() => {
      let count = 0;
      return { ...plain, temperature: 0.8,
        onToken: () => { if (++count === 13) throw new Error("no more"); } };
    });
  });

  it.each([["likes one token best", { 97: 100 }], ["repeats itself", {}]])(
    "that %s: the same in fewer passes, alone and among others", async (_, logitBias) => {
      const model = await open(file, { sessions: 4 });
      const options = { maxTokens: 150, temperature: 0, seed: 1, logitBias };
      const passesOf = async (speculation: "lookup" | "off"): Promise<[string, number]> => {
        const before = model.activity.passes;
        const { text } = await model.complete(PROMPT, { ...options, speculation });
        return [text, model.activity.passes - before];
      };
      const [text, passes] = await passesOf("off");
      const [guessed, fewer] = await passesOf("lookup");
      expect(guessed).toBe(text);
      expect(fewer).toBeLessThanOrEqual(97 in logitBias ? passes / 3 : passes);
      // Guesses begin and end with who else is there.
      const lengths = [150, 110, 60, 20];
      const many = await Promise.all(lengths.map((maxTokens) => (
        model.complete(PROMPT, { ...options, maxTokens, speculation: "lookup" }))));
      const alone = await Promise.all(lengths.map((maxTokens) => (
        model.complete(PROMPT, { ...options, maxTokens }))));
      expect(many.map((one) => one.text)).toEqual(alone.map((one) => one.text));
    });

  it("is laid aside and taken up again in the middle of what was guessed", async () => {
    const options = { maxTokens: 150, temperature: 0, seed: 1, speculation: "lookup" } as const;
    const whole = (await (await open(file)).complete(PROMPT,
      { ...options, speculation: "off" })).text;
    const first = (await open(file)).session();
    const second = (await open(file)).session();
    let text = "";
    let session = first;
    let pieces = session.generate(PROMPT, options);
    for (let isOver = false; !isOver;) {
      for (let i = 0; i < 11 && !isOver; i++) {
        const next = await pieces.next();
        isOver = next.done === true;
        if (!next.done) text += next.value;
      }
      if (isOver) break;
      await pieces.return(undefined as never);
      const saved = session.save();
      session = session === first ? second : first;
      session.restore(saved);
      pieces = session.resume(options);
    }
    expect(text).toBe(whole);
  });
});

it("keeps guesses within the cache of patches", async () => {
  // Control tokens close a patch each, so that the cache of 96 patches is full before the context.
  const model = await open(patchModel(64));
  const session = model.session();
  const options = { ...plain, temperature: 0.8, maxTokens: 100,
    logitBias: Object.fromEntries([259, 260, 261, 262].map((id) => [id, 100])) };
  const whole = await outcomeOf(session, options);
  const { guesser, tried } = prophet(whole.tokens, () => true, 31);
  expect(await outcomeOf(session, options, guesser)).toEqual(whole);
  expect(tried.right).toBeGreaterThan(0);
});

it("refuses what is no way to guess", async () => {
  const model = await open(files.bytes);
  await expect(model.complete("a", { speculation: "maybe" as never }))
    .rejects.toMatchObject({ code: "BAD_OPTION" });
});

it("is an option of the command, too", async () => {
  const run = (...more: string[]): ReturnType<typeof nibble> => (
    nibble(["run", "model.gguf", PROMPT, "-n", "90", "--temp", "0", "--seed", "1", ...more]));
  writeFileSync(join(folder, "model.gguf"), files.bytes);
  const [plain, guessed, refused] = await Promise.all(
    [run(), run("--speculation", "lookup"), run("--speculation", "maybe")]);
  expect(guessed).toEqual(plain);
  expect(plain.code).toBe(0);
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("lookup or off") });
});

it.each(Object.entries(files))("a callback may use another session: %s", async (_, file) => {
  const model = await open(file, { sessions: 2 });
  const uses: Record<string, (other: Session) => void> = {
    evaluate: (other) => void other.evaluate([97, 98], () => undefined),
    rewind: (other) => other.rewind(other.position - 1),
  };
  for (const use of Object.values(uses)) {
    const textOf = async (speculation: "lookup" | "off"): Promise<string> => {
      using session = model.session();
      using other = model.session();
      await other.feed(PROMPT);
      let count = 0;
      let text = "";
      for await (const piece of session.generate(PROMPT, { maxTokens: 90, temperature: 0, seed: 1,
        logitBias: { 97: 100 }, likeliest: 0, speculation,
        onToken: () => { if (++count % 7 === 0 && count < 50) use(other); } })) text += piece;
      expect(count).toBe(90);
      return text + session.position;
    };
    expect(await textOf("lookup")).toBe(await textOf("off"));
  }
});
