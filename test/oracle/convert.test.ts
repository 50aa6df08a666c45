// Converted checkpoints before llama.cpp: it loads them unchanged, cuts text into the same tokens,
// and its logits are no nearer to the exact ones than the engine's. Layers are few unless
// NIBBLE_FULL is set, which runs the published sizes. Does not know: how files are converted.

import { execFileSync } from "node:child_process";
import {
  copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import type * as Library from "../../host/platform/node";
import {
  ggmlType, randomModel, readGguf, ReferenceModel, type RandomModelShape,
} from "../reference";
import { openLlama } from "./llama";

// By address, so that types come from the source and the code from dist/.
const address = new URL("../../dist/index.js", import.meta.url).href;
const { load } = await import(/* @vite-ignore */ address) as typeof Library;
const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "nibble-published-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Row = Float32Array | Float64Array;

/** Makes a checkpoint and converts it; returns the file. */
function converted(family: string, type: string, options: string[]): string {
  const source = join(folder, family);
  const out = join(folder, `${family}-${type}.gguf`);
  const run = (...args: string[]): void =>
    void execFileSync(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
  run(join(root, "scripts/checkpoint.mjs"), family, source, ...options);
  run(join(root, "dist/nibble.js"), "convert", source, out, "--type", type);
  return out;
}

/** Relative L2 error of all rows together. */
function errorOf(actual: readonly Row[], expected: readonly Row[]): number {
  let [difference, size] = [0, 0];
  expected.forEach((row, position) => row.forEach((value, i) => {
    difference += ((actual[position]?.[i] ?? NaN) - value) ** 2;
    size += value ** 2;
  }));
  return Math.sqrt(difference / size);
}

function logSoftmax(row: Row): Float64Array {
  const values = Float64Array.from(row);
  const largest = values.reduce((left, right) => Math.max(left, right), -Infinity);
  const sum = values.reduce((total, value) => total + Math.exp(value - largest), 0);
  return values.map((value) => value - largest - Math.log(sum));
}

/** Mean divergence of the distributions from the exact ones, in nats a position. */
function divergenceOf(actual: readonly Row[], expected: readonly Row[]): number {
  const sums = expected.map((row, position) => {
    const [p, q] = [logSoftmax(row), logSoftmax(actual[position] ?? [] as unknown as Row)];
    return p.reduce((sum, value, i) => sum + Math.exp(value) * (value - (q[i] ?? NaN)), 0);
  });
  return sums.reduce((sum, value) => sum + value, 0) / sums.length;
}

async function rowsOf(
  path: string, tokens: readonly number[], options: Library.LoadOptions = {},
): Promise<Float32Array[]> {
  using model = await load(path, { context: 64, ...options });
  using session = model.session();
  const rows: Float32Array[] = [];
  await session.evaluate(tokens, () => rows.push(session.logits()));
  return rows;
}

const isFull = process.env["NIBBLE_FULL"] !== undefined;
/** The f64 oracle takes minutes for the largest. */
const patience = isFull ? 900_000 : 180_000;
const few = isFull ? [] : ["--layers", "2"];
const families = ["smollm-135m", "smollm2-135m", "smollm-360m", "mobilellm-125m", "mobilellm-350m",
  "byte-llama", "odd-llama"];
const types = ["f32", "f16", "q8_0", "q4_0"];
const cases = families.flatMap((family) => (isFull ? ["q4_0"] : types)
  .map((type): [string, string] => [family, type]));

/** Compares engine and judge with the f64 oracle; returns the engine's error, and the judge's. */
async function judged(
  name: string, path: string, options: Library.LoadOptions = {},
): Promise<[number, number]> {
  const oracle = await openLlama(path, { contextSize: 256 });
  const tokens = Array.from({ length: 24 }, (_, i) => (i * 2003 + 1) % oracle.vocabularySize);
  const theirs = await oracle.logits(tokens);
  await oracle.dispose();
  const exact = new ReferenceModel(readFileSync(path)).forward(tokens).logits;
  const ours = await rowsOf(path, tokens, options);
  const [error, judge] = [errorOf(ours, exact), errorOf(theirs, exact)];
  const [divergence, other] = [divergenceOf(ours, exact), divergenceOf(theirs, exact)];
  console.log(`${name}: error ${error.toExponential(2)}, llama.cpp's ${judge.toExponential(2)}, `
    + `ratio ${(error / judge).toFixed(3)}, divergence ${divergence.toExponential(1)}, `
    + `llama.cpp's ${other.toExponential(1)}`);
  return [error, judge];
}

describe("logits against the exact ones", () => {
  // In f32 below 7e-7 instead: see below.
  it.each(cases)("%s in %s: at most 1.25 times llama.cpp's error", async (family, type) => {
    const path = converted(family, type, few);
    // The engine has no products of halves: unless told, F16 becomes Q8_0 while it loads.
    const options = type === "f16" ? { weights: "f32" } as const : {};
    const [error, judge] = await judged(`${family} ${type}`, path, options);
    // Where nothing is quantized, llama.cpp's rounding is that of the processor's lanes. Seen: at
    // most 5.8e-7, and 1.05e-6 with long sums.
    if (type === "f32") expect(error).toBeLessThan(7e-7);
    else expect(error / judge).toBeLessThanOrEqual(1.25);
  }, patience);

  const { Q4_0, Q4_K, Q5_0, Q5_1, Q6_K, Q8_0 } = ggmlType;
  const shape = { width: 576, layers: 2, heads: 9, kvHeads: 3, feedForward: 1536, vocabulary: 512,
    context: 256, tied: true, seed: 4, tokenizer: "spm" } as const;
  const mixtures: [string, Omit<RandomModelShape, keyof typeof shape>][] = [
    ["Q4_0 with an embedding in Q8_0", { type: Q4_0, embeddingType: Q8_0 }],
    ["Q4_K_M: Q5_0 and Q8_0 for rows of 576, Q6_K for those of 1536",
      { type: Q5_0, embeddingType: Q8_0, types: { attn_v: Q8_0, ffn_down: Q6_K } }],
    ["Q4_K_M: the blocks with Q4_K",
      { type: Q5_0, embeddingType: Q8_0, types: { ffn_down: Q4_K } }],
    ["Q5_K_M: Q5_1 and Q8_0", { type: Q5_1, embeddingType: Q8_0, types: { ffn_down: Q6_K } }],
  ];
  it.each(mixtures)("a published mixture, %s", async (name, types) => {
    const path = join(folder, "mixture.gguf");
    writeFileSync(path, randomModel({ ...shape, ...types }));
    const [error, judge] = await judged(name, path);
    expect(error / judge).toBeLessThanOrEqual(1.25);
  });

  it("MobileLLM-LS, which llama.cpp would run once: before the exact ones alone", async () => {
    const path = converted("mobilellm-ls-125m", "q4_0", few);
    const tokens = Array.from({ length: 24 }, (_, i) => (i * 2003 + 1) % 32000);
    const exact = new ReferenceModel(readFileSync(path)).forward(tokens).logits;
    const error = errorOf(await rowsOf(path, tokens), exact);
    console.log(`MobileLLM-LS: error ${error.toExponential(2)}`);
    expect(error).toBeLessThan(5e-2);
  }, patience);
});

describe("tokens", () => {
  const texts = ["Hello there", "  two  spaces\n\tand a tab", "123 4567 8",
    "Caf\u00e9 d\u00e9j\u00e0 vu", "\ud83d\ude80 unusual \u6f22\u5b57", "it's they'll WE'VE",
    "<|im_start|>user", "a", ""];
  it.each(["smollm2-135m", "mobilellm-125m", "byte-llama"])(
    "%s: llama.cpp cuts texts as the engine does", async (family) => {
      const path = converted(family, "q8_0", ["--layers", "1", "--vocabulary", "2000"]);
      const oracle = await openLlama(path, { contextSize: 256 });
      using model = await load(path);
      for (const text of texts) {
        expect(model.tokenize(text, { special: false }), text).toEqual(oracle.tokenize(text));
      }
      await oracle.dispose();
    });

  const real = fileURLToPath(new URL("../../../shared/models/smollm2-tokenizer/", import.meta.url));
  it.skipIf(!existsSync(real))("SmolLM2's own tokenizer, with known ids", async () => {
    const source = join(folder, "real");
    const out = join(folder, "real.gguf");
    const run = (...args: string[]): void =>
      void execFileSync(process.execPath, args, { stdio: "ignore" });
    run(join(root, "scripts/checkpoint.mjs"), "smollm2-135m", source, "--layers", "1");
    for (const file of ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"]) {
      copyFileSync(join(real, file), join(source, file));
    }
    run(join(root, "dist/nibble.js"), "convert", source, out);
    const { metadata } = readGguf(readFileSync(out));
    expect(metadata.get("tokenizer.ggml.pre")).toBe("smollm");
    expect(metadata.get("tokenizer.ggml.bos_token_id")).toBe(1);
    expect(metadata.get("tokenizer.ggml.eos_token_id")).toBe(2);
    expect(metadata.get("tokenizer.chat_template")).toBe(
      readFileSync(join(real, "chat_template.jinja"), "utf8"));
    const known: [string, string][] = [
      ["Hello, we can use", "19556 28 392 416 722"],
      ["The capital of France is", "504 3575 282 4649 314"],
      ["Hello world! 123", "19556 905 17 216 33 34 35"],
      ["Caf\u00e9 d\u00e9j\u00e0 vu.", "51 1939 2756 32564 90 16739 386 101 30"],
      ["  multiple   spaces", "216 2701 256 5600"],
      ["def fibonacci(n):", "1604 3987 46477 24 94 727"],
    ];
    const oracle = await openLlama(out, { contextSize: 256 });
    using model = await load(out);
    for (const [text, ids] of known) {
      expect(oracle.tokenize(text).join(" ")).toBe(ids);
      expect(model.tokenize(text).join(" ")).toBe(ids);
    }
    expect(oracle.tokenize("<|im_start|>", true)).toEqual([1]);
    await oracle.dispose();
  });
});
