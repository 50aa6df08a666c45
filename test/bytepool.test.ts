// Byte-pooled models: the engine against the f64 reference layer by layer, the same bits however
// the bytes come, rewinding into and across patches, several sessions, full contexts, the plan.
// Does not know: text, sampling, how the engine lays anything out.

import { describe, expect, it } from "vitest";
import type { Engine } from "../host/engine";
import { compareFile, start } from "./forward/compare";
import { changed } from "./bad-input/craft";
import {
  convertModel, ggmlType, randomBytePool, ReferenceBytePool, type RandomBytePoolShape,
} from "./reference";

const { F32, Q4_0, Q8_0, F16 } = ggmlType;
const base: RandomBytePoolShape = {
  local: { width: 64, heads: 2, kvHeads: 1, feedForward: 96 }, encoders: 2, decoders: 1,
  window: 24, trunk: { width: 96, heads: 3, kvHeads: 1, feedForward: 128 }, blocks: 2,
  rule: "space", patchLength: 16, ngramRows: 64, ngramOrders: [2, 3, 5], context: 160,
  vocabulary: 272, type: Q4_0, seed: 21,
};

/** Words, digits, several spaces, characters of two to four bytes, a long word, special tokens. */
const tokens = [256, ...Buffer.from("It's 42  degrees; naïve Ωmega \u{1f600}-talk. "),
  258, ...Buffer.from("Pneumonoultramicroscopicsilicovolcanoconiosis, she said."), 257, 256];

const mixed = { attn_v: Q8_0, ffn_up: Q8_0 };
const file = randomBytePool(base);

/** SHA-256 over all logits when tokens come `rows` at a time. */
function hashOf(engine: Engine, all: readonly number[], rows: number): string {
  engine.call((e) => e.rewind(0, 0));
  engine.exports.hashBegin();
  for (let at = 0; at < all.length; at += rows) {
    const slice = all.slice(at, at + rows);
    for (const token of slice) engine.call((e) => e.push(0, token, 0));
    engine.call((e) => e.run(-1));
    slice.forEach((_, row) => {
      engine.call((e) => e.logitsOf(row));
      engine.call((e) => e.hashLogits(0));
    });
  }
  engine.exports.hashEnd();
  return Buffer.from(engine.bytes(engine.exports.messageAddress(), 64)).toString();
}

/** The logits after tokens that are pushed at once (at most 32). */
function logitsAfter(engine: Engine, more: readonly number[], session = 0): Buffer {
  more.forEach((token, i) =>
    engine.call((e) => e.push(session, token, i === more.length - 1 ? 1 : 0)));
  engine.call((e) => e.run(-1));
  const address = engine.call((e) => e.logitsAddress(session));
  return Buffer.from(engine.bytes(address, 272 * 4));
}

function feed(engine: Engine, all: readonly number[], session = 0): void {
  for (let at = 0; at < all.length; at += 32) {
    for (const token of all.slice(at, at + 32)) engine.call((e) => e.push(session, token, 0));
    engine.call((e) => e.run(-1));
  }
}

describe("the engine follows the reference through every layer", () => {
  const shapes: [string, Partial<RandomBytePoolShape>][] = [
    ["patches of words", {}],
    ["patches of four bytes", { rule: "fixed", patchLength: 4 }],
    ["patches of one byte", { rule: "fixed", patchLength: 1 }],
    ["words cut at three bytes", { patchLength: 3 }],
    ["no n-grams", { ngramRows: 0 }],
    ["n-grams of every order", { ngramRows: 128, ngramOrders: [2, 3, 4, 5, 6, 7, 8] }],
    ["global blocks that run twice", { repeat: 2 }],
    ["a window of one", { window: 1 }],
    ["a window wider than the text", { window: 160, seed: 22 }],
    ["global blocks narrower than local ones",
      { trunk: { width: 32, heads: 1, kvHeads: 1, feedForward: 64 } }],
    ["one encoder, three decoders", { encoders: 1, decoders: 3 }],
    ["three query heads on a key head, in both",
      { local: { width: 96, heads: 3, kvHeads: 1, feedForward: 128 },
        trunk: { width: 192, heads: 6, kvHeads: 2, feedForward: 224 } }],
    ["widths that stay F32", { local: { width: 40, heads: 2, kvHeads: 1, feedForward: 72 } }],
  ];
  it.each(shapes)("%s", async (_, change) => {
    for (const type of [Q4_0, Q8_0, F32]) {
      const bytes = randomBytePool({ ...base, ...change, type });
      await compareFile(bytes, bytes, tokens, {},
        (weights, options) => new ReferenceBytePool(weights, options));
    }
  });

  it("values and ups in Q8_0 beside Q4_0, which read the same rows", async () => {
    const bytes = randomBytePool({ ...base, types: mixed });
    await compareFile(bytes, bytes, tokens, {},
      (weights, options) => new ReferenceBytePool(weights, options));
  });

  it("a file in F16, converted while loading", async () => {
    const bytes = randomBytePool({ ...base, type: F16 });
    for (const [weights, type] of [[undefined, Q8_0], ["q4_0", Q4_0], ["f32", F32]] as const) {
      await compareFile(bytes, convertModel(bytes, type), tokens, { weights },
        (whole, options) => new ReferenceBytePool(whole, options));
    }
  });
});

describe("the same bits", () => {
  it.each([["int8"], ["f32"]] as const)("however many bytes come at once, cache %s",
    async (cache) => {
      for (const change of [{}, { rule: "fixed", patchLength: 5 }, { patchLength: 2 },
        { types: mixed }] as const) {
        const engine = await start(randomBytePool({ ...base, ...change }), { cache });
        const hash = hashOf(engine, tokens, 1);
        for (const rows of [2, 3, 7, 31, 32]) expect(hashOf(engine, tokens, rows)).toBe(hash);
      }
    });

  it("with other sessions in the same passes", async () => {
    const engine = await start(file, { sessions: 3 });
    const alone = [0, 7, 30].map((skip) => {
      engine.call((e) => e.rewind(0, 0));
      feed(engine, tokens.slice(skip, skip + 40));
      return logitsAfter(engine, tokens.slice(skip + 40, skip + 41));
    });
    engine.call((e) => e.rewind(0, 0));
    for (let i = 0; i <= 40; i++) {
      [0, 7, 30].forEach((skip, session) => {
        engine.call((e) => e.push(session, tokens[skip + i], i === 40 ? 1 : 0));
      });
      engine.call((e) => e.run(-1));
    }
    alone.forEach((logits, session) => {
      const address = engine.call((e) => e.logitsAddress(session));
      expect(Buffer.from(engine.bytes(address, 272 * 4)).equals(logits)).toBe(true);
    });
  });
});

describe("rewinding", () => {
  it.each([["int8"], ["f32"]] as const)("to every position and on again, cache %s",
    async (cache) => {
      const engine = await start(file, { cache });
      const wanted = tokens.map((_, at) => {
        if (at === 0) return undefined;
        engine.call((e) => e.rewind(0, 0));
        feed(engine, tokens.slice(0, at));
        return logitsAfter(engine, tokens.slice(at, at + 1));
      });
      for (let at = tokens.length - 1; at > 0; at--) {
        engine.call((e) => e.rewind(0, 0));
        feed(engine, tokens);
        engine.call((e) => e.rewind(0, at));
        expect(engine.call((e) => e.position(0))).toBe(at);
        expect(logitsAfter(engine, tokens.slice(at, at + 1)).equals(wanted[at] as Buffer), `${at}`)
          .toBe(true);
      }
    });

  it("onto other bytes, so that patches close elsewhere", async () => {
    const engine = await start(file, {});
    const other = [...Buffer.from("xy zebra, quite another end. ")];
    for (let at = 1; at < 60; at += 3) {
      engine.call((e) => e.rewind(0, 0));
      feed(engine, [...tokens.slice(0, at)]);
      const straight = logitsAfter(engine, other);
      engine.call((e) => e.rewind(0, 0));
      feed(engine, tokens);
      engine.call((e) => e.rewind(0, at));
      expect(logitsAfter(engine, other).equals(straight), `${at}`).toBe(true);
    }
  });

  it("into a patch longer than a pass", async () => {
    const engine = await start(randomBytePool({ ...base, rule: "fixed", patchLength: 70 }), {});
    feed(engine, tokens.slice(0, 66));
    const straight = logitsAfter(engine, tokens.slice(66, 80));
    feed(engine, tokens.slice(80));
    engine.call((e) => e.rewind(0, 66));
    expect(logitsAfter(engine, tokens.slice(66, 80)).equals(straight)).toBe(true);
  });

  it("leaves no rows to read out, and drops rows that were only pushed", async () => {
    const engine = await start(file, {});
    feed(engine, tokens.slice(0, 20));
    const straight = logitsAfter(engine, tokens.slice(20, 24));
    engine.call((e) => e.rewind(0, 20));
    expect(() => engine.call((e) => e.logitsOf(0))).toThrow(/no such row/);
    for (const token of [65, 32, 257]) engine.call((e) => e.push(0, token, 0));
    engine.exports.drop();
    expect(engine.call((e) => e.position(0))).toBe(20);
    expect(logitsAfter(engine, tokens.slice(20, 24)).equals(straight)).toBe(true);
  });
});

describe("limits", () => {
  it("the context is full when either cache is", async () => {
    const engine = await start(file, { context: 40 });
    expect(engine.fact("patches")).toBe(84);
    feed(engine, [...Buffer.from("a".repeat(40))]);
    expect(engine.call((e) => e.room(0))).toBe(0);
    expect(() => engine.call((e) => e.push(0, 65, 0))).toThrow(/context of 40 positions is full/);

    const long = await start(randomBytePool({ ...base, context: 400 }), {});
    feed(long, Array<number>(264).fill(257)); // each is a patch of its own: 400 / 2 + 64
    expect(long.call((e) => e.position(0))).toBe(264);
    expect(long.call((e) => e.room(0))).toBe(0);
    expect(() => long.call((e) => e.push(0, 65, 0))).toThrow(/full/);
    long.call((e) => e.rewind(0, 263));
    expect(long.call((e) => e.room(0))).toBe(137);
  });

  it("the plan counts both caches and what patches told", async () => {
    const cacheOf = async (context: number, sessions: number): Promise<number> => {
      const engine = await start(file, { context, sessions, cache: "f32" });
      return Number(engine.exports.planBytes(3));
    };
    const local = 3 * 1 * 2 * 160 * 32 * 4; // layers · kv heads · (k, v) · positions · size · f32
    const trunk = 2 * 1 * 2 * 160 * 32 * 4; // 160 / 2 + 64 = 144 patches, in whole blocks of 32
    const states = 144 * 64 * 4 + 64 * 4;
    expect(await cacheOf(160, 1)).toBe(local + trunk + states);
    expect(await cacheOf(160, 3)).toBe(3 * (local + trunk + states));
  });
});

describe("files that hold no byte-pooled model", () => {
  const key = (name: string, type: string, value: unknown): Uint8Array =>
    changed(file, ({ metadata }) => {
      const at = metadata.findIndex(([each]) => each === name);
      if (at >= 0) metadata.splice(at, 1);
      if (value !== undefined) metadata.push([name, type as "uint32", value]);
    });
  const without = (name: string): Uint8Array => key(name, "", undefined);
  const local = "bytepool.local.";

  const cases: [string, () => Uint8Array, string, RegExp][] = [
    ...["patch.rule", "patch.length", "ngram.orders", "local.embedding_length",
      "local.encoder_count", "local.decoder_count", "local.feed_forward_length",
      "local.attention.head_count", "context_length", "block_count", "embedding_length",
    ].map((name): [string, () => Uint8Array, string, RegExp] => [`no ${name}`,
      () => without(`bytepool.${name}`), "MISSING_KEY", new RegExp(`"bytepool.${name}"`)]),
    ["a patch length of 0", () => key("bytepool.patch.length", "uint32", 0), "BAD_VALUE",
      /bytepool\.patch\.length" is 0; it must be from 1 to 1024/],
    ["a patch length of 1025", () => key("bytepool.patch.length", "uint32", 1025), "BAD_VALUE",
      /patch\.length" is 1025/],
    ["another rule", () => key("bytepool.patch.rule", "string", "entropy"), "UNSUPPORTED_FEATURE",
      /patch\.rule other than space and fixed/],
    ["a rule that is a number", () => key("bytepool.patch.rule", "uint32", 1), "WRONG_KEY_TYPE",
      /patch\.rule/],
    ["63 n-gram rows", () => key("bytepool.ngram.rows", "uint32", 63), "BAD_VALUE",
      /ngram\.rows \(a power of two\)" is 63/],
    ["one n-gram row", () => key("bytepool.ngram.rows", "uint32", 1), "BAD_VALUE", /ngram\.rows/],
    ["2^21 n-gram rows", () => key("bytepool.ngram.rows", "uint32", 2 ** 21), "BAD_VALUE",
      /ngram\.rows/],
    ["an order of 9", () => key("bytepool.ngram.orders", "int32[]", [2, 9]), "BAD_VALUE",
      /ngram\.orders" is 9; it must be from 3 to 8/],
    ["an order twice", () => key("bytepool.ngram.orders", "int32[]", [2, 2]), "BAD_VALUE",
      /ngram\.orders" is 2; it must be from 3/],
    ["no orders", () => key("bytepool.ngram.orders", "int32[]", []), "BAD_VALUE", /orders" is 0/],
    ["nine orders", () => key("bytepool.ngram.orders", "int32[]", Array(9).fill(2)), "TOO_MANY",
      /claims 9 .*ngram\.orders; at most 8/],
    ["orders as text", () => key("bytepool.ngram.orders", "string", "2"), "WRONG_KEY_TYPE",
      /ngram\.orders/],
    ["an order without a table", () => key("bytepool.ngram.orders", "int32[]", [2, 3, 4]),
      "UNKNOWN_TENSOR", /ngram\.5\.weight/],
    ["more rows than the tables have", () => key("bytepool.ngram.rows", "uint32", 128),
      "WRONG_SHAPE", /ngram\.2\.weight.* 64 x 64 .* 64 x 128 /],
    ["no encoders", () => key(`${local}encoder_count`, "uint32", 0), "BAD_VALUE", /encoder_count/],
    ["513 decoders", () => key(`${local}decoder_count`, "uint32", 513), "BAD_VALUE",
      /decoder_count/],
    ["an encoder too many", () => key(`${local}encoder_count`, "uint32", 3), "MISSING_TENSOR",
      /"enc\.2\.attn_norm\.weight"/],
    ["a decoder too few", () => key(`${local}decoder_count`, "uint32", 2), "MISSING_TENSOR",
      /"dec\.1\.attn_norm\.weight"/],
    ["a window of 0", () => key(`${local}attention.sliding_window`, "uint32", 0), "BAD_VALUE",
      /sliding_window/],
    ["another local width", () => key(`${local}embedding_length`, "uint32", 96), "WRONG_SHAPE",
      /token_embd.* 64 x 272 .* 96 x 272 /],
    ["another global width", () => key("bytepool.embedding_length", "uint32", 48), "WRONG_SHAPE",
      /pool_up/],
    ["heads that do not divide", () => key(`${local}attention.head_count`, "uint32", 3),
      "BAD_VALUE", /head size/],
    ["key heads that do not divide", () => key(`${local}attention.head_count_kv`, "uint32", 3),
      "BAD_VALUE", /local\.attention\.head_count_kv/],
    ["a separate output matrix", () => changed(file, ({ tensors }) => {
      const embedding = tensors.find(([name]) => name === "token_embd.weight");
      if (embedding) tensors.push(["output.weight", embedding[1], embedding[2], embedding[3]]);
    }), "UNKNOWN_TENSOR", /output\.weight/],
    ["no way up", () => changed(file, (parts) => {
      parts.tensors = parts.tensors.filter(([name]) => name !== "pool_up.weight");
    }), "MISSING_TENSOR", /pool_up\.weight/],
    ["bytes in another order", () => changed(file, ({ metadata }) => {
      const list = metadata.find(([name]) => name === "tokenizer.ggml.tokens")?.[2] as string[];
      [list[65], list[66]] = [list[66], list[65]];
    }), "BAD_VOCABULARY", /256 bytes, in order.*\(65\)/],
  ];
  it.each(cases)("%s", async (_, make, code, says) => {
    const failure: unknown = await start(make(), {})
      .then(() => undefined, (error: unknown) => error);
    expect(failure).toMatchObject({ code });
    expect((failure as Error).message).toMatch(says);
  });
});
