// The same weights and tokens give the same logits, bit for bit: however many rows go together,
// whoever else runs beside them, whatever was there before, however the file came, and on every
// machine (the golden hashes). Does not know: whether the logits are any good.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Engine } from "../host/engine";
import { loadInto } from "../host/load";
import type { LoadOptions } from "../host/options";
import type * as Library from "../host/platform/node";
import { bytesSource } from "../host/source";
import {
  ggmlType, randomBytePool, randomModel, typeTable, type RandomModelShape,
} from "./reference";

// By address, so that types come from the source and the code from dist/.
const address = new URL("../dist/index.js", import.meta.url).href;
const { load } = await import(/* @vite-ignore */ address) as typeof Library;
const wasm = new WebAssembly.Module(readFileSync(new URL("../dist/nibble.wasm", import.meta.url)));

const rowsMost = 32;
const caches = ["int8", "f32"] as const;

const base: RandomModelShape = {
  width: 64, layers: 2, heads: 4, kvHeads: 2, feedForward: 96, vocabulary: 261, context: 80,
  type: ggmlType.Q4_0, tied: true, seed: 21, tokenizer: "byte",
};

/** Every weight type, and the shapes whose rows are padded. */
const shapes: [string, Partial<RandomModelShape>][] = [
  ...[...typeTable].map(([type, { name }]): [string, Partial<RandomModelShape>] =>
    [name, { type }]),
  ["Q4_0 with an embedding in Q8_0", { embeddingType: ggmlType.Q8_0 }],
  ["Q4_0 with values and ups in Q8_0, which read the same rows in another form",
    { types: { attn_v: ggmlType.Q8_0, ffn_up: ggmlType.Q8_0 } }],
  ["Q4_0 with rows of 105 and heads of 20",
    { feedForward: 105, heads: 3, kvHeads: 1, headSize: 20 }],
  ["Q4_0 with a key head for every head", { heads: 4, kvHeads: 4 }],
  ["Q4_0 with a key head for five heads", { heads: 5, kvHeads: 1, headSize: 16 }],
  ["Q8_0 with blocks that run twice", { type: ggmlType.Q8_0, blockRepeat: 2, tied: false }],
];

/** Numbers below `limit` that look random; another seed gives others. */
function numbers(count: number, limit: number, seed: number): number[] {
  let state = seed + 1;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  });
}

/** More than two blocks of 32 positions, and not whole ones. */
const tokens = numbers(71, base.vocabulary, 1);

/** Hash of the logits of all positions, in a fresh model. */
async function hashOf(
  file: Library.SourceInput, options: LoadOptions = {}, rows?: number,
): Promise<string> {
  using model = await load(file, options);
  return await model.session().hashLogits(tokens, rows === undefined ? {} : { rows });
}

/** The logits of every position, as hexadecimal bits. */
async function rowsOf(
  session: Library.Session, list: readonly number[], rows = rowsMost,
): Promise<string[]> {
  const found: string[] = [];
  await session.evaluate(list, () => found.push(hex(session.logits())), { rows });
  return found;
}

const hex = (values: Float32Array): string => Buffer.from(values.buffer).toString("hex");

/** A stream that gives bytes in pieces of these sizes, over and over. */
function streamOf(bytes: Uint8Array, sizes: readonly number[]): ReadableStream<Uint8Array> {
  let at = 0;
  let turn = 0;
  return new ReadableStream({
    pull(controller) {
      const size = sizes[turn++ % sizes.length];
      controller.enqueue(bytes.slice(at, at + size));
      at += size;
      if (at >= bytes.length) controller.close();
    },
  });
}

describe.each(shapes)("%s", (_, shape) => {
  const file = randomModel({ ...base, ...shape });

  it.each(caches)("gives one hash for all numbers of rows, run after run, cache %s",
    async (cache) => {
      const expected = await hashOf(file, { cache }, 1);
      expect(expected).toMatch(/^[0-9a-f]{64}$/);
      for (const rows of [2, 3, 7, 31, 32]) {
        expect(await hashOf(file, { cache }, rows), `${rows} rows`).toBe(expected);
      }
      expect(await hashOf(file, { cache })).toBe(expected);
    });

  it.each(caches)("is the same after rewinding, cache %s", async (cache) => {
    using model = await load(file, { cache });
    const session = model.session();
    const expected = await rowsOf(session, tokens);
    for (const position of [0, 1, 31, 32, 40, 70]) {
      // Other tokens first, so that what is rewound was overwritten.
      session.rewind(position);
      await session.feed(numbers(80 - position, base.vocabulary, position));
      session.rewind(position);
      expect(await rowsOf(session, tokens.slice(position), 5)).toEqual(expected.slice(position));
    }
  });

  it("does not depend on how the file comes in", async () => {
    const expected = await hashOf(file);
    for (const sizes of [[1000], [65536], [3, 17, 64, 5001], [1, 40000], [file.length]]) {
      expect(await hashOf(streamOf(file, sizes)), `pieces of ${sizes}`).toBe(expected);
    }
  });
});

it("a file may come byte by byte", async () => {
  const file = randomModel({ ...base, layers: 1 });
  expect(await hashOf(streamOf(file, [1]))).toBe(await hashOf(file));
});

describe.each(caches)("several sessions, cache %s", (cache) => {
  const file = randomModel(base);
  const texts = [3, 4, 5, 6].map((seed) => numbers(50 + seed, base.vocabulary, seed));

  /** What every text gives when it has the model for itself. */
  async function alone(): Promise<string[][]> {
    const found: string[][] = [];
    for (const text of texts) {
      using model = await load(file, { cache });
      found.push(await rowsOf(model.session(), text));
    }
    return found;
  }

  it("give the same at once as one by one", async () => {
    using model = await load(file, { cache, sessions: 4 });
    const together = await Promise.all(
      texts.map((text, i) => rowsOf(model.session(), text, [1, 3, 32, 7][i])),
    );
    expect(together).toEqual(await alone());
  });

  it("give the same when they are fed in turn", async () => {
    const expected = await alone();
    using model = await load(file, { cache, sessions: 4 });
    const sessions = texts.map(() => model.session());
    const sizes = numbers(400, 9, 7);
    while (sessions.some((session, i) => session.position < texts[i].length)) {
      for (const [i, session] of sessions.entries()) {
        const from = session.position;
        const piece = texts[i].slice(from, from + 1 + (sizes.pop() ?? 0));
        if (piece.length === 0) continue;
        await session.feed(piece);
        expect(hex(session.logits())).toBe(expected[i][session.position - 1]);
      }
    }
  });

  it("give the same as rows of one pass", async () => {
    const expected = await alone();
    const engine = await Engine.start(wasm, "strict");
    await loadInto(engine, bytesSource(file), { cache, sessions: 4 });
    const next = texts.map(() => 0);
    const isOver = (i: number): boolean => next[i] === texts[i].length;
    const picks = numbers(2000, 4, 9);
    while (!texts.every((_, i) => isOver(i))) {
      const rows: [session: number, position: number][] = [];
      while (rows.length < rowsMost && !texts.every((_, i) => isOver(i))) {
        const i = picks.pop() ?? 0;
        if (isOver(i)) continue;
        engine.call((e) => e.push(i, texts[i][next[i]], 0));
        rows.push([i, next[i]++]);
      }
      engine.call((e) => e.run(-1));
      rows.forEach(([i, position], row) => {
        engine.call((e) => e.logitsOf(row));
        const bytes = engine.bytes(engine.exports.logitsAddress(i), base.vocabulary * 4);
        expect(Buffer.from(bytes).toString("hex")).toBe(expected[i][position]);
      });
    }
  });
});

describe("golden hashes", () => {
  // Any change of numerics shows here. Where one is meant, NUMERICS of the engine goes up by one,
  // docs/NUMERICS.md says what is different, and these are written anew.
  const golden: [string, Partial<RandomModelShape>, Library.CacheType, string][] = [
    ["Q4_0, int8 cache", {}, "int8",
      "fe1aec86f8ead764768166d445d927cd5450b816ab62a1121a17d9e3f5beefe2"],
    ["F32, f32 cache", { type: ggmlType.F32 }, "f32",
      "9340d73b1ed882c6ef08193500b8e1549de9402ca79ef0e38f378bd42975fa93"],
  ];
  it.each(golden)("%s", async (_, shape, cache, expected) => {
    expect(await hashOf(randomModel({ ...base, ...shape }), { cache })).toBe(expected);
  });

  it.each([
    ["int8", "ee6be42a48f71aad73229c2fdd8a31f5b623d5bf6a5cbce15ad5c7465a32e3a8"],
    ["f32", "62874a125e7cfb7a0e66737e1df16e94f9e459e91e22de9e45a5250d59504f8a"],
  ] as const)("byte-pooled Q4_0, %s cache", async (cache, expected) => {
    const file = randomBytePool({
      local: { width: 64, heads: 2, kvHeads: 1, feedForward: 96 }, encoders: 1, decoders: 1,
      window: 24, trunk: { width: 96, heads: 3, kvHeads: 1, feedForward: 128 }, blocks: 2,
      rule: "space", patchLength: 16, ngramRows: 64, ngramOrders: [2, 3, 4], context: 160,
      vocabulary: 272, type: ggmlType.Q4_0, seed: 21,
    });
    expect(await hashOf(file, { cache })).toBe(expected);
  });
});
