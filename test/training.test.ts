// The trainer's own tests, and the gate between it and the engine: of one file, PyTorch and the
// engine compute the same logits. Where no Python has PyTorch, both skip.
// Does not know: how either of them computes.

import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { load } from "./host/library";

const training = fileURLToPath(new URL("../training", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "nibble-training-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** The first Python that has PyTorch. */
const python = ["python3", "/usr/bin/python3"].find((name) => (
  spawnSync(name, ["-c", "import torch"], { stdio: "ignore" }).status === 0));
const without = python === undefined ? " (skipped: no python3 here can import torch)" : "";

/** Runs Python in training/, on one thread; throws with what it printed when it fails. */
async function run(...args: string[]): Promise<string> {
  const env = { ...process.env, OMP_NUM_THREADS: "1" };
  const { stdout, stderr } = await promisify(execFile)(python ?? "", args, { cwd: training, env });
  return stdout + stderr;
}

/** Begins a document, has words, other scripts, long runs, roles, and more than one window. */
const tokens = [256, ...Buffer.from("The quick (brown) fox -- naïve, 日本語! -- jumped 12.5 m.\n\n"),
  258, ...Buffer.from("Who? aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), 257, 256, 259,
  ...Buffer.from("\"An owl\", she said; and it was one.    Et voilà…\0")];
const tokensPath = join(folder, "tokens.i32");
writeFileSync(tokensPath, new Uint8Array(Int32Array.from(tokens).buffer));

/** The logits of all positions, [tokens × vocabulary], by PyTorch. */
async function pytorchLogits(path: string): Promise<Float32Array> {
  const out = `${path}.f32`;
  await run("logits.py", path, tokensPath, out);
  return new Float32Array(new Uint8Array(readFileSync(out)).buffer);
}

/** The same, by the engine, in plain f32. */
async function engineLogits(path: string): Promise<Float32Array> {
  using model = await load(path, { weights: "f32", cache: "f32" });
  using session = model.session();
  const rows: Float32Array[] = [];
  await session.evaluate(tokens, () => rows.push(session.logits()));
  return Float32Array.from(rows.flatMap((row) => [...row]));
}

/** Largest difference, and largest number, of two lists. */
function compare(actual: Float32Array, expected: Float32Array): { error: number; size: number } {
  expect(actual.length).toBe(expected.length);
  let error = 0;
  let size = 0;
  expected.forEach((value, i) => {
    error = Math.max(error, Math.abs(value - (actual[i] ?? NaN)));
    size = Math.max(size, Math.abs(value));
  });
  return { error, size };
}

// Both compute in f32, in different orders. The largest seen is 1.1e-5, of logits of about 10.
const ERROR_MAX = 1e-3;

describe.skipIf(python === undefined)(`a trained file${without}`, () => {
  const cases: [name: string, args: string[]][] = [
    ["bytepool, rule space", ["--config", "bytepool-tiny"]],
    ["bytepool, rule fixed", ["--config", "bytepool-tiny", "--set", "patch_rule=fixed", "--set",
      "patch_length=4"]],
    ["bytepool, without n-grams, shared blocks", ["--config", "bytepool-tiny", "--set",
      "ngram_rows=0", "--set", "repeat=2"]],
    ["llama", ["--config", "llama-tiny"]],
    ["bytepool, int4 weights", ["--config", "bytepool-tiny", "--type", "q4_0"]],
  ];
  it.each(cases)("has the same logits in PyTorch and in the engine: %s", async (name, args) => {
    const path = join(folder, `${name.replace(/\W+/g, "-")}.gguf`);
    await run("untrained.py", path, ...args);
    const { error, size } = compare(await engineLogits(path), await pytorchLogits(path));
    expect(size).toBeGreaterThan(4);
    expect(error).toBeLessThan(ERROR_MAX);
  });
});

describe.skipIf(python === undefined)(`the trainer${without}`, () => {
  it("passes its own tests", async () => {
    expect(await run("-m", "unittest")).toMatch(/\nOK\n$/);
  }, 300_000);
});
