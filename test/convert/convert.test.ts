// Checkpoints become files that run as the checkpoints say: each family before an f64 oracle that
// read the checkpoint itself, each type of weights before ggml's reference quantizers, and files
// made from files. Does not know: llama.cpp, which judges the same files in test/oracle.

import { createHash } from "node:crypto";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { nibble, root } from "../host/command";
import { load } from "../host/library";
import { putParts, splitFile } from "../host/parts";
import {
  dequantize, ggmlType, quantize, readGguf, ReferenceModel, type GgufFile,
} from "../reference";
import { checkpoint, folder, ggufName, readTensors, unlacedFile } from "./folders";

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs `nibble convert` and expects success; returns the path of what was written. */
async function convert(source: string, name: string, ...options: string[]): Promise<string> {
  const out = join(folder, name);
  const result = await nibble(["convert", source, out, ...options]);
  expect(result.stderr).toBe("");
  expect(result.code).toBe(0);
  expect(result.stdout).toMatch(/^[^\n]+: \d+ bytes.*, sha256 [0-9a-f]{64}, [\d.]+ s\n$/);
  return out;
}

const fileOf = (path: string): GgufFile => readGguf(readFileSync(path));

function expectSame(actual: Uint8Array, expected: Uint8Array | undefined, name: string): void {
  expect(expected && Buffer.compare(actual, expected), name).toBe(0);
}

/** Relative L2 error of all rows together. */
function errorOf(actual: readonly Float32Array[], expected: readonly Float64Array[]): number {
  let [difference, size] = [0, 0];
  expected.forEach((row, position) => row.forEach((value, i) => {
    difference += ((actual[position]?.[i] ?? NaN) - value) ** 2;
    size += value ** 2;
  }));
  return Math.sqrt(difference / size);
}

async function logitsOf(path: string, tokens: readonly number[], weights?: "f32") {
  using model = await load(path, weights ? { weights } : {});
  using session = model.session();
  const rows: Float32Array[] = [];
  await session.evaluate(tokens, () => rows.push(session.logits()));
  return rows;
}

const small = ["--layers", "2", "--vocabulary", "512"];
const families: [string, string[]][] = [
  ["byte-llama", ["--layers", "2"]], ["odd-llama", []],
  ["mobilellm-125m", small], ["mobilellm-350m", small], ["mobilellm-ls-125m", small],
];

describe("every family", () => {
  // Positions far apart, so that the turning of q and k matters.
  const tokens = Array.from({ length: 40 }, (_, i) => (i * 37 + 5) % 260);
  it.each(families)("%s in F32 has the checkpoint's own logits", async (family, options) => {
    const source = checkpoint(`${family}-f32`, family, "--dtype", "F32", ...options);
    const out = await convert(source, `${family}-f32.gguf`, "--type", "f32");
    const exact = new ReferenceModel(unlacedFile(source), { rope: "halves" }).forward(tokens);
    // Seen: below 1e-6. Pairs turned the wrong way give errors above 0.1.
    expect(errorOf(await logitsOf(out, tokens), exact.logits)).toBeLessThan(1e-5);
    const wrong = new ReferenceModel(unlacedFile(source), { rope: "interleaved" }).forward(tokens);
    expect(errorOf(await logitsOf(out, tokens), wrong.logits)).toBeGreaterThan(1e-2);
  });

  it("MobileLLM-LS runs each block twice, with a cache for each time", async () => {
    const source = checkpoint("ls", "mobilellm-ls-125m", ...small);
    const out = await convert(source, "ls.gguf");
    expect(fileOf(out).metadata.get("llama.block_repeat")).toBe(2);
    using model = await load(out);
    expect(model.info.layers).toBe(4);
  });
});

describe("every type", () => {
  const types = [["f32", ggmlType.F32], ["f16", ggmlType.F16], ["q8_0", ggmlType.Q8_0],
    ["q4_0", ggmlType.Q4_0]] as const;
  const dtypes = ["F32", "F16", "BF16"];
  const pairs = types.flatMap((type) => dtypes.map((dtype) => [...type, dtype] as const));
  it.each(pairs)("%s (%i) of a checkpoint in %s holds ggml's blocks", async (name, type, dtype) => {
    const source = checkpoint(`types-${dtype}`, "odd-llama", "--dtype", dtype);
    const out = await convert(source, `types-${dtype}-${name}.gguf`, "--type", name, "--plain");
    const { tensors, metadata } = fileOf(out);
    expect(metadata.get("general.file_type")).toBe({ f32: 0, f16: 1, q8_0: 7, q4_0: 2 }[name]);
    for (const [label, { shape, values }] of readTensors(source)) {
      const tensor = tensors.get(ggufName(label));
      // Heads' rows change places; their numbers are judged by the logits.
      if (!tensor || /[qk]_proj/.test(label)) continue;
      const isHead = label === "lm_head.weight";
      const fits = shape.length === 2 && (shape[1] as number) % 32 === 0;
      const vectors = name === "f16" ? shape.length === 2 : fits;
      const expected = !vectors ? ggmlType.F32 : isHead && name === "q4_0" ? ggmlType.Q8_0 : type;
      expect(tensor.type, label).toBe(expected);
      expectSame(tensor.bytes, quantize(expected, values), label);
    }
  });

  it("q4_0 with searched scales is nearer to the weights in every block", async () => {
    const source = checkpoint("searched", "byte-llama", "--layers", "1");
    const [plain, searched] = [await convert(source, "plain.gguf", "--plain"),
      await convert(source, "searched.gguf")].map(fileOf) as [GgufFile, GgufFile];
    const label = "model.layers.0.mlp.gate_proj.weight";
    const { values } = readTensors(source).get(label) ?? { values: new Float32Array(0) };
    const errors = [plain, searched].map(({ tensors }) => {
      const { bytes } = tensors.get(ggufName(label)) ?? { bytes: new Uint8Array(0) };
      const back = dequantize(ggmlType.Q4_0, bytes, values.length);
      return Array.from({ length: values.length / 32 }, (_, block) => (
        values.subarray(block * 32, block * 32 + 32).reduce((sum, value, i) => (
          sum + (value - (back[block * 32 + i] as number)) ** 2), 0)));
    }) as [number[], number[]];
    const total = (all: number[]): number => all.reduce((sum, error) => sum + error, 0);
    errors[1].forEach((error, i) => {
      expect(error).toBeLessThanOrEqual((errors[0][i] as number) * 1.0001);
    });
    // Seen: 0.88.
    expect(total(errors[1]) / total(errors[0])).toBeLessThan(0.9);
  });

  it("--head sets the matrix that gives the logits", async () => {
    const source = checkpoint("head", "byte-llama", "--layers", "1");
    const { tensors } = fileOf(await convert(source, "head.gguf", "--head", "q4_0"));
    expect(tensors.get("token_embd.weight")?.type).toBe(ggmlType.Q4_0);
  });
});

describe("files of files", () => {
  it("F32 to q8_0 is the checkpoint to q8_0, byte for byte", async () => {
    const source = checkpoint("again", "mobilellm-125m", ...small);
    const whole = await convert(source, "again-f32.gguf", "--type", "f32");
    const direct = await convert(source, "again-direct.gguf", "--type", "q8_0");
    const through = await convert(whole, "again-through.gguf", "--type", "q8_0");
    const [a, b] = [fileOf(direct), fileOf(through)];
    expect([...b.tensors.values()].map(({ name, type, bytes }) => [name, type, bytes.length]))
      .toEqual([...a.tensors.values()].map(({ name, type, bytes }) => [name, type, bytes.length]));
    for (const [name, { bytes }] of a.tensors) {
      expectSame(bytes, b.tensors.get(name)?.bytes, name);
    }
    expect(new Map(b.metadata)).toEqual(new Map(a.metadata));
  });

  it("keeps the embedded model's bytes where types stay", async () => {
    const source = join(root, "models", "bytepool-10m.gguf");
    const out = await convert(source, "pool.gguf", "--head", "q4_0");
    const [before, after] = [fileOf(source), fileOf(out)];
    for (const [name, { bytes }] of before.tensors) {
      expectSame(bytes, after.tensors.get(name)?.bytes, name);
    }
  });
});

describe("a file in several parts", () => {
  it.each([
    ["two parts", 2, [5]], ["a first part without tensors", 3, [0, 7]],
    ["a last part without tensors", 3, [4, 20]],
  ] as [string, number, number[]][])("becomes what the whole one does: %s", async (
    name, count, cuts,
  ) => {
    const source = checkpoint("parts", "byte-llama", "--layers", "2");
    const whole = await convert(source, "unsplit.gguf", "--type", "f16");
    const first = putParts(join(folder, name.replace(/ /g, "-")),
      splitFile(readFileSync(whole), count, cuts));
    const joined = await convert(first, "joined.gguf");
    const expected = await convert(whole, "once.gguf");
    expect(Buffer.compare(readFileSync(joined), readFileSync(expected))).toBe(0);
  });
});

describe("a checkpoint in several files, a result in shards", () => {
  it("is the same model", async () => {
    const options = ["--layers", "2", "--vocabulary", "512", "--seed", "3"];
    const one = checkpoint("one", "mobilellm-125m", ...options);
    const three = checkpoint("three", "mobilellm-125m", ...options, "--shards", "3");
    expect(readdirSync(three).filter((name) => name.endsWith(".safetensors"))).toHaveLength(3);
    const [a, b] = [await convert(one, "one.gguf"), await convert(three, "three.gguf")];
    const other = fileOf(b);
    for (const [name, { bytes }] of fileOf(a).tensors) {
      expectSame(bytes, other.tensors.get(name)?.bytes, name);
    }
    await convert(one, "cut.gguf", "--shard", "1MiB");
    const list = JSON.parse(readFileSync(join(folder, "cut.shards.json"), "utf8")) as
      { size: number; shards: { file: string; size: number; sha256: string }[] };
    expect(list.size).toBe(readFileSync(a).length);
    expect(list.shards.length).toBe(Math.ceil(list.size / 2 ** 20));
    for (const { file, size, sha256 } of list.shards) {
      const piece = readFileSync(join(folder, file));
      expect([size, sha256]).toEqual([piece.length,
        createHash("sha256").update(piece).digest("hex")]);
    }
    const tokens = [1, 300, 301, 302];
    expect(await logitsOf(join(folder, "cut.shards.json"), tokens))
      .toEqual(await logitsOf(a, tokens));
    expect(readdirSync(folder).filter((name) => name.endsWith(".part"))).toEqual([]);
    expect(readdirSync(folder)).not.toContain("cut.gguf");
  });
});

it("an old result is replaced only by a whole one", async () => {
  const source = checkpoint("atomic", "byte-llama", "--layers", "1");
  const out = join(folder, "atomic.gguf");
  writeFileSync(out, "old");
  await convert(source, "atomic.gguf");
  expect(fileOf(out).tensors.size).toBe(11);
});

describe("calibration", () => {
  // What counts is the effect: a column that no input reaches may be rounded freely.
  it("spends no accuracy on columns that no input reaches", async () => {
    const source = checkpoint("calibrated", "byte-llama", "--layers", "1", "--dtype", "F32");
    // The gain of the norm before gate and up silences all but every fourth column.
    silence(source, "model.layers.0.post_attention_layernorm.weight", (i) => i % 4 !== 0);
    writeFileSync(join(folder, "text.txt"), "Some words to read, again and again. ".repeat(40));
    const plain = fileOf(await convert(source, "uncalibrated.gguf"));
    const weighed = fileOf(await convert(source, "calibrated.gguf", "--calibrate",
      join(folder, "text.txt")));
    const label = "model.layers.0.mlp.gate_proj.weight";
    const { values } = readTensors(source).get(label) ?? { values: new Float32Array(0) };
    const [before, after] = [plain, weighed].map(({ tensors }) => {
      const { bytes } = tensors.get(ggufName(label)) ?? { bytes: new Uint8Array(0) };
      return dequantize(ggmlType.Q4_0, bytes, values.length).reduce((sum, back, i) => (
        sum + (i % 4 === 0 ? (back - (values[i] as number)) ** 2 : 0)), 0);
    }) as [number, number];
    // Eight numbers of a block instead of 32 have a scale of their own. Seen: 0.60.
    expect(after / before).toBeLessThan(0.7);
  });

  it("goes with the search for q4_0 only, and needs a text", async () => {
    const source = checkpoint("uncalibrated", "byte-llama", "--layers", "1");
    const out = join(folder, "no.gguf");
    writeFileSync(join(folder, "empty.txt"), "");
    const args = ["convert", source, out, "--calibrate", join(folder, "empty.txt")];
    expect((await nibble([...args, "--type", "q8_0"])).code).toBe(2);
    expect((await nibble([...args, "--plain"])).code).toBe(2);
    expect((await nibble(args)).stderr).toContain("[CALIBRATION_EMPTY]");
    const missing = await nibble(["convert", source, out, "--calibrate", join(folder, "none")]);
    expect(missing.stderr).toContain("[FILE_NOT_FOUND]");
  });
});

/** Sets some numbers of a vector in a checkpoint to zero. */
function silence(path: string, name: string, isSilent: (index: number) => boolean): void {
  const file = join(path, "model.safetensors");
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + length)) as
    Record<string, { shape: [number]; data_offsets: [number, number] }>;
  const { shape: [count], data_offsets: [from] } = header[name]
    ?? { shape: [0], data_offsets: [0] };
  for (let i = 0; i < count; i++) if (isSilent(i)) bytes.writeFloatLE(0, 8 + length + from + 4 * i);
  writeFileSync(file, bytes);
}

describe("the tokenizer of a checkpoint", () => {
  it("of byte pairs becomes what llama.cpp's converter writes", async () => {
    const source = checkpoint("pairs", "smollm2-135m", "--layers", "1", "--vocabulary", "600");
    const settings = join(source, "tokenizer_config.json");
    const value = JSON.parse(readFileSync(settings, "utf8")) as Record<string, unknown>;
    // Padding beyond the embedding, and a template in its own file, which goes first.
    value["added_tokens_decoder"] = { 600: { content: "[PAD]", special: true } };
    value["pad_token"] = "[PAD]";
    value["eos_token"] = "<|endoftext|>";
    writeFileSync(settings, JSON.stringify(value));
    writeFileSync(join(source, "chat_template.jinja"), "{{ messages }}");
    const { metadata } = fileOf(await convert(source, "pairs.gguf"));
    const tokens = metadata.get("tokenizer.ggml.tokens") as string[];
    const types = metadata.get("tokenizer.ggml.token_type") as number[];
    const { model } = JSON.parse(readFileSync(join(source, "tokenizer.json"), "utf8")) as
      { model: { vocab: Record<string, number>; merges: string[] } };
    expect(tokens).toHaveLength(600);
    expect(Object.entries(model.vocab).every(([text, id]) => tokens[id] === text)).toBe(true);
    expect(metadata.get("tokenizer.ggml.merges")).toEqual(model.merges);
    expect(types.slice(0, 20)).toEqual([...Array<number>(17).fill(3), 1, 1, 1]);
    expect(Object.fromEntries([...metadata].filter(([key]) => (
      /tokenizer.*(model|pre|_id|add_\w+|template)$/.test(key))))).toEqual({
      "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm",
      "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2,
      "tokenizer.ggml.eot_token_id": 0, "tokenizer.ggml.unknown_token_id": 0,
      "tokenizer.ggml.add_bos_token": false, "tokenizer.ggml.add_space_prefix": false,
      "tokenizer.chat_template": "{{ messages }}",
    });
  });

  it("of SentencePiece keeps scores and kinds; rows without a token are unused", async () => {
    const source = checkpoint("pieces", "mobilellm-125m", "--layers", "1", "--vocabulary", "400");
    writeFileSync(join(source, "tokenizer_config.json"), JSON.stringify({
      added_tokens_decoder: { 399: { content: "<|turn|>", special: true } },
    }));
    const { metadata } = fileOf(await convert(source, "pieces.gguf"));
    const types = metadata.get("tokenizer.ggml.token_type") as number[];
    const scores = metadata.get("tokenizer.ggml.scores") as number[];
    expect(metadata.get("tokenizer.ggml.model")).toBe("llama");
    expect([0, 1, 2, 3, 258, 259, 399].map((id) => types[id])).toEqual([2, 3, 3, 6, 6, 1, 3]);
    expect(scores.slice(259, 262)).toEqual([0, -1, -2]);
    expect((metadata.get("tokenizer.ggml.tokens") as string[])[399]).toBe("<|turn|>");
  });
});

it("a context beyond the trained one is refused", async () => {
  const out = await convert(checkpoint("long", "byte-llama", "--layers", "1"), "long.gguf");
  const refused = await nibble(["run", out, "x", "--context", "1025"]);
  expect(refused.stderr).toMatch(/1025 positions.*allows 1 to 1024.*\[CONTEXT_TOO_LARGE\]/);
  const full = await nibble(["run", out, "x".repeat(1100)]);
  expect(full.stderr).toMatch(/^nibble: [^\n]+\n$/);
  expect(full.code).toBe(1);
});

it("loading grows the memory to the plan and no further", async () => {
  const source = checkpoint("plan", "mobilellm-125m", "--layers", "3", "--vocabulary", "8000");
  const out = await convert(source, "plan.gguf");
  const shown = await nibble(["show", out, "--json"]);
  const { memory } = JSON.parse(shown.stdout) as { memory: Record<string, number> };
  const parts = ["engine", "directory", "vocabulary", "weights", "cache", "scratch"]
    .reduce((sum, part) => sum + (memory[part] ?? NaN), 0);
  expect(memory["total"]).toBeLessThanOrEqual(parts + 65536);
  // Refused by a byte less, so what is planned is what is needed.
  const limit = `${(memory["total"] ?? 0) - 1}B`;
  expect((await nibble(["show", out, "--memory-limit", limit])).stderr).toContain("[MEMORY_LIMIT]");
});
