// Several threads on one engine: the same logits and texts as with one, at most as many as were
// asked for, one where memory cannot be shared, and none left behind. Does not know: how a thread
// is made; the platform does.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { fileOf, type Build } from "../../host/builds";
import { loadModel } from "../../host/open";
import { threadsFor, type ThreadHost } from "../../host/threads";
import { ggmlType, randomModel } from "../reference";
import { byteModel, load } from "./library";

/** So wide that its products are worth sharing; odd numbers of bands and heads. */
const wide = randomModel({
  width: 416, layers: 2, heads: 13, kvHeads: 13, feedForward: 1376, vocabulary: 300, context: 256,
  type: ggmlType.Q4_0, tied: true, seed: 11, tokenizer: "byte",
});
const text = "the quick brown fox jumps over the lazy dog, and then once more. ".repeat(3);
const dist = (file: string): string => fileURLToPath(new URL(`../../dist/${file}`,
  import.meta.url));

/** What a model of so many threads says: a prompt of many rows, then one row at a time. */
async function answers(file: Uint8Array, threads: number): Promise<string[]> {
  const model = await load(file, { threads });
  try {
    expect(model.info.threads).toBe(threads);
    const session = model.session();
    const hash = await session.hashLogits(model.tokenize(text));
    session.close();
    const { text: written } = await model.complete(text, { seed: 3, maxTokens: 24 });
    return [hash, written];
  } finally {
    model.dispose();
  }
}

describe("threads", () => {
  it("give the same logits and texts, however many they are", async () => {
    const alone = await answers(wide, 1);
    for (const threads of [2, 3, 4, 7]) expect(await answers(wide, threads)).toEqual(alone);
  }, 60_000);

  it("give the same where heads do not fill their vectors", async () => {
    for (const [width, heads] of [[288, 8], [320, 8]] as const) {
      const file = randomModel({
        width, layers: 1, heads, kvHeads: heads, feedForward: 640, vocabulary: 300,
        context: 256, type: ggmlType.Q8_0, tied: true, seed: 13, tokenizer: "byte",
      });
      const alone = await answers(file, 1);
      for (const threads of [2, 4]) expect(await answers(file, threads)).toEqual(alone);
    }
  }, 60_000);

  it("give the same with F32 and Q8_0 weights", async () => {
    for (const type of [ggmlType.F32, ggmlType.Q8_0]) {
      const file = randomModel({
        width: 256, layers: 1, heads: 4, kvHeads: 2, feedForward: 640, vocabulary: 300,
        context: 256, type, tied: false, seed: 12, tokenizer: "byte",
      });
      expect(await answers(file, 3)).toEqual(await answers(file, 1));
    }
  }, 60_000);

  it("end with the model", async () => {
    const before = process.getActiveResourcesInfo().filter((name) => name === "MessagePort").length;
    for (let i = 0; i < 4; i++) (await load(wide, { threads: 4 })).dispose();
    const left = (): number => process.getActiveResourcesInfo()
      .filter((name) => name === "MessagePort").length - before;
    for (let turn = 0; turn < 100 && left() > 0; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(left()).toBeLessThanOrEqual(0);
  }, 30_000);

  it("check the file's hash, and are let go when it is another", async () => {
    await expect(load(wide, { threads: 2, sha256: "0".repeat(64) }))
      .rejects.toMatchObject({ code: "SHA256_MISMATCH" });
    await expect(load(wide.subarray(0, wide.length - 99), { threads: 2 }))
      .rejects.toMatchObject({ code: "TENSOR_BEYOND_END" });
    await expect(load(wide, { threads: 2, memoryLimit: "1MB" }))
      .rejects.toMatchObject({ code: "MEMORY_LIMIT" });
  });
});

it("a load that is stopped while its threads start ends at once, whatever they do", async () => {
  const engines = {
    compile: (build: Build) => WebAssembly.compile(readFileSync(dist(fileOf(build)))),
    yieldNow: async () => undefined,
  };
  const starts = [() => new Promise<void>(() => undefined), async () => undefined,
    () => Promise.reject(new Error("it has ended"))];
  const warnings: string[] = [];
  for (const started of starts) {
    const stop = new AbortController();
    const threads: ThreadHost = {
      processors: () => 4, refusal: () => undefined, warn: (text) => void warnings.push(text),
      start: async () => {
        stop.abort();
        return started();
      },
    };
    // So small that all of it is there before threads are: nothing else would notice.
    const loading = loadModel({ ...engines, threads }, byteModel(),
      { threads: 2, signal: stop.signal });
    expect(await loading.catch((error: unknown) => error)).toBe(stop.signal.reason);
  }
  expect(warnings).toEqual([]);
});

it("a thread that cannot be started ends the load where threads were asked for", async () => {
  const platform = {
    compile: (build: Build) => WebAssembly.compile(readFileSync(dist(fileOf(build)))),
    yieldNow: async () => undefined,
    threads: {
      processors: () => 4, refusal: () => undefined, warn: () => undefined,
      start: () => Promise.reject(new Error("no more processes")),
    },
  };
  await expect(loadModel(platform, byteModel(), { threads: 2 })).rejects.toMatchObject({
    code: "WORKER_FAILED", message: expect.stringContaining("no more processes"),
  });
  // What the file's reader finds comes first, and the thread's failure goes unheard.
  await expect(loadModel(platform, byteModel(), { threads: 2, sha256: "0".repeat(64) }))
    .rejects.toMatchObject({ code: "SHA256_MISMATCH" });
});

describe("how many threads a model gets", () => {
  const warnings: string[] = [];
  const host = (processors: number, refusal?: string): ThreadHost => ({
    processors: () => processors, refusal: () => refusal,
    start: async () => undefined, warn: (sentence) => void warnings.push(sentence),
  });

  it("leaves a processor to others, and is four at most", () => {
    expect([1, 2, 3, 5, 64].map((count) => threadsFor(host(count), undefined, 1e8)))
      .toEqual([1, 1, 2, 4, 4]);
  });

  it("is one for small models, unless more were asked for", () => {
    expect(threadsFor(host(8), undefined, 1e7)).toBe(1);
    expect(threadsFor(host(8), 6, 1e7)).toBe(6);
  });

  it("is one where memory cannot be shared, which is said once", () => {
    expect(threadsFor(host(8, "it cannot"), 3, 1e8)).toBe(1);
    expect(threadsFor(host(8, "it cannot"), 3, 1e8)).toBe(1);
    expect(warnings).toEqual(["The model runs on one thread instead of 3: it cannot."]);
    expect(threadsFor(undefined, undefined, 1e8)).toBe(1);
    expect(() => threadsFor(undefined, 2, 1e8)).toThrow(/has no threads/);
  });

  it("is refused by the option's limits", async () => {
    for (const threads of [0, 17, 1.5]) {
      await expect(load(wide, { threads })).rejects.toMatchObject({ code: "BAD_OPTION" });
    }
  });
});

it("threads that begin late find the memory as it is: what is written at their start never changes",
  async () => {
    const bytes = readFileSync(dist("nibble-threads.wasm"));
    const memory = new WebAssembly.Memory({ initial: 100, maximum: 65536, shared: true });
    const start = (): WebAssembly.Instance =>
      new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
    const exports = start().exports as unknown as Record<string, (...args: unknown[]) => number>;
    const room = exports["headerRoom"]!(wide.length);
    new Uint8Array(memory.buffer).set(wide, room);
    exports["open"]!(wide.length, BigInt(wide.length));
    expect(exports["plan"]!(64, 1, -1, -1, 1, 0n)).toBe(0);
    const header = Number(exports["headerBytes"]!());
    const staging = exports["stagingAddress"]!();
    const size = exports["stagingBytes"]!();
    for (let at = header; at < wide.length; at += size) {
      const piece = wide.subarray(at, at + size);
      new Uint8Array(memory.buffer).set(piece, staging);
      expect(exports["write"]!(piece.length)).toBe(0);
    }
    expect(exports["finish"]!()).toBe(0);
    for (const token of [5, 6, 7]) {
      exports["push"]!(0, token, 1);
      expect(exports["run"]!(-1)).toBe(0);
    }
    const before = new Uint8Array(memory.buffer).slice();
    start();
    expect(Buffer.compare(before, new Uint8Array(memory.buffer).slice())).toBe(0);
  });
