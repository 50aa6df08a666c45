// The program without JavaScript against the Node command: the same bytes, the same exit codes, and
// sentences for everything that goes wrong.
// Does not know: how either of them works.

import { execFileSync, spawn } from "node:child_process";
import {
  closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectSentence, folder, nibble, result, root, type Result } from "./host/command";
import { byteModel, wordModel } from "./host/library";
import { byteAlphabet, ggmlType, randomBytePool, writeGguf } from "./reference";

const program = join(root, "dist", "nibble-wasi.wasm");
const launcher = join(root, "test", "platforms", "wasi", "node.mjs");
const stories = join(root, "..", "shared", "models", "stories260K", "stories260Ktok512.gguf");
/** What the runtimes that are named in the README have in any case. */
const CALLS = /^(args_(get|sizes_get)|fd_\w+|path_open|random_get|proc_exit)$/;

const words = wordModel();
const models: Record<string, Uint8Array> = {
  "words.gguf": words,
  "bytes.gguf": byteModel(),
  "wide.gguf": byteModel({ width: 128, heads: 4, feedForward: 160, seed: 5 }),
  "plain.gguf": wordModel({ type: ggmlType.F32 }),
  "patches.gguf": randomBytePool({
    local: { width: 64, heads: 1, kvHeads: 1, feedForward: 96 },
    trunk: { width: 96, heads: 3, kvHeads: 1, feedForward: 160 },
    blocks: 2, encoders: 1, decoders: 2, window: 32, rule: "space", patchLength: 8,
    ngramRows: 64, ngramOrders: [2, 3], context: 256, vocabulary: 272, type: ggmlType.Q4_0, seed: 9,
  }),
  "pairs.gguf": writeGguf({ tensors: [], metadata: [
    ["tokenizer.ggml.model", "string", "gpt2"],
    ["tokenizer.ggml.pre", "string", "smollm"],
    ["tokenizer.ggml.tokens", "string[]", [...byteAlphabet(), "he", "ll", "llo", "hello", "Ġa"]],
    ["tokenizer.ggml.merges", "string[]", ["h e", "l l", "ll o", "he llo", "Ġ a"]],
  ] }),
  "model.bin": words,
  "cut.gguf": words.subarray(0, words.length - 1000),
  "header.gguf": words.subarray(0, 2000),
  "text.gguf": Buffer.from("hello there"),
  "page.gguf": Buffer.from("<!doctype html>"),
  "empty.gguf": new Uint8Array(0),
};
for (const [name, bytes] of Object.entries(models)) writeFileSync(join(folder, name), bytes);
mkdirSync(join(folder, "folder.gguf"));
writeFileSync(join(folder, "folder.gguf", "inner.gguf"), words);
afterAll(() => rmSync(folder, { recursive: true }));

/** The program in the folder of the models. */
function wasi(
  args: string[], input: string | Buffer = "", file = program,
): Promise<Result> {
  const child = spawn(process.execPath, ["--no-warnings", launcher, file, ...args],
    { cwd: folder });
  child.stdin.on("error", () => undefined); // it need not read to the end
  child.stdin.end(input);
  return result(child);
}

/** Both programs, which must agree in everything; returns what they did. */
async function agree(args: string[], input: string | Buffer = ""): Promise<Result> {
  const [own, node] = await Promise.all([wasi(args, input), nibble(args, input)]);
  expect(own, args.join(" ").slice(0, 200)).toEqual(node);
  return own;
}

describe("the program's file", () => {
  const module = new WebAssembly.Module(readFileSync(program));

  it("imports only calls of preview 1 that every runtime has", () => {
    const imports = WebAssembly.Module.imports(module);
    expect(imports.filter(({ module: from, kind, name }) => (
      from !== "wasi_snapshot_preview1" || kind !== "function" || !CALLS.test(name)))).toEqual([]);
    expect(imports.length).toBeLessThanOrEqual(13);
  });

  it("exports its memory and its start", () => {
    expect(WebAssembly.Module.exports(module).map(({ name }) => name).sort())
      .toEqual(["_start", "memory"]);
  });
});

describe("run writes what the Node command writes", () => {
  const cases: [string, string[]][] = [
    ["with a seed", ["words.gguf", "Once upon a time", "--seed", "7", "-n", "60"]],
    ["greedily", ["words.gguf", "The cat", "--temp", "0", "-n", "40"]],
    ["bytes that are no characters", ["bytes.gguf", "Once", "--seed", "3", "-n", "120"]],
    ["hot", ["bytes.gguf", "x", "--seed", "9007199254740991", "--temp", "1.7", "-n", "99"]],
    ["with every sampler", ["words.gguf", "a", "--seed", "5", "--temp", "1.25", "--top-k", "11",
      "--top-p", "0.7", "--min-p", "1e-2", "--repeat-penalty", "1.3", "-n", "50"]],
    ["without top-k and top-p", ["words.gguf", "a", "--seed", "5", "--top-k", "0", "--top-p", "1",
      "--min-p", ".001", "-n", "50"]],
    ["seeds in other clothes", ["words.gguf", "a", "--seed", " 0x1F ", "-n", "+20"]],
    ["numbers with exponents", ["words.gguf", "a", "--seed", "12e2", "-n", "2.0e1", "--temp",
      "0.0125e2", "--min-p", "00100.50E-4"]],
    ["numbers of many digits", ["words.gguf", "a", "--seed", "9007199254740991.0", "-n", "20",
      "--temp", "0.700000000000000000000000000001", "--top-p", ".9499999999999999999999e+0"]],
    ["until the context is full", ["bytes.gguf", "ab", "--seed", "1", "--context", "40",
      "-n", "1000"]],
    ["with an f32 cache", ["wide.gguf", "Once", "--seed", "2", "--cache", "f32", "-n", "30"]],
    ["with converted weights", ["wide.gguf", "Once", "--seed", "2", "--weights", "q8_0",
      "-n", "30"]],
    ["from an F32 model", ["plain.gguf", "Once", "--seed", "2", "-n", "30"]],
    ["bytes in patches", ["patches.gguf", "Once upon a time", "--seed", "2", "-n", "150"]],
    ["nothing for -n 0", ["words.gguf", "just this", "-n", "0"]],
    ["a prompt that ends its line", ["words.gguf", "just this\n", "-n", "0"]],
    ["an empty prompt", ["words.gguf", "", "--seed", "4", "-n", "20"]],
    ["characters of all lengths", ["words.gguf", "\u00e9 \u20ac \u{1f642}", "--seed", "4",
      "-n", "20"]],
    ["the model behind -m", ["-m", "model.bin", "Once", "--seed", "4", "-n9"]],
    ["options first and last", ["--seed=4", "words.gguf", "Once", "--max-tokens=9"]],
    ["a prompt behind --", ["-n", "5", "--seed", "4", "--model=words.gguf", "--", "--json"]],
    ["a path with dots", ["./words.gguf", "Once", "--seed", "4", "-n", "5"]],
    ["a path in a folder", ["folder.gguf/inner.gguf", "Once", "--seed", "4", "-n", "5"]],
    ["a whole path", [join(folder, "words.gguf"), "Once", "--seed", "4", "-n", "5"]],
    ["no stop that never comes", ["bytes.gguf", "Once", "--seed", "3", "-n", "50",
      "--stop", "\u{1f642}\u{1f642}", "--stop", "zzzz"]],
  ];
  it.each(cases)("%s", async (_, args) => {
    const { code, stderr } = await agree(["run", ...args]);
    expect([code, stderr]).toEqual([0, ""]);
  });

  it("up to a stop sequence", async () => {
    const args = ["run", "words.gguf", "Once upon", "--seed", "5", "-n", "40"];
    const text = (await agree(args)).stdout.slice("Once upon".length);
    for (const length of [1, 2, 5]) {
      const stop = text.slice(7, 7 + length);
      const { stdout } = await agree([...args, "--stop", "\u{1f642}", "--stop", stop,
        "--stop", text.slice(7, 8 + length)]);
      expect(stdout).toBe(`Once upon${text.slice(0, text.indexOf(stop))}\n`);
    }
  });

  it("with a prompt on standard input, named - or not", async () => {
    const args = ["--seed", "4", "-n", "12"];
    await agree(["run", "words.gguf", "-", ...args], "Once upon\n");
    await agree(["run", "words.gguf", ...args], "Once upon\r\n");
    await agree(["run", "words.gguf", ...args]);
    await agree(["run", "words.gguf", ...args], "\ufeff\u{1f642} two\nlines\n\n");
    const broken = [0x41, 0xc3, 0x28, 0xe2, 0x82, 0x41, 0xf0, 0x9f, 0x99, 0xed, 0xa0, 0x80, 0xff];
    await agree(["run", "words.gguf", ...args], Buffer.from(broken));
    await agree(["logits", "bytes.gguf", "-"], "a ".repeat(100));
  });

  it("with another seed each time when none is given", async () => {
    const args = ["run", "bytes.gguf", "a", "--temp", "2", "--top-k", "0", "-n", "40"];
    const texts = await Promise.all([wasi(args), wasi(args)]);
    expect(texts.map(({ code }) => code)).toEqual([0, 0]);
    expect(texts[0]?.stdout).not.toBe(texts[1]?.stdout);
  });

  it("and nothing but whole characters", async () => {
    const { stdout } = await wasi(["run", "bytes.gguf", "", "--seed", "6", "--temp", "3",
      "--top-k", "0", "--top-p", "1", "--min-p", "0", "-n", "200"]);
    expect(stdout).toContain("\ufffd");
    const strict = new TextDecoder("utf-8", { fatal: true });
    expect(strict.decode(Buffer.from(stdout)).length).toBeGreaterThan(50);
  });
});

describe("logits has the hash of the Node command", () => {
  const prompt = "The quick brown fox jumps over the lazy dog. ".repeat(2);
  it.each([
    ["words.gguf", prompt], ["bytes.gguf", prompt, "--json"], ["words.gguf", prompt, "--rows", "1"],
    ["wide.gguf", prompt, "--cache", "f32", "--context", "100"], ["plain.gguf", prompt, "--json"],
    ["wide.gguf", prompt, "--weights", "f32", "--rows", "7"], ["bytes.gguf", ""],
    ["patches.gguf", prompt, "--rows", "5"],
  ])("%s", async (...args) => {
    const { code } = await agree(["logits", ...args]);
    expect(code).toBe(0);
  });
});

describe("tokenize gives the tokens of the Node command", () => {
  const text = "Hello \"wörld\"\\ 🙂漢 <s></s><|end|> \ttabs\n\x01\x7f\u2028 12";
  it.each([
    ["words.gguf", text], ["words.gguf", text, "--json"], ["bytes.gguf", text, "--trusted"],
    ["words.gguf", text, "--json", "--trusted"], ["bytes.gguf", "", "--json"],
    ["pairs.gguf", text, "--json"], ["pairs.gguf", "say hello hello"], ["pairs.gguf", ""],
  ])("%s", async (...args) => {
    const { code, stdout } = await agree(["tokenize", ...args]);
    expect(code).toBe(0);
    if (args.includes("--json")) expect(Object.keys(JSON.parse(stdout))).toEqual(["ids", "pieces"]);
  });

  it("of standard input, more than any context takes", async () => {
    const input = "a hello of many words\n".repeat(20_000);
    const { code, stdout } = await agree(["tokenize", "pairs.gguf", "--json", "-"], input);
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { pieces: string[] }).pieces.join("")).toBe(input.slice(0, -1));
  });

  it("of a file with nothing but a vocabulary, which runs nothing else", async () => {
    for (const name of ["run", "logits"]) {
      const failed = await agree([name, "pairs.gguf", "hello"]);
      expect(failed).toMatchObject({ code: 1, stderr: expect.stringMatching(/VOCABULARY_ONLY/) });
    }
  });
});

describe("show", () => {
  const files = ["words.gguf", "bytes.gguf", "plain.gguf", "patches.gguf"];
  it.each(files)("%s: lines of the Node command", async (file) => {
    const args = ["show", file, "--context", "100"];
    const [own, node] = await Promise.all([wasi(args), nibble(args)]);
    expect([own.code, own.stderr]).toEqual([0, ""]);
    // The program itself takes another amount of memory.
    const lines = own.stdout.split("\n").filter((line) => !/^ {2}(engine|total) /.test(line));
    expect(lines.length).toBeGreaterThan(10);
    expect(node.stdout.split("\n")).toEqual(expect.arrayContaining(lines));
    expect(own.stdout).toMatch(/\n {2}total +[\d,]{7,} bytes\n$/);
  });
});

describe.skipIf(!existsSync(stories))("stories260K (needs ../shared/models)", () => {
  it("tells the same story", async () => {
    const args = ["run", stories, "Once upon a time"];
    const { stdout } = await agree([...args, "-n", "100", "--seed", "7"]);
    expect(stdout.length).toBeGreaterThan(150);
    await agree([...args, "-n", "60", "--temp", "0"]);
    await agree(["logits", stories, "Once upon a time, there was a little girl", "--json"]);
    await agree(["logits", stories, "One day", "--cache", "int8", "--rows", "3"]);
  });
});

describe("a program with a model inside", () => {
  const file = join(folder, "story.wasm");
  const story = (args: string[], input = ""): Promise<Result> => wasi(args, input, file);
  beforeAll(() => execFileSync(process.execPath, [join(root, "scripts", "build.mjs"), "story",
    join(folder, "words.gguf"), file], { cwd: root, stdio: "pipe" }));

  it("imports no more than the other", () => {
    const importsOf = (path: string): string[] => WebAssembly.Module.imports(
      new WebAssembly.Module(readFileSync(path))).map(({ module, name }) => `${module}.${name}`);
    expect(importsOf(file).sort()).toEqual(importsOf(program).sort());
  });

  it("tells a story to whoever starts it", async () => {
    const args = ["Once upon", "--seed", "7", "-n", "30"];
    const told = await nibble(["run", "words.gguf", ...args]);
    expect(await story(args)).toEqual(told);
    expect(await story(["run", ...args])).toEqual(told);
    expect(await story(["--seed", "7", "-n", "30"], "Once upon\n")).toEqual(told);
    expect(await story(["logits", "Once"])).toEqual(await nibble(["logits", "words.gguf", "Once"]));
    expect((await story(["show"])).stdout).toContain("400 tokens (sentencepiece)");
  });

  it("still reads files, and fails as the other does", async () => {
    const args = ["bytes.gguf", "x", "--seed", "7", "-n", "30"];
    expect(await story(args)).toEqual(await nibble(["run", ...args]));
    expect(await story(["none.gguf", "x"])).toEqual(await nibble(["run", "none.gguf", "x"]));
    for (const wrong of [["a", "b"], ["a", "-n", "many"], ["a", "--context", "999"]]) {
      const failed = await story(wrong);
      expect(failed.code).toBe((await nibble(["run", "words.gguf", ...wrong])).code);
      expectSentence(failed);
    }
  });
});

describe("failures are those of the Node command", () => {
  const cases: [number, string[]][] = [
    [1, ["run", "none.gguf", "x"]], [1, ["show", "-m", "folder.gguf"]],
    [1, ["run", "words.gguf/x.gguf", "x"]],
    [1, ["show", "cut.gguf"]], [1, ["run", "header.gguf", "x"]], [1, ["show", "text.gguf"]],
    [1, ["show", "page.gguf"]], [1, ["logits", "empty.gguf", "x"]],
    [1, ["show", "words.gguf", "--context", "257"]],
    [1, ["run", "words.gguf", "x y ".repeat(500)]], [1, ["logits", "bytes.gguf", "x".repeat(257)]],
    [1, ["show", "-m", ""]],
    [2, ["run", "words.gguf", "hi", "-n", "many"]], [2, ["run", "words.gguf", "hi", "--seed", ""]],
    [2, ["run", "words.gguf", "hi", "--top-p", "2"]], [2, ["run", "words.gguf", "hi", "-n", "1.5"]],
    [2, ["run", "words.gguf", "hi", "--temp", "Infinity"]],
    [2, ["run", "words.gguf", "--top-p=2.0"]],
    [2, ["run", "words.gguf", "hi", "--min-p=-1e1"]],
    [2, ["run", "words.gguf", "hi", "--repeat-penalty", "0.05"]],
    [2, ["run", "words.gguf", "hi", "--stop", ""]],
    [2, ["run", "words.gguf", "hi", "--stop", "x".repeat(257)]],
    [2, ["run", "words.gguf", "hi", ...Array.from({ length: 17 }, () => "--stop=x")]],
    [2, ["show", "words.gguf", "--weights", "q5_0"]], [2, ["show", "words.gguf", "--cache", "f16"]],
    [2, ["show", "words.gguf", "--memory-limit", "lots"]],
    [2, ["logits", "words.gguf", "hi", "--rows", "33"]],
    [2, ["logits", "words.gguf", "hi", "--rows", "1.5"]],
    [2, ["run", "words.gguf", "Once", "upon"]], [2, ["show", "words.gguf", "what"]],
  ];
  it.each(cases)("%i: %j", async (code, args) => {
    const failed = await agree(args);
    expect(failed.code).toBe(code);
    expectSentence(failed);
  });

  it("several threads, which only hosts have", async () => {
    const failed = await wasi(["run", "words.gguf", "hi", "--threads", "2"]);
    expect(failed.code).toBe(2);
    expectSentence(failed);
    expect((await wasi(["run", "words.gguf", "hi", "--threads", "1", "-n", "1"])).code).toBe(0);
  });

  it("a memory limit, with sizes of its own", async () => {
    const failed = await wasi(["show", "words.gguf", "--memory-limit", "100KB"]);
    expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining("[MEMORY_LIMIT]")]);
    expectSentence(failed);
    expect((await wasi(["show", "words.gguf", "--memory-limit", " 1.5 GB"])).code).toBe(0);
  });
});

describe("failures in words of its own", () => {
  const cases: [string, number, string[], string][] = [
    ["an unknown option", 2, ["run", "words.gguf", "hi", "--temprature", "1"], "--temprature"],
    ["an unknown letter", 2, ["run", "words.gguf", "hi", "-x"], "-x"],
    ["an option of another command", 2, ["show", "words.gguf", "--rows", "1"], "--rows"],
    ["an option without its value", 2, ["run", "words.gguf", "hi", "-n"], "max-tokens"],
    ["an option in place of a value", 2, ["run", "words.gguf", "hi", "--seed", "-5"], "seed"],
    ["an option twice", 2, ["run", "words.gguf", "hi", "-n", "1", "--max-tokens=2"], "twice"],
    ["a flag with a value", 2, ["logits", "words.gguf", "hi", "--json=1"], "json"],
    ["no model", 1, ["run", "Once"], "MODEL_REQUIRED"],
    ["an address", 1, ["run", "http://127.0.0.1/x.gguf", "hi"], "BAD_SOURCE"],
    ["too many arguments", 2, ["run", ...Array.from({ length: 300 }, () => "x")], "standard input"],
    ["a long argument", 2, ["run", "words.gguf", "x".repeat(131000)], "standard input"],
    ["a way out of its folders", 1, ["run", "../words.gguf", "hi"], "words.gguf"],
    ["controls in a name", 1, ["run", "a\u001b[2Jb.gguf", "hi"], "a?[2Jb.gguf"],
  ];
  it.each(cases)("%s", async (_, code, args, word) => {
    const failed = await wasi(args);
    expect([failed.code, failed.stderr]).toEqual([code, expect.stringContaining(word)]);
    expectSentence(failed);
  });

  it("without a command, or an unknown one, how it is used", async () => {
    for (const args of [[], ["rnu"], ["eval", "words.gguf"]]) {
      const { code, stdout, stderr } = await wasi(args);
      expect([code, stdout]).toEqual([2, ""]);
      expect(stderr).toContain("nibble run");
    }
    for (const args of [["--help"], ["run", "-h"], ["logits", "words.gguf", "--help"]]) {
      const { code, stdout, stderr } = await wasi(args);
      expect([code, stderr]).toEqual([0, ""]);
      expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
    }
  });

  it("is quiet when its reader has seen enough", async () => {
    const child = spawn("bash", ["-c", '"$0" --no-warnings "$1" "$2" run bytes.gguf a --seed 1 '
      + '-n 250 | head -c 3; exit "${PIPESTATUS[0]}"', process.execPath, launcher, program],
    { cwd: folder });
    const { code, stdout, stderr } = await result(child);
    expect([code, stdout.length, stderr]).toEqual([0, 3, ""]);
  });

  it("asks nobody for a prompt at a terminal or nowhere", async () => {
    const nowhere = openSync("/dev/null", "r");
    const child = spawn(process.execPath, ["--no-warnings", launcher, program, "run", "words.gguf",
      "-n", "0"], { cwd: folder, stdio: [nowhere, "pipe", "pipe"] });
    expect(await result(child)).toEqual({ code: 0, stdout: "\n", stderr: "" });
    closeSync(nowhere);
  });
});
