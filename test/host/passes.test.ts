// Many texts in the same forward passes: each is the text that it would be alone, running ones keep
// moving while prompts are read, and what fails or is given up touches no other. Vectors of texts,
// too.
// Does not know: what a pass computes.

import { afterAll, describe, expect, it } from "vitest";
import type { Engine } from "../../host/engine";
import { Passes } from "../../host/passes";
import {
  dequantize, ggmlType, normalize, readGguf, type GgufTensor,
} from "../reference";
import { byteModel, chatModel, codeOf, load, wordModel, type Model } from "./library";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const models: Model[] = [];
afterAll(() => models.forEach((model) => model.dispose()));

async function open(file: Uint8Array, options: object = {}): Promise<Model> {
  const model = await load(file, options);
  models.push(model);
  return model;
}

/** An engine that only counts what it is told to do. */
function recorder(failing = -1) {
  const passes: [session: number, token: number, wants: number][][] = [];
  let rows: [number, number, number][] = [];
  const positions: number[] = [];
  const exports = {
    position: (session: number) => positions[session] ?? 0,
    push(session: number, token: number, wants: number) {
      rows.push([session, token, wants]);
      return 0;
    },
    run() {
      if (rows.some(([session]) => session === failing)) throw new Error("this session fails");
      passes.push(rows);
      for (const [session] of rows) positions[session] = (positions[session] ?? 0) + 1;
      rows = [];
      return 0;
    },
    drop() { rows = []; },
    rewind: () => 0,
  };
  const engine = { exports, call: (run: (e: typeof exports) => number) => run(exports) };
  const made = new Passes({
    engine: () => engine as unknown as Engine, turn, rareTurn: turn, isShared: true,
  });
  return { made, passes };
}

const nobodyGivesUp = (): void => undefined;
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe("a pass", () => {
  it("has a row of every session, and equal parts of those that have more", async () => {
    const { made, passes } = recorder();
    for (let session = 0; session < 4; session++) made.enter();
    await Promise.all([
      made.read(0, [7], true, nobodyGivesUp), made.read(1, numbers(100), true, nobodyGivesUp),
      made.read(2, numbers(10), true, nobodyGivesUp), made.read(3, [8], false, nobodyGivesUp),
    ]);
    const counts = passes.map((rows) => [0, 1, 2, 3].map((session) => (
      rows.filter(([own]) => own === session).length)));
    expect(counts).toEqual([[1, 20, 10, 1], [0, 32, 0, 0], [0, 32, 0, 0], [0, 16, 0, 0]]);
    // In order, and logits only where they were wanted.
    const ofOne = passes.flat().filter(([session]) => session === 1);
    expect(ofOne.map(([, token]) => token)).toEqual(numbers(100));
    expect(ofOne.filter(([, , wants]) => wants)).toEqual([[1, 99, 1]]);
    expect(passes.flat().filter(([, , wants]) => wants).map(([session]) => session))
      .toEqual([0, 2, 1]);
  });

  it("has all of 32 sessions that write", async () => {
    const { made, passes } = recorder();
    const all = numbers(32);
    all.forEach(() => made.enter());
    await Promise.all(all.map((session) => made.read(session, [session], true, nobodyGivesUp)));
    expect(passes.map((rows) => rows.length)).toEqual([32]);
  });

  it("is not waited for when there is only one session", async () => {
    const { made, passes } = recorder();
    made.enter();
    const reading = made.read(0, [1], true, nobodyGivesUp);
    expect(passes).toHaveLength(1);
    await reading;
  });

  it("lets those go that are given up, and fails only for those that fail", async () => {
    const { made, passes } = recorder(2);
    for (let session = 0; session < 4; session++) made.enter();
    let isOver = false;
    const results = Promise.allSettled([
      made.read(0, numbers(60), true, nobodyGivesUp),
      made.read(1, numbers(200), true, () => { if (isOver) throw new Error("given up"); }),
      made.read(2, [1], true, nobodyGivesUp),
    ]);
    await turn();
    await turn();
    isOver = true;
    const [good, gone, bad] = await results;
    expect(good.status).toBe("fulfilled");
    expect(String((gone as PromiseRejectedResult).reason)).toContain("given up");
    expect(String((bad as PromiseRejectedResult).reason)).toContain("fails");
    expect(passes.flat().filter(([session]) => session === 0).map(([, token]) => token))
      .toEqual(numbers(60));
  });
});

describe("texts that come together", () => {
  const OPTIONS = { temperature: 1, maxTokens: 30 };
  const prompts = Array.from({ length: 15 }, (_, i) => `${"word ".repeat(i * 3)}and ${i}`);

  it.each([["bytes", byteModel()], ["words", wordModel()]])(
    "are what they are alone, in a model of %s", async (_, file) => {
      const alone = await open(file);
      const many = await open(file, { sessions: 15 });
      const expected: string[] = [];
      for (const [seed, prompt] of prompts.entries()) {
        expected.push((await alone.complete(prompt, { ...OPTIONS, seed })).text);
      }
      const together = await Promise.all(prompts.map(async (prompt, seed) => {
        for (let i = 0; i < seed % 4; i++) await turn(); // they begin at different times
        return (await many.complete(prompt, { ...OPTIONS, seed })).text;
      }));
      expect(together).toEqual(expected);
      const { passes, rows } = many.activity;
      expect(rows / passes).toBeGreaterThan(5);
    });

  it("keep moving while a long prompt is read", async () => {
    const model = await open(chatModel(undefined, [], { context: 4096 }), { sessions: 2,
      context: 4096 });
    const pieces: string[] = [];
    const options = { temperature: 1, maxTokens: 3000, seed: 0 };
    while ((await model.complete("x", options)).completionTokens < 300) options.seed++;
    const stop = new AbortController();
    const writing = (async () => {
      for await (const piece of model.generate("x", { ...options, signal: stop.signal })) {
        pieces.push(piece);
      }
    })().catch(() => undefined);
    while (pieces.length < 3) await turn();
    const before = pieces.length;
    await model.complete("y".repeat(3000), { maxTokens: 0 });
    // 3,000 tokens are some 97 passes of 31 rows, each with a row of the other text.
    expect(pieces.length - before).toBeGreaterThan(60);
    stop.abort();
    await writing;
  });

  it("end within a step when they are given up, and free their place", async () => {
    const model = await open(byteModel(), { sessions: 2 });
    const stop = new AbortController();
    const reason = new Error("gone");
    const texts = [0, 1].map(async (seed) => model.complete("Once",
      { seed, temperature: 1, maxTokens: 1e5, logitBias: { 257: -100, 256: -100 },
        signal: stop.signal }));
    await turn();
    expect(model.activity.running).toBe(2);
    stop.abort(reason);
    for (const text of texts) await expect(text).rejects.toBe(reason);
    expect(model.activity.running).toBe(0);
    expect((await model.complete("Once", { maxTokens: 3, seed: 1 })).completionTokens)
      .toBeGreaterThan(0);
  });

  it("fail when their session is closed, and only they", async () => {
    const model = await open(byteModel(), { sessions: 2 });
    const session = model.session();
    const other = model.session();
    const reading = codeOf(session.feed("x".repeat(200)));
    const reads = other.feed("y".repeat(100));
    session.close();
    expect(await reading).toBe("SESSION_CLOSED");
    expect(await reads).toBe(101);
    other.close();
  });
});

describe("the vector of a text", () => {
  it("is the mean of its final states, of length 1", async () => {
    const file = byteModel({ type: ggmlType.F32 }); // nothing is rounded
    const model = await open(file);
    const text = "A small fox";
    const { vector, promptTokens } = await model.embed(text);
    expect(promptTokens).toBe(12);
    const session = model.session();
    const { engine } = session.host;
    const width = engine.fact("width");
    const sums = new Float64Array(width);
    const { type, bytes: stored } = readGguf(file).tensors.get("output_norm.weight") as GgufTensor;
    const gain = dequantize(type, stored, width);
    for (const token of model.tokenize(text)) {
      engine.call((e) => e.push(session.index, token, 0));
      engine.call((e) => e.run(-1));
      const bytes = engine.bytes(engine.exports.residual(0), width * 4).slice();
      const state = Float64Array.from(new Float32Array(bytes.buffer));
      normalize(state, gain, 1e-5).forEach((value, i) => { sums[i] = (sums[i] ?? 0) + value; });
    }
    session.close();
    const length = Math.sqrt(sums.reduce((sum, value) => sum + value * value, 0));
    vector.forEach((value, i) => expect(value).toBeCloseTo((sums[i] as number) / length, 5));
    expect(Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0))).toBeCloseTo(1, 5);
  });

  it("is the same bits whatever else runs, and refuses what has no tokens", async () => {
    const file = wordModel();
    const alone = await open(file);
    const busy = await open(file, { sessions: 3 });
    const writing = busy.complete("Once", { seed: 1, maxTokens: 60 });
    const [a, b] = await Promise.all([busy.embed("one text"), busy.embed("another one")]);
    expect(a.vector).toEqual((await alone.embed("one text")).vector);
    expect(b.vector).toEqual((await alone.embed("another one")).vector);
    await writing;
    expect(await codeOf(alone.embed([]))).toBe("EMPTY_PROMPT");
    expect(await codeOf(alone.embed("x".repeat(9000)))).toMatch(/TOO_LONG/);
    expect(await codeOf(alone.embed("x", { sinal: 1 } as object))).toBe("BAD_OPTION");
  });
});
