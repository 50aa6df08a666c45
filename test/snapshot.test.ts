// Sessions as bytes: what is restored goes on with the same bits, in another instance and with
// another context; what is damaged, cut off or of another model is refused and leaves an empty
// session. And the id that tells models apart.
// Does not know: where snapshots are kept.

import { describe, expect, it } from "vitest";
import type { Engine } from "../host/engine";
import { NibbleError } from "../host/errors";
import { start } from "./forward/compare";
import {
  ggmlType, randomBytePool, randomModel, readGguf, xxh64, type RandomBytePoolShape,
} from "./reference";

const tokens = [256,
  ...Buffer.from("Once there was a small fox who could not sleep, and 7 owls. ")];
const more = [...Buffer.from("One night")];

const llama = randomModel({
  width: 64, layers: 2, heads: 4, kvHeads: 2, feedForward: 96, vocabulary: 272, context: 160,
  type: ggmlType.Q4_0, tied: true, seed: 31, tokenizer: "byte", headSize: 20,
});
const shape: RandomBytePoolShape = {
  local: { width: 64, heads: 2, kvHeads: 1, feedForward: 96 }, encoders: 1, decoders: 2,
  window: 24, trunk: { width: 96, heads: 3, kvHeads: 1, feedForward: 128 }, blocks: 2,
  rule: "space", patchLength: 16, ngramRows: 64, ngramOrders: [2, 3], context: 160,
  vocabulary: 272, type: ggmlType.Q4_0, seed: 32,
};
const pooled = randomBytePool(shape);

function feed(engine: Engine, all: readonly number[], session = 0): void {
  for (let at = 0; at < all.length; at += 32) {
    const slice = all.slice(at, at + 32);
    slice.forEach((token, i) =>
      engine.call((e) => e.push(session, token, i === slice.length - 1 ? 1 : 0)));
    engine.call((e) => e.run(-1));
  }
}

function logits(engine: Engine, session = 0): Buffer {
  const address = engine.call((e) => e.logitsAddress(session));
  return Buffer.from(engine.bytes(address, engine.fact("vocabulary") * 4));
}

function save(engine: Engine, session = 0): Buffer {
  engine.call((e) => e.saveBegin(session));
  const pieces: Buffer[] = [];
  for (;;) {
    const count = engine.call((e) => e.save());
    if (count === 0) return Buffer.concat(pieces);
    pieces.push(Buffer.from(engine.bytes(engine.exports.stagingAddress(), count)));
  }
}

/** In pieces of `size` bytes, as they may come from anywhere. */
function restore(engine: Engine, snapshot: Uint8Array, size = 65536, session = 0): void {
  engine.call((e) => e.restoreBegin(session));
  for (let at = 0; at < snapshot.length; at += size) {
    const piece = snapshot.subarray(at, at + size);
    engine.bytes(engine.exports.stagingAddress(), piece.length).set(piece);
    engine.call((e) => e.restore(piece.length));
  }
  engine.call((e) => e.restoreEnd());
}

describe.each([["llama", llama], ["byte-pooled", pooled]])("%s", (_, file) => {
  it.each([["int8"], ["f32"]] as const)("goes on with the same bits elsewhere, cache %s",
    async (cache) => {
      const first = await start(file, { cache });
      for (const length of [0, 1, 5, 31, 32, 33, 50, tokens.length]) {
        first.call((e) => e.rewind(0, 0));
        first.call((e) => e.seed(0, 7, 0));
        feed(first, tokens.slice(0, length));
        const snapshot = save(first);
        expect(save(first).equals(snapshot)).toBe(true);
        const second = await start(file, { cache, context: 100, sessions: 2 });
        feed(second, more, 1);
        restore(second, snapshot, 65536, 1);
        expect(second.call((e) => e.position(1))).toBe(length);
        if (length > 0) expect(logits(second, 1).equals(logits(first))).toBe(true);
        expect(save(second, 1).equals(snapshot)).toBe(true);
        feed(first, more);
        feed(second, more, 1);
        expect(logits(second, 1).equals(logits(first))).toBe(true);
        first.call((e) => e.configure(0, 1, 0, 1, 0, 1, 0));
        second.call((e) => e.configure(1, 1, 0, 1, 0, 1, 0));
        const picks = (engine: Engine, session: number): number[] =>
          Array.from({ length: 8 }, () => engine.call((e) => e.sample(session)));
        expect(picks(second, 1)).toEqual(picks(first, 0));
        second.call((e) => e.rewind(1, Math.floor(length / 2)));
        first.call((e) => e.rewind(0, Math.floor(length / 2)));
        feed(first, more);
        feed(second, more, 1);
        expect(logits(second, 1).equals(logits(first))).toBe(true);
      }
    });

  it("is the same bytes however the conversation came about", async () => {
    const engine = await start(file, { sessions: 2, context: 160 });
    feed(engine, tokens);
    const straight = save(engine);
    feed(engine, tokens.slice(0, 20), 1);
    feed(engine, more, 1);
    engine.call((e) => e.rewind(1, 20));
    for (const token of tokens.slice(20)) feed(engine, [token], 1);
    expect(save(engine, 1).equals(straight)).toBe(true);
  });

  it("takes pieces of any size", async () => {
    const engine = await start(file, {});
    feed(engine, tokens);
    const snapshot = save(engine);
    for (const size of [1, 7, 40, 1000]) {
      engine.call((e) => e.rewind(0, 0));
      restore(engine, snapshot, size);
      expect(engine.call((e) => e.position(0))).toBe(tokens.length);
    }
  });

  it("refuses what is damaged or cut off, and stays empty", async () => {
    const engine = await start(file, {});
    feed(engine, tokens);
    const snapshot = save(engine);
    const codeOf = (bytes: Uint8Array): string => {
      try {
        restore(engine, bytes);
        return "";
      } catch (error) {
        expect(engine.call((e) => e.position(0))).toBe(0);
        return (error as NibbleError).code;
      }
    };
    for (let at = 0; at < snapshot.length; at += at < 400 ? 1 : 97) {
      const bad = Buffer.from(snapshot);
      bad[at] ^= 0x55;
      expect(codeOf(bad), `byte ${at}`).toMatch(/SNAPSHOT/);
      expect(codeOf(snapshot.subarray(0, at)), `cut at ${at}`).toBe("SNAPSHOT_DAMAGED");
    }
    expect(codeOf(Buffer.concat([snapshot, Buffer.alloc(1)]))).toBe("SNAPSHOT_DAMAGED");
    expect(codeOf(Buffer.from("GGUF".repeat(100)))).toBe("NOT_SNAPSHOT");
    expect(codeOf(snapshot)).toBe("");
  });
});

describe("mirostat's mu", () => {
  /** Sets up the sampler without starting its random numbers, and draws. */
  const draw = (engine: Engine, count: number): number[] => {
    engine.call((e) => e.configure(0, 1, 0, 1, 0, 1, 0));
    engine.call((e) => e.refine(0, 0, 0, 0, 3, 0.3, 0, 0));
    return Array.from({ length: count }, () => engine.call((e) => e.sample(0)));
  };

  const begin = async (): Promise<Engine> => {
    const engine = await start(llama, {});
    engine.call((e) => e.seed(0, 7, 0));
    feed(engine, tokens);
    return engine;
  };

  /** The same with other bytes, and the check that belongs to them. */
  const changed = (snapshot: Buffer, change: (view: DataView) => void): Buffer => {
    const bytes = Buffer.from(snapshot);
    change(new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
    bytes.writeBigUInt64LE(xxh64(bytes.subarray(0, -8)), bytes.length - 8);
    return bytes;
  };

  it("goes along in version 2, and the draws go on with the same bits", async () => {
    const first = await begin();
    const plain = save(first);
    expect(plain.readUInt32LE(4)).toBe(1);
    draw(first, 20);
    const snapshot = save(first);
    expect(snapshot.readUInt32LE(4)).toBe(2);
    expect(snapshot.length).toBe(plain.length + 8);
    const second = await start(llama, {});
    draw(await begin(), 3);
    restore(second, snapshot, 13);
    expect(save(second).equals(snapshot)).toBe(true);
    const expected = draw(first, 40);
    expect(draw(second, 40)).toEqual(expected);
    // Without it they would not.
    const lost = changed(snapshot, (view) => view.setFloat64(snapshot.length - 16, 1e-9, true));
    restore(second, lost);
    expect(draw(second, 40)).not.toEqual(expected);
  });

  it("is where it begins after a snapshot of version 1, and after a seed", async () => {
    const engine = await begin();
    const plain = save(engine);
    const expected = draw(engine, 10);
    restore(engine, plain);
    expect(draw(engine, 10)).toEqual(expected);
    engine.call((e) => e.seed(0, 7, 0));
    expect(save(engine).equals(plain)).toBe(true);
  });

  it("is refused where it is no number, and so are versions to come", async () => {
    const engine = await begin();
    draw(engine, 5);
    const snapshot = save(engine);
    for (const drift of [NaN, Infinity, -Infinity]) {
      const bad = changed(snapshot, (view) => view.setFloat64(snapshot.length - 16, drift, true));
      expect(() => restore(engine, bad)).toThrow(/damaged/);
      expect(engine.call((e) => e.position(0))).toBe(0);
    }
    for (const version of [0, 3, 2 ** 32 - 1]) {
      const bad = changed(snapshot, (view) => view.setUint32(4, version, true));
      expect(() => restore(engine, bad)).toThrow(/version of the format/);
    }
    restore(engine, changed(snapshot, (view) => view.setFloat64(snapshot.length - 16, -1e300,
      true)));
    for (const token of draw(engine, 5)) expect(token).toBeLessThan(272);
  });
});

it("refuses another model, cache or weight type, and a context that is too short", async () => {
  const engine = await start(pooled, {});
  feed(engine, tokens);
  const snapshot = save(engine);
  const refusal = async (bytes: Uint8Array, options: object): Promise<string> => {
    const other = await start(bytes, options);
    try {
      restore(other, snapshot);
      return "";
    } catch (error) {
      return (error as NibbleError).message;
    }
  };
  expect(await refusal(llama, {})).toMatch(/another model/);
  expect(await refusal(pooled, { cache: "f32" })).toMatch(/cache or weight type/);
  expect(await refusal(pooled, { weights: "q8_0" })).toMatch(/cache or weight type/);
  expect(await refusal(pooled, { context: 60 })).toMatch(/61 positions, more than .* 60/);
  expect(await refusal(pooled, { context: 61 })).toBe("");
});

it("refuses an open patch behind a full cache of patches: rewinding could not end", async () => {
  const large = await start(pooled, { context: 160 });
  // 63 positions are planned 63 / 2 + 64 patches: 61 ends, each a patch, and an open one fit.
  feed(large, [...Array<number>(61).fill(257), 97, 97]);
  const fits = save(large);
  const small = await start(pooled, { context: 63 });
  restore(small, fits);
  small.call((e) => e.rewind(0, 62));
  expect(small.call((e) => e.position(0))).toBe(62);

  const wide = await start(randomBytePool({ ...shape, context: 512 }), { context: 512 });
  feed(wide, [...Array<number>(192).fill(257), 97, 97, 97]);
  const snapshot = save(wide);
  const narrow = await start(randomBytePool({ ...shape, context: 512 }), { context: 256 });
  expect(() => restore(narrow, snapshot)).toThrow(/positions, more than/);
  expect(narrow.call((e) => e.position(0))).toBe(0);
});

it("calls out of order are refused in words", async () => {
  const engine = await start(pooled, {});
  expect(() => engine.call((e) => e.save())).toThrow(/nothing is being saved/);
  expect(() => engine.call((e) => e.restore(0))).toThrow(/nothing is being restored/);
  expect(() => engine.call((e) => e.restoreEnd())).toThrow(/nothing is being restored/);
  expect(() => engine.call((e) => e.saveBegin(3))).toThrow(/Session 3 does not exist/);
  engine.call((e) => e.push(0, 65, 0));
  expect(() => engine.call((e) => e.saveBegin(0))).toThrow(/rows wait/);
});

describe("the id of a model", () => {
  it("the oracle knows the published values", () => {
    expect(xxh64(Buffer.from(""))).toBe(0xef46db3751d8e999n);
    expect(xxh64(Buffer.from("a"))).toBe(0xd24ec4f1a98c6e5bn);
    expect(xxh64(Buffer.from("abc"))).toBe(0x44bc2cf5ad770999n);
  });

  it("is XXH64 of header and data, however they come", async () => {
    for (const file of [llama, pooled]) {
      const { dataStart, headerEnd } = extentOf(file);
      const last = Math.max(...[...readGguf(file).tensors.values()]
        .map(({ bytes }) => bytes.byteOffset - file.byteOffset + bytes.length));
      const expected = xxh64(Buffer.concat([file.subarray(0, headerEnd),
        file.subarray(dataStart, last)]));
      const engine = await start(file, {});
      expect(BigInt.asUintN(64, engine.exports.id())).toBe(expected);
      const padded = await start(Buffer.concat([file, Buffer.alloc(100)]), {});
      expect(padded.exports.id()).toBe(engine.exports.id());
    }
  });
});

/** Where a file's header ends and its data begins. */
function extentOf(file: Uint8Array): { headerEnd: number; dataStart: number } {
  const first = Math.min(...[...readGguf(file).tensors.values()]
    .map(({ bytes }) => bytes.byteOffset - file.byteOffset));
  const name = "output_norm.weight"; // the last in the directory of both files
  const at = Buffer.from(file.buffer, file.byteOffset, first).lastIndexOf(name);
  return { dataStart: first, headerEnd: at + name.length + 4 + 8 + 4 + 8 };
}
