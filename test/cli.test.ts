// The commands: what they print, how they fail, and how they stop. (nibble eval and the embedded
// model have files of their own in test/host.)
// Does not know: anything but dist/nibble.js and what it prints.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import {
  begin, command, expectSentence, folder, nibble, result, root, type Result,
} from "./host/command";
import { byteModel, load, wordModel } from "./host/library";

const path = join(folder, "words.gguf");
const largePath = join(folder, "large.gguf");
const plainPath = join(folder, "model.bin");
const large = byteModel({ width: 256, feedForward: 768, layers: 6, context: 4096 });
writeFileSync(path, wordModel());
writeFileSync(plainPath, wordModel());
writeFileSync(largePath, large);
const servers: Server[] = [];
afterAll(() => {
  servers.forEach((server) => server.close());
  rmSync(folder, { recursive: true });
});

/** A prompt that this model answers at length, without ending by itself. */
async function longPrompt(file: string, count: number): Promise<string> {
  using model = await load(file);
  for (let i = 0; i < 200; i++) {
    const prompt = `prompt ${i}`;
    const { finishReason } = await model.complete(prompt, { temperature: 0, maxTokens: count });
    if (finishReason === "length") return prompt;
  }
  throw new Error("this model always stops");
}

/** With the large model, seconds of work. */
const endless = ["--temp", "0", "-n", "4000", "--context", "4096"];
const wordPrompt = await longPrompt(path, 40);

describe("nibble", () => {
  it("without a command tells how it is used, as a failure", async () => {
    const { code, stdout, stderr } = await nibble([]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("nibble run");
  });

  it("names a command that does not exist", async () => {
    for (const name of ["rnu", "constructor", "__proto__"]) {
      const { code, stdout, stderr } = await nibble([name, path]);
      expect([code, stdout]).toEqual([2, ""]);
      expect(stderr).toContain(`"${name}"`);
      expect(stderr).toContain("nibble run");
    }
  });

  it("tells how it is used when asked, within 100 columns", async () => {
    for (const args of [["--help"], ["-h"], ["help"], ["run", "--help"], ["bench", "-h"]]) {
      const { code, stdout, stderr } = await nibble(args);
      expect([code, stderr]).toEqual([0, ""]);
      for (const name of ["run", "chat", "show", "eval", "logits", "bench"]) {
        expect(stdout).toContain(name);
      }
      expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
    }
  });

  it("tells its version", async () => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      version: string;
    };
    for (const flag of ["--version", "-v"]) {
      expect(await nibble([flag])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
    }
  });
});

describe("wrong usage exits with 2 and a sentence", () => {
  const missing = join(folder, "none.gguf");
  const cases: [string, string[], string][] = [
    ["a model file whose name does not end in .gguf", ["run", plainPath, "hi"], "-m"],
    ["an unknown option", ["run", path, "hi", "--temprature", "1"], "--temprature"],
    ["an option of another command", ["show", path, "--rows", "1"], "--rows"],
    ["an option without its value", ["run", path, "hi", "-n"], "max-tokens"],
    ["a number that is none", ["run", path, "hi", "-n", "many"], "many"],
    ["an empty number", ["run", path, "hi", "--seed", ""], "--seed"],
    ["a number out of range", ["run", path, "hi", "--top-p", "2"], "--top-p is 2"],
    ["a number below zero", ["run", path, "hi", "--temp", "-1"], "--temp is -1"],
    ["the same of a short option", ["run", path, "hi", "-n", "-5"], "--max-tokens is -5"],
    ["an option in place of a value", ["run", path, "hi", "--stop", "--json"], "--stop=VALUE"],
    ["a fraction where none goes", ["run", path, "hi", "-n", "1.5"], "--max-tokens is 1.5"],
    ["an option that is there twice", ["run", path, "hi", "--temp", "1", "--temp=2"],
      "--temp is there twice"],
    ["the same by its letter", ["run", "-m", path, "hi", "--model", path], "--model is there"],
    ["a misspelt option", ["run", path, "hi", "--tmep", "1"], "--tmep; did you mean --temp?"],
    ["one with a dash too few", ["run", path, "hi", "-temp", "1"], "-temp; did you mean --temp?"],
    ["an option of nobody", ["run", path, "hi", "--quux"], "--quux; \"nibble help\" lists all"],
    ["an option without its value", ["run", path, "--temp"], "--temp needs a value"],
    ["a value where none goes", ["run", path, "hi", "--json=no"], "--json takes no value"],
    ["a prompt without quotes", ["run", path, "Once", "upon"], "upon"],
    ["the same without a model", ["run", "Once", "upon"], "upon"],
    ["a long text and another", ["run", "Once ".repeat(2000), "upon"], "upon"],
    ["a text where none goes", ["show", path, "what"], "what"],
    ["unknown weights", ["show", path, "--weights", "q5_0"], "q5_0"],
    ["an unknown cache", ["show", path, "--cache", "f16"], "f16"],
    ["an unclear limit", ["show", path, "--memory-limit", "lots"], "--memory-limit"],
    ["too many rows", ["logits", path, "hi", "--rows", "33"], "--rows"],
    ["half a row", ["logits", path, "hi", "--rows", "1.5"], "--rows"],
    ["a missing model, but first the option", ["run", missing, "hi", "--nonsense"], "--nonsense"],
  ];
  it.each(cases)("%s", async (_, args, word) => {
    const failed = await nibble(args);
    expect([failed.code, failed.stderr]).toEqual([2, expect.stringContaining(word)]);
    expectSentence(failed);
  });
});

describe("failures exit with 1 and a sentence", () => {
  const notModel = join(folder, "text.gguf");
  writeFileSync(notModel, "hello there");
  const cases: [string, string[], string][] = [
    ["a model that does not exist", ["run", join(folder, "none.gguf"), "x"], "FILE_NOT_FOUND"],
    ["a model that is a folder", ["show", "-m", folder], "IS_DIRECTORY"],
    ["a folder in place of a model", ["run", folder, "hi"], "IS_DIRECTORY"],
    ["a folder where nothing else goes", ["show", folder], "IS_DIRECTORY"],
    ["a model that is none", ["show", notModel], "NOT_GGUF"],
    ["an address where nobody listens", ["show", "http://127.0.0.1:1/x.gguf"], "FETCH_FAILED"],
    ["a context beyond the model's", ["show", path, "--context", "257"], "CONTEXT_TOO_LARGE"],
    ["too little memory", ["show", path, "--memory-limit", "100KB"], "MEMORY_LIMIT"],
    ["a prompt longer than the context", ["run", path, "x y ".repeat(500)], "PROMPT_TOO_LONG"],
  ];
  it.each(cases)("%s", async (_, args, word) => {
    const failed = await nibble(args);
    expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining(word)]);
    expectSentence(failed);
  });
});

describe("NIBBLE_SIMD", () => {
  const wasm = readFileSync(join(root, "dist/nibble-relaxed.wasm"));
  const isKnown = WebAssembly.validate(wasm); // Node 20 does not know it
  const show = (simd: string): Result => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [command, "show", path],
      { encoding: "utf8", env: { ...process.env, NIBBLE_SIMD: simd } });
    return { code: status, stdout, stderr };
  };

  it("chooses the build", () => {
    for (const simd of ["", "strict", ...isKnown ? ["relaxed"] : []]) {
      expect([show(simd).code, show(simd).stderr]).toEqual([0, ""]);
    }
  });

  it("fails with a sentence where it cannot be had", () => {
    const failures = [["fast", 2, "BAD_OPTION"],
      ...isKnown ? [] : [["relaxed", 1, "ENGINE_MISSING"] as const]] as const;
    for (const [simd, code, word] of failures) {
      const failed = show(simd);
      expect([failed.code, failed.stderr]).toEqual([code, expect.stringContaining(word)]);
      expectSentence(failed);
    }
  });
});

describe("nibble run", () => {
  const greedy = ["--temp", "0", "-n", "12"];

  it("prints the prompt and its continuation, and nothing on stderr", async () => {
    const { code, stdout, stderr } = await nibble(["run", path, wordPrompt, ...greedy]);
    expect([code, stderr]).toEqual([0, ""]);
    using model = await load(path);
    const { text } = await model.complete(wordPrompt, { temperature: 0, maxTokens: 12 });
    expect(stdout).toBe(`${wordPrompt}${text}${text.endsWith("\n") ? "" : "\n"}`);
  });

  it("takes the model after -m, whatever its name, and options before and after", async () => {
    const { stdout } = await nibble(["run", path, wordPrompt, ...greedy]);
    for (const args of [
      ["run", "-m", plainPath, wordPrompt, ...greedy],
      ["run", wordPrompt, ...greedy, "--model", plainPath],
      ["run", ...greedy, `--model=${path}`, "--", wordPrompt],
      ["run", ...greedy, `file://${path}`, wordPrompt],
    ]) {
      expect(await nibble(args)).toEqual({ code: 0, stdout, stderr: "" });
    }
  });

  it("reads the prompt from a pipe, named - or not", async () => {
    const { stdout } = await nibble(["run", path, wordPrompt, ...greedy]);
    expect((await nibble(["run", path, "-", ...greedy], wordPrompt)).stdout).toBe(stdout);
    expect((await nibble(["run", path, ...greedy], wordPrompt)).stdout).toBe(stdout);
    const smile = await nibble(["run", path, "-", ...greedy], Buffer.from("\u{1f642} \u00fc\n"));
    // The newline that echo adds is not part of the prompt.
    expect(smile).toEqual(await nibble(["run", path, "\u{1f642} \u00fc", ...greedy]));
  });

  it("writes from nothing when the pipe is empty", async () => {
    const { code, stdout, stderr } = await nibble(["run", path, ...greedy]);
    expect([code, stderr]).toEqual([0, ""]);
    using model = await load(path);
    expect(stdout.trimEnd()).toBe((await model.complete("", {
      temperature: 0, maxTokens: 12,
    })).text.trimEnd());
  });

  it("writes nothing for -n 0 but the prompt", async () => {
    expect(await nibble(["run", path, "just this", "-n", "0"]))
      .toEqual({ code: 0, stdout: "just this\n", stderr: "" });
    expect((await nibble(["run", path, "-", "-n", "0"], "a line\n")).stdout).toBe("a line\n");
  });

  it("stops at any --stop, and repeats itself for a --seed", async () => {
    const args = ["run", path, wordPrompt, "--seed", "5", "-n", "30"];
    const { stdout } = await nibble(args);
    expect((await nibble(args)).stdout).toBe(stdout);
    const text = stdout.slice(wordPrompt.length);
    const stop = text.slice(6, 9);
    const stopped = await nibble([...args, "--stop", "\u{1f642}\u{1f642}", "--stop", stop]);
    expect(stopped.stdout).toBe(`${wordPrompt}${text.slice(0, text.indexOf(stop))}\n`);
  });

  it("gives one object on one line for --json", async () => {
    const { code, stdout, stderr } = await nibble(["run", path, wordPrompt, "--seed", "5",
      "-n", "9", "--json"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^\{[^\n]*\}\n$/);
    expect(JSON.parse(stdout)).toMatchObject({
      prompt: wordPrompt, text: expect.any(String), seed: 5, promptTokens: expect.any(Number),
      completionTokens: expect.any(Number), finishReason: expect.stringMatching(/^(stop|length)$/),
    });
  });

  it("is quiet when its reader has seen enough", async () => {
    const prompt = await longPrompt(largePath, 300);
    const child = begin(["run", largePath, prompt, ...endless], "");
    child.stdout?.once("data", () => child.stdout?.destroy());
    const { code, stderr } = await result(child);
    expect([code, stderr]).toEqual([0, ""]);
    const { status, stdout, stderr: words } = spawnSync("bash", ["-c",
      `"$0" "$1" run "$2" "$3" --temp 0 -n 2000 | head -c 10; exit "\${PIPESTATUS[0]}"`,
      process.execPath, command, largePath, prompt], { input: "" });
    expect([status, stdout.length, String(words)]).toEqual([0, 10, ""]);
    expect(String(stdout).startsWith(prompt)).toBe(true);
  });
});

it.runIf(existsSync("/dev/full"))("says so where nothing more can be written", () => {
  const { status, stderr } = spawnSync("bash", ["-c", '"$0" "$1" run "$2" hi -n 3 > /dev/full',
    process.execPath, command, path], { input: "" });
  expect([status, String(stderr)]).toEqual(
    [1, "nibble: Standard output cannot be written (ENOSPC).\n"]);
});

describe("Ctrl-C", () => {
  it("ends a text after the current token, keeps what was written, exits with 130", async () => {
    const prompt = await longPrompt(largePath, 300);
    const child = begin(["run", largePath, prompt, ...endless], "");
    let sent = 0;
    child.stdout?.once("data", () => {
      sent = Date.now();
      child.kill("SIGINT");
    });
    const { code, stdout, stderr } = await result(child);
    expect([code, stderr]).toEqual([130, ""]);
    expect(Date.now() - sent).toBeLessThan(2000);
    expect(stdout.startsWith(prompt)).toBe(true);
    expect(stdout.endsWith("\n")).toBe(true);
    expect(stdout.length).toBeLessThan(3000);
  });

  it("ends the wait for a prompt", async () => {
    const child = begin(["run", path, "-"]);
    // More than a pipe holds: once it is gone, the command is reading.
    child.stdin?.write("x".repeat(4_000_000), () => child.kill("SIGINT"));
    expect(await result(child)).toEqual({ code: 130, stdout: "", stderr: "" });
  });

  it("ends the wait for a server", async () => {
    const server = createServer((_, response) => {
      response.writeHead(200).write(large.slice(0, 1000));
      child.kill("SIGINT");
    }).listen(0, "127.0.0.1");
    servers.push(server);
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    const child = begin(["show", `http://127.0.0.1:${port}/model.gguf`], "");
    expect(await result(child)).toEqual({ code: 130, stdout: "", stderr: "" });
  });
});

describe("the other commands", () => {
  it("logits: one hash, whatever the rows", async () => {
    const prompt = "The quick brown fox jumps over the lazy dog. ".repeat(2);
    const outputs = [];
    for (const rows of ["1", "7", "32"]) {
      outputs.push(await nibble(["logits", path, prompt, "--rows", rows, "--json"]));
    }
    expect(new Set(outputs.map(({ stdout }) => stdout)).size).toBe(1);
    const { sha256, tokens } = JSON.parse(outputs[0]?.stdout ?? "") as Record<string, unknown>;
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(tokens).toBeGreaterThan(32);
    const plain = await nibble(["logits", path, "-"], prompt);
    expect(plain).toEqual({ code: 0, stdout: `${String(sha256)}  ${String(tokens)} tokens\n`,
      stderr: "" });
  });

  it("bench: the numbers under their names", async () => {
    const { code, stdout, stderr } = await nibble(["bench", path, "--json"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^\{[^\n]*\}\n$/);
    const report = JSON.parse(stdout) as Record<string, number>;
    for (const name of ["load_ms", "first_token_ms", "prompt_tokens_per_s", "peak_memory_bytes"]) {
      expect(report[name], name).toBeGreaterThan(0);
    }
    expect(report["wasm_bytes"]).toBe(statSync(join(root, "dist", "nibble.wasm")).size);
    expect(report["decode_tokens_per_s"]).toEqual({ 128: expect.any(Number) });
    const plain = await nibble(["bench", path, "--context", "64", "--repeat", "2"]);
    expect([plain.code, plain.stderr]).toEqual([0, ""]);
    expect(plain.stdout).toMatch(/^load_ms +[\d.]+$/m);
  });

  it("show: metadata, tensors and the memory plan", async () => {
    const { code, stdout, stderr } = await nibble(["show", path]);
    expect([code, stderr]).toEqual([0, ""]);
    for (const word of ['general.architecture = "llama"', "blk.0.attn_q.weight", "cache", "total",
      "400 tokens (sentencepiece)", "tokenizer.ggml.tokens = [400 x string]", "no chat template",
      /^llama, tensors: \d+ Q4_0, \d+ F32$/m,
      /^A Worker's isolate of 128 MB, .*: fits, 1\d\d\.\d MB to spare$/m]) {
      expect(stdout).toMatch(word);
    }
    const json = await nibble(["show", path, "--json", "--cache", "f32", "--context", "100"]);
    expect(json.stdout).toMatch(/^\{[^\n]*\}\n$/);
    expect(JSON.parse(json.stdout)).toMatchObject({
      vocabulary: 400, context: 100, contextMax: 256, cache: "f32", layers: 2,
      memory: { total: expect.any(Number) }, tensors: expect.any(Array),
    });
    const converted = await nibble(["show", path, "--weights", "f32"]);
    expect(converted.stdout).toContain("Q4_0 -> F32");
  });
});

it("npm start passes arguments, output and exit codes through", async () => {
  const start = join(root, "scripts", "start.mjs");
  const args = [path, wordPrompt, "--temp", "0", "-n", "5"];
  const direct = await nibble(["run", ...args]);
  expect(await result(begin(args, "", start))).toEqual(direct);
  expect((await result(begin(["--nonsense"], "", start))).code).toBe(2);
  expect((await result(begin([join(folder, "none.gguf"), "x"], "", start))).code).toBe(1);
});

/** Whether there is a `script` that runs a command in a terminal (that of util-linux). */
function hasTerminal(): boolean {
  try {
    return String(execFileSync("script", ["--version"])).includes("util-linux");
  } catch {
    return false;
  }
}

describe.skipIf(!hasTerminal())("in a terminal (needs script of util-linux)", () => {
  /** Runs a command whose standard input, output and error are a terminal. */
  const inTerminal = (args: string[]): Promise<Result> => {
    const words = [process.execPath, command, ...args].map((word) => `'${word}'`).join(" ");
    return result(spawn("script", ["-qec", words, "/dev/null"], { cwd: folder }));
  };

  it("a slow download shows a bar that is gone at the end", async () => {
    const server = createServer(async (_, response) => {
      response.writeHead(200, { "content-length": large.length });
      for (let at = 0; at < large.length; at += 400_000) {
        response.write(large.slice(at, at + 400_000));
        await new Promise((resolve) => setTimeout(resolve, 60));
      }
      response.end();
    }).listen(0, "127.0.0.1");
    servers.push(server);
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    const { code, stdout } = await inTerminal(["show", `http://127.0.0.1:${port}/model.gguf`]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/\r[^\r]*model\.gguf \u2588+\u2591* \d+ % [\d.]+ MB/);
    const shown = stdout.slice(0, stdout.indexOf("GGUF version"));
    expect(shown).toMatch(/\r +\r$/);
  });

  it("a quick start shows no bar, and no prompt is waited for", async () => {
    const { code, stdout } = await inTerminal(["run", path, "-n", "3", "--temp", "0"]);
    expect(code).toBe(0);
    expect(stdout).not.toContain("\u2588");
  });
});
