// What the bench stands on: its models load, its cost model finds known costs, its plain loop
// multiplies rightly, its charts are whole. Nothing is timed.
// Does not know: what anything costs.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dequantize, ggmlType } from "./reference";

const root = fileURLToPath(new URL("../", import.meta.url));
const part = async <T>(path: string): Promise<T> =>
  await import(pathToFileURL(join(root, path)).href) as T;

interface Shape { vocabulary: number }
interface Matrix { name: string; rows: number; columns: number }
interface Model {
  session(): {
    feed(tokens: readonly number[]): Promise<number>;
    logits(): Float32Array;
  };
  dispose(): void;
}

const stack = { width: 96, heads: 3, kvHeads: 1, feedForward: 160 };
const llama = { architecture: "llama", stack, blocks: 2 };
const SHAPES: Record<string, object> = {
  words: { ...llama, title: "words", vocabulary: 300, tokenBytes: 4 },
  bytes: { ...llama, title: "bytes", vocabulary: 272, tokenBytes: 1 },
  patches: {
    architecture: "bytepool", title: "patches", local: stack, encoders: 1, decoders: 1,
    trunk: { ...stack, width: 192, heads: 6, kvHeads: 2 }, blocks: 2, ngramRows: 64,
    ngramOrders: [2, 3], window: 32, patchLength: 8, vocabulary: 272, tokenBytes: 1,
  },
};

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "nibble-bench-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a random model", () => {
  it.each(Object.keys(SHAPES))("of the form %s loads, and writes finite logits", async (name) => {
    const { writeGguf } = await part<{ writeGguf(shape: object, path: string): void }>(
      "bench/models/gguf.mjs");
    const { load } = await part<{ load(path: string, options: object): Promise<Model> }>(
      "dist/index.js");
    const path = join(folder, `${name}.gguf`);
    writeGguf(SHAPES[name], path);
    const model = await load(path, { context: 64 });
    const session = model.session();
    expect(await session.feed([100, 101, 32, 102, 103])).toBe(5);
    const logits = session.logits();
    expect(logits).toHaveLength((SHAPES[name] as Shape).vocabulary);
    expect(logits.every(Number.isFinite)).toBe(true);
    expect(new Set(logits).size).toBeGreaterThan(100);
    model.dispose();
  });

  it("whose vocabulary cannot spell a text is no failure of the bench of forms", async () => {
    const { writeGguf } = await part<{ writeGguf(shape: object, path: string): void }>(
      "bench/models/gguf.mjs");
    const path = join(folder, "unspelled.gguf");
    writeGguf(SHAPES["words"], path);
    const printed = execFileSync(process.execPath, [join(root, "bench/grammar.mjs"), path],
      { encoding: "utf8", stdio: "pipe" });
    expect(printed).toMatch(/json: compiled.*\n.*vocabulary of a trained model/);
    expect(printed).toMatch(/form: compiled.*\n.*vocabulary of a trained model/);
  });

  it("holds the same weights as its ONNX file", async () => {
    const { writeOnnx } = await part<{ writeOnnx(shape: object, path: string): void }>(
      "bench/peers/onnx.mjs");
    const { tensorsOf, blocksOf } = await part<{
      tensorsOf(shape: object): Matrix[]; blocksOf(matrix: Matrix): Uint8Array;
    }>("bench/models/tensors.mjs");
    const path = join(folder, "words.onnx");
    writeOnnx(SHAPES.words, path);
    const tensors = initializersOf(readFileSync(path));
    for (const matrix of tensorsOf(SHAPES.words).filter(({ rows }) => rows !== undefined)) {
      const count = matrix.rows * matrix.columns;
      const expected = dequantize(ggmlType.Q4_0, blocksOf(matrix), count);
      const nibbles = tensors.get(matrix.name);
      const scales = tensors.get(`${matrix.name} scales`);
      if (!nibbles || !scales) throw new Error(`there is no ${matrix.name}`);
      const scaleOf = new Float32Array(Uint8Array.from(scales).buffer);
      const found = Float32Array.from({ length: count }, (_, i) =>
        scaleOf[i >> 5] * (((nibbles[i >> 1] >> (4 * (i & 1))) & 15) - 8));
      expect(found).toEqual(Float32Array.from(expected));
    }
  });
});

/** Fields of a protobuf message that are messages, texts or bytes, by number. */
function* fieldsOf(bytes: Uint8Array): Generator<[number, Uint8Array]> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    if ((key & 7) === 0) varint();
    else if ((key & 7) === 5) at += 4;
    else {
      const length = varint();
      yield [key >> 3, bytes.subarray(at, at + length)];
      at += length;
    }
  }
}

/** The bytes of a model's initializers, by name. */
function initializersOf(model: Uint8Array): Map<string, Uint8Array> {
  const [GRAPH, INITIALIZER, NAME, DATA] = [7, 5, 8, 9];
  const inside = (bytes: Uint8Array, wanted: number): Uint8Array[] =>
    [...fieldsOf(bytes)].filter(([field]) => field === wanted).map(([, content]) => content);
  return new Map(inside(inside(model, GRAPH)[0], INITIALIZER).map((tensor) =>
    [Buffer.from(inside(tensor, NAME)[0]).toString(), inside(tensor, DATA)[0]]));
}

it("the cost model finds the costs that made the times", async () => {
  const { fit, relativeError } = await part<{
    fit(rows: number[][], targets: number[]): number[];
    relativeError(rows: number[][], targets: number[], coefficients: number[]): number;
  }>("bench/statistics.mjs");
  const rows = [[1, 2, 3], [1, 50, 1], [1, 8, 20], [1, 200, 7], [1, 30, 90]];
  const costs = [0.5, 0.02, 0.003];
  const times = rows.map((row) => row.reduce((sum, each, i) => sum + each * costs[i], 0));
  fit(rows, times).forEach((cost, i) => expect(cost).toBeCloseTo(costs[i], 9));
  expect(relativeError(rows, times, costs)).toBeLessThan(1e-12);
  // A term that would have to be negative is none.
  expect(fit([[1, 1], [1, 2], [1, 3]], [3, 2, 1])[1]).toBe(0);
});

it("the plain loop multiplies as f64 does", async () => {
  const { compileBench, openBench } = await part<{
    compileBench(): void;
    openBench(): {
      memory: WebAssembly.Memory;
      matvecPlain(
        out: number, x: number, scales: number, weights: number, rows: number, columns: number,
      ): void;
    };
  }>("bench/compile.mjs");
  const { blocksOf } = await part<{ blocksOf(matrix: Matrix): Uint8Array }>(
    "bench/models/tensors.mjs");
  compileBench();
  const { memory, matvecPlain } = openBench();
  const [rows, columns] = [5, 96];
  const blocks = blocksOf({ name: "any", rows, columns });
  const weights = dequantize(ggmlType.Q4_0, blocks, rows * columns);
  memory.grow(1);
  const [out, x, scales, at] = [65536, 66000, 66200, 66400];
  const numbers = Int8Array.from({ length: columns }, (_, i) => (i * 53) % 255 - 127);
  new Int8Array(memory.buffer).set(numbers, x);
  new Float32Array(memory.buffer).set([0.5, 0.25, 2], scales / 4);
  new Uint8Array(memory.buffer).set(blocks, at);
  matvecPlain(out, x, scales, at, rows, columns);
  new Float32Array(memory.buffer, out, rows).forEach((found, row) => {
    const exact = numbers.reduce((sum, number, i) =>
      sum + number * [0.5, 0.25, 2][i >> 5] * weights[row * columns + i], 0);
    expect(Math.abs(found - exact)).toBeLessThan(1e-4 * Math.max(1, Math.abs(exact)));
  });
}, 60_000);

it("charts name every bar and line, and close every element", async () => {
  const { barChart, lineChart } = await part<{
    barChart(chart: object): string; lineChart(chart: object): string;
  }>("bench/report/chart.mjs");
  const bars = barChart({ title: "a < b", note: "n", rows: [
    { name: "first & last", value: 10, min: 9, max: 12, kind: 0 },
    { name: "second", value: 1, min: 1, max: 1, kind: 1 }] });
  expect(bars).toContain("a &lt; b");
  expect(bars).toContain("first &amp; last");
  expect(bars.match(/<rect/g)).toHaveLength(2);
  const lines = lineChart({ title: "t", note: "n", xTitle: "x", marks: [1, 8],
    series: [{ name: "only", points: [[1, 100], [8, 1000]] }] });
  for (const chart of [bars, lines]) {
    expect(chart).toMatch(/prefers-color-scheme: dark/);
    expect(chart).not.toMatch(/NaN|undefined|Infinity/);
    expect(chart.match(/<text/g)?.length).toBe(chart.match(/<\/text>/g)?.length);
  }
});
