// What converting refuses, each in one sentence with a code, and that nothing is left behind: no
// file under the final name, no temporary one. Does not know: what a good conversion writes.

import { execFileSync } from "node:child_process";
import {
  cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createOutput, type OpenForWriting } from "../../host/cli/disk";
import { begin, expectSentence, nibble, result } from "../host/command";
import { putParts, splitFile } from "../host/parts";
import { checkpoint, folder } from "./folders";

let good: string;
beforeAll(() => {
  good = checkpoint("good", "mobilellm-125m", "--layers", "2", "--vocabulary", "400",
    "--shards", "2");
  checkpoint("bytes", "byte-llama", "--layers", "1");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A copy of a checkpoint with something wrong in it. */
function spoilt(name: string, spoil: (path: string) => void, from = good): string {
  const path = join(folder, name.replace(/\W+/g, "-"));
  cpSync(from, path, { recursive: true });
  spoil(path);
  return path;
}

type Json = Record<string, unknown>;

/** Changes a JSON file of a checkpoint. */
const changed = (file: string, change: (value: Json) => void) => (path: string): void => {
  const value = JSON.parse(readFileSync(join(path, file), "utf8")) as Json;
  change(value);
  writeFileSync(join(path, file), JSON.stringify(value));
};

const config = (settings: Json) =>
  changed("config.json", (value) => Object.assign(value, settings));
const shard = "model-00002-of-00002.safetensors";

/** Rewrites the header of a safetensors file; it keeps its length. */
const headerOf = (change: (text: string) => string) => (path: string): void => {
  const file = join(path, shard);
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE(0));
  const text = change(bytes.toString("utf8", 8, 8 + length));
  bytes.write(text.trimEnd().padEnd(length).slice(0, length), 8);
  writeFileSync(file, bytes);
};

/** Renames a tensor in file and index. */
const renamed = (from: string, to: string) => (path: string): void => {
  headerOf((text) => text.replace(from, to))(path);
  changed("model.safetensors.index.json", (value) => {
    const map = value["weight_map"] as Json;
    map[to] = map[from];
    delete map[from];
  })(path);
};

const q = "model.layers.1.self_attn.q_proj.weight";

const cases: [string, (path: string) => void, string, RegExp][] = [
  ["a missing shard", (path) => rmSync(join(path, shard)), "MISSING_SHARD", /no model-00002-of/],
  ["no weights", (path) => {
    rmSync(join(path, shard));
    rmSync(join(path, "model.safetensors.index.json"));
  }, "MISSING_SHARD", /no model\.safetensors and no/],
  ["a pickle", (path) => {
    rmSync(join(path, "model.safetensors.index.json"));
    writeFileSync(join(path, "pytorch_model.bin"), "");
  }, "MISSING_SHARD", /safetensors first/],
  ["a wrong shape", headerOf((text) => text.replace("[576,576]", "[577,576]")), "BAD_CHECKPOINT",
    /has 663552 bytes; its shape needs 664704/],
  ["another width", config({ intermediate_size: 1504 }), "WRONG_SHAPE",
    /mlp\.(gate|up|down)_proj.* is .*1536.*; config\.json makes it .*1504/],
  ["a tensor of another name", renamed(q, q.replace("q_proj", "s_proj")), "MISSING_TENSOR",
    /no tensor ".*q_proj/],
  ["an unknown tensor", config({ num_hidden_layers: 1 }), "UNKNOWN_TENSOR",
    /"model\.layers\.1\..*no place/],
  ["an index that names what is not there", changed("model.safetensors.index.json", (value) => {
    (value["weight_map"] as Json)["model.extra"] = shard;
  }), "MISSING_TENSOR", /"model\.extra"/],
  ["an index that leads elsewhere", changed("model.safetensors.index.json", (value) => {
    (value["weight_map"] as Json)["model.norm.weight"] = "../x.safetensors";
  }), "BAD_CHECKPOINT", /plain name/],
  ["a shard cut short", (path) => truncateSync(join(path, shard), 100_000), "BAD_CHECKPOINT",
    /has only 100000; download/],
  ["a Git LFS pointer", (path) => writeFileSync(join(path, shard), "version https://git-lfs\n"),
    "BAD_CHECKPOINT", /LFS pointer/],
  ["8-bit floats", headerOf((text) => text.replace('"BF16"', '"F8"')), "BAD_CHECKPOINT",
    /has type F8; F32, F16 and BF16/],
  ["a NaN", (path) => {
    const bytes = readFileSync(join(path, shard));
    bytes.writeUInt16LE(0x7fc0, bytes.length - 2000);
    writeFileSync(join(path, shard), bytes);
  }, "NON_FINITE_WEIGHT", /model-00002-of-00002.*NaN/],
  ["more tokens than rows", config({ vocab_size: 399 }), "WRONG_SHAPE", /embed_tokens.* 400 x/],
  ["a tokenizer of another model", (path) => {
    rmSync(join(path, "tokenizer.model"));
    cpSync(join(folder, "bytes", "tokenizer.json"), join(path, "tokenizer.json"));
    changed("tokenizer.json", (value) => {
      (value["added_tokens"] as Json[]).push({ id: 400, content: "<more>", special: true });
    })(path);
  }, "TOKENIZER_MISMATCH", /id 400, but the embedding has 400 rows/],
  ["no tokenizer", (path) => rmSync(join(path, "tokenizer.model")), "MISSING_TOKENIZER",
    /tokenizer\.json nor tokenizer\.model/],
  ["a damaged tokenizer", (path) => truncateSync(join(path, "tokenizer.model"), 1000),
    "BAD_CHECKPOINT", /tokenizer\.model.*cut off/],
  ["a unigram tokenizer", (path) => {
    const file = join(path, "tokenizer.model");
    const bytes = readFileSync(file);
    const trainer = bytes.lastIndexOf(Buffer.from([0x12, 2, 0x18, 2]));
    bytes[trainer + 3] = 1;
    writeFileSync(file, bytes);
  }, "UNSUPPORTED_TOKENIZER", /model type 1/],
  ["another family", config({ model_type: "gemma" }), "UNSUPPORTED_ARCHITECTURE", /"gemma"/],
  ["scaled positions", config({ rope_scaling: { type: "linear", factor: 2 } }),
    "UNSUPPORTED_FEATURE", /rope_scaling/],
  ["biases", config({ attention_bias: true }), "UNSUPPORTED_FEATURE", /attention_bias/],
  ["another activation", config({ hidden_act: "gelu" }), "UNSUPPORTED_FEATURE", /"gelu"/],
  ["no width", config({ hidden_size: undefined }), "BAD_CHECKPOINT", /no hidden_size/],
  ["an impossible count", config({ num_hidden_layers: -3 }), "BAD_CHECKPOINT", /layers is -3/],
  ["a config that is no JSON", (path) => writeFileSync(join(path, "config.json"), "<html>"),
    "BAD_CHECKPOINT", /not JSON/],
  ["neither one nor the other", (path) => rmSync(join(path, "config.json")), "NOT_A_CHECKPOINT",
    /neither a GGUF file nor a Hugging Face checkpoint/],
];

/** Runs a conversion that must fail, and looks at what it leaves behind. */
async function expectFailure(source: string, out: string, code: string, words: RegExp) {
  const failed = await nibble(["convert", source, out]);
  expectSentence(failed);
  expect(failed.stderr).toMatch(words);
  expect(failed.stderr).toContain(`[${code}]`);
  expect(failed.code).toBe(1);
  expect(readdirSync(folder).filter((name) => name.endsWith(".part"))).toEqual([]);
}

describe("a checkpoint with", () => {
  it.each(cases)("%s", async (name, spoil, code, words) => {
    const out = join(folder, "never.gguf");
    await expectFailure(spoilt(name, spoil), out, code, words);
    expect(existsSync(out)).toBe(false);
  });
});

describe("sources and outputs", () => {
  it("a source that is neither", async () => {
    writeFileSync(join(folder, "text.gguf"), "hello, I am a text");
    mkdirSync(join(folder, "empty"));
    const out = join(folder, "x.gguf");
    await expectFailure(join(folder, "text.gguf"), out, "NOT_GGUF", /not a GGUF/);
    await expectFailure(join(folder, "nowhere"), out, "FILE_NOT_FOUND", /exist/);
    await expectFailure(join(folder, "empty"), out, "NOT_A_CHECKPOINT", /neither/);
  });

  it("an output in a folder that is not there", async () => {
    await expectFailure(good, join(folder, "no", "x.gguf"), "OUTPUT_FOLDER_MISSING", /create it/);
  });

  it("an output that is the source, however it is written", async () => {
    const model = join(folder, "same.gguf");
    expect((await nibble(["convert", good, model])).code).toBe(0);
    const before = readFileSync(model);
    const again = join(folder, "bytes", "..", "same.gguf");
    await expectFailure(model, again, "OUTPUT_IS_INPUT", /another/);
    expect(readFileSync(model).equals(before)).toBe(true);
  });

  it("a model in parts that are missing, mixed up, or to be written over", async () => {
    const whole = join(folder, "whole.gguf");
    expect((await nibble(["convert", good, whole])).code).toBe(0);
    const parts = splitFile(readFileSync(whole), 3, [2, 5]);
    const [one, two, three] = parts;
    const out = join(folder, "x.gguf");
    await expectFailure(putParts(join(folder, "missing-part"), [one, undefined, three]), out,
      "FILE_NOT_FOUND", /00002-of-00003\.gguf does not exist/);
    await expectFailure(putParts(join(folder, "mixed-up"), [one, three, two]), out, "WRONG_PART",
      /00002-of-00003\.gguf: Part 1 /);
    await expectFailure(putParts(join(folder, "doubled"), [one, splitFile(readFileSync(whole), 3,
      [0, 5])[1], three]), out, "DUPLICATE_TENSOR", /00001-of-00003\.gguf: .*twice/);
    const first = putParts(join(folder, "parts"), parts);
    const second = first.replace("00001", "00002");
    await expectFailure(second, out, "SPLIT_FILE", /name the first one \(-00001-of-00003\)/);
    await expectFailure(first, second, "OUTPUT_IS_INPUT", /source itself/);
    expect(Buffer.compare(readFileSync(second), two as Uint8Array)).toBe(0);
  });

  it("arguments that make no sense", async () => {
    for (const args of [[], [good], [good, "x.bin"], [good, "x.gguf", "y"],
      [good, "x.gguf", "--type", "q3"], [good, "x.gguf", "--shard", "1"],
      [good, "x.gguf", "--shard", "many"]]) {
      const failed = await nibble(["convert", ...args]);
      expectSentence(failed);
      expect(failed.code, args.join(" ")).toBe(2);
    }
  });
});

describe("a disk", () => {
  /** Writes fail with ENOSPC after so many bytes. */
  const fullAfter = (bytes: number): OpenForWriting => async () => {
    let left = bytes;
    const failing = {
      async write(piece: Uint8Array) {
        if (left === 0) throw Object.assign(new Error("no space"), { code: "ENOSPC" });
        const bytesWritten = Math.min(left, piece.length);
        left -= bytesWritten;
        return { bytesWritten, buffer: piece };
      },
      sync: async () => undefined,
      close: async () => undefined,
    };
    return failing as unknown as Awaited<ReturnType<OpenForWriting>>;
  };

  it("that fills up while writing is a sentence", async () => {
    const output = await createOutput(join(folder, "full.gguf"), 1000, Infinity, fullAfter(300));
    await output.write(new Uint8Array(200));
    await expect(output.write(new Uint8Array(200))).rejects.toMatchObject({
      code: "DISK_FULL", message: expect.stringMatching(/full after 300 of the 1000/) as string,
    });
    await output.discard();
    expect(readdirSync(folder).filter((name) => name.endsWith(".part"))).toEqual([]);
  });

  it("that is too small is refused before the first byte", async () => {
    await expect(createOutput(join(folder, "huge.gguf"), 1e18)).rejects.toMatchObject(
      { code: "DISK_FULL", message: expect.stringMatching(/only \d+ are free/) as string });
  });

  const mount = join(folder, "mount");
  it("of a megabyte, in truth, where one can be mounted", async ({ skip }) => {
    mkdirSync(mount);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", mount], { stdio: "ignore" });
    } catch {
      skip("mounting is not allowed here");
    }
    try {
      const failed = await nibble(["convert", good, join(mount, "x.gguf")]);
      expectSentence(failed);
      expect(failed.stderr).toMatch(/\[DISK_FULL\]/);
      expect(readdirSync(mount)).toEqual([]);
    } finally {
      execFileSync("umount", [mount]);
    }
  });
});

it("Ctrl-C leaves nothing behind, and what was there before", async () => {
  const big = checkpoint("big", "smollm-135m", "--layers", "8", "--vocabulary", "20000");
  const out = join(folder, "stopped.gguf");
  writeFileSync(out, "what was there");
  const running = begin(["convert", big, out, "--type", "f32"]);
  const ended = result(running);
  const temporary = (): string[] => readdirSync(folder).filter((name) => name.endsWith(".part"));
  while (temporary().length === 0 && running.exitCode === null) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  running.kill("SIGINT");
  expect(await ended).toEqual({ code: 130, stdout: "", stderr: "" });
  expect(temporary()).toEqual([]);
  expect(readFileSync(out, "utf8")).toBe("what was there");
});
