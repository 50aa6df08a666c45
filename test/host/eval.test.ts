// nibble eval: bits per byte of files, right answers to questions, and a sentence for whatever is
// not as it should be.
// Does not know: how scores come about (score.test.ts, choose.test.ts).

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { withNoise } from "../../host/noise";
import { begin, expectSentence, folder, nibble, result } from "./command";
import { load, wordModel } from "./library";

afterAll(() => rmSync(folder, { recursive: true }));

/** A file of the tests' folder, by name. */
function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const path = file("words.gguf", wordModel());
const text = "Some text to be predicted, na\u00efve \u{1f642}, one after the other.\n".repeat(5);
const textPath = file("text.txt", text);
const questions = [
  { query: "Question: what?", choices: ["this", "that one", "b"], gold: 1 },
  { query: "Question: who?", choices: ["a", "he"], gold: 0 },
  { context_options: ["The cup was full, so the cup", "The cup was full, so the jug"],
    continuation: "was heavy.", gold: 0 },
  { context_options: ["one", "two", "three"], continuation: "four", gold: 2 },
];
const lines = questions.map((question) => `${JSON.stringify(question)}\n`).join("");
const questionsPath = file("questions.jsonl", lines);

/** The one object that a command prints. */
async function object(args: string[], input?: string): Promise<Record<string, number>> {
  const { code, stdout, stderr } = await nibble(["eval", path, ...args, "--json"], input);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^\{[^\n]*\}\n$/);
  return JSON.parse(stdout) as Record<string, number>;
}

/** What the library says, under the command's names. */
async function scored(content: string, options = {}): Promise<Record<string, number>> {
  using model = await load(path);
  const { bitsPerByte, bytes, tokens, documents } = await model.score(content, options);
  return { bits_per_byte: bitsPerByte, bytes, tokens, documents };
}

describe("a text", () => {
  it("from a file or a pipe gives what the library says", async () => {
    const expected = await scored(text);
    expect(expected["bytes"]).toBe(Buffer.byteLength(text));
    expect(await object(["--text", textPath])).toEqual(expected);
    expect(await object(["--text", "-"], text)).toEqual(expected);
    const plain = await nibble(["eval", path, "--text", textPath]);
    expect(plain).toEqual({ code: 0, stderr: "",
      stdout: `${expected["bits_per_byte"]?.toFixed(4)} bits per byte (${expected["bytes"]} bytes, `
        + `${expected["tokens"]} tokens)\n` });
  });

  it("of documents says how many", async () => {
    const several = file("documents.bin", "One.\0Two, \u{1f642}.\0");
    expect(await object(["--text", several])).toEqual(await scored("One.\0Two, \u{1f642}.\0"));
    expect((await nibble(["eval", path, "--text", several])).stdout).toContain(", 2 documents)");
  });

  it("with a limit is its beginning, cut at a whole character", async () => {
    const first = text.indexOf("\u{1f642}");
    const bytes = Buffer.byteLength(text.slice(0, first));
    for (const more of [0, 1, 2, 3]) {
      const expected = await scored(text.slice(0, first));
      expect(await object(["--text", textPath, "--limit", String(bytes + more)])).toEqual(expected);
    }
    const whole = await scored(text);
    expect(await object(["--text", textPath, "--limit", String(bytes + 4)]))
      .toEqual(await scored(text.slice(0, first + 2)));
    for (const limit of [Buffer.byteLength(text), 1e15]) {
      expect(await object(["--text", "-", "--limit", String(limit)], text)).toEqual(whole);
    }
    // What is behind the limit is not even read.
    const endless = await nibble(["eval", path, "--text", "/dev/zero", "--limit", "9"]);
    expect([endless.code, endless.stderr]).toEqual([0, ""]);
  });

  it("with noise is the same text with mistakes, by default those of seed 1", async () => {
    const result = await object(["--text", textPath, "--noise", "0.1"]);
    expect(result).toEqual(await scored(withNoise(text, 0.1, 1)));
    expect(await object(["--text", textPath, "--noise", "0.1", "--seed", "1"])).toEqual(result);
    expect(await object(["--text", textPath, "--noise", "0.1", "--seed", "2"]))
      .toEqual(await scored(text, { noise: 0.1, seed: 2 }));
  });
});

describe("questions", () => {
  /** Shares of right answers among the first questions, from the library's own choices. */
  async function answered(count: number, options = {}): Promise<Record<string, number>> {
    using model = await load(path);
    let [right, rightPerByte] = [0, 0];
    for (const { gold, query, choices, context_options: contexts, continuation }
      of questions.slice(0, count)) {
      const question = query !== undefined ? { query, choices } : { contexts, continuation };
      const chosen = await model.choose(question as Parameters<typeof model.choose>[0], options);
      if (chosen.likeliest === gold) right++;
      if (chosen.likeliestPerByte === gold) rightPerByte++;
    }
    return { items: count, accuracy: right / count, accuracy_normalised: rightPerByte / count };
  }

  it("give the shares of right answers, from a file or a pipe", async () => {
    const expected = await answered(4);
    expect(await object(["--choices", questionsPath])).toEqual(expected);
    expect(await object(["--choices", "-"], lines)).toEqual(expected);
    const plain = await nibble(["eval", path, "--choices", questionsPath]);
    expect(plain).toEqual({ code: 0, stderr: "",
      stdout: `accuracy ${expected["accuracy"]?.toFixed(4)}, normalised by bytes `
        + `${expected["accuracy_normalised"]?.toFixed(4)} (4 items)\n` });
  });

  it("with a limit are the first ones", async () => {
    for (const count of [1, 2, 3]) {
      expect(await object(["--choices", questionsPath, "--limit", String(count)]))
        .toEqual(await answered(count));
    }
    expect(await object(["--choices", questionsPath, "--limit", "99"])).toEqual(await answered(4));
  });

  it("are joined with their answers as one likes", async () => {
    expect(await object(["--choices", questionsPath, "--join", "\nAnswer: "]))
      .toEqual(await answered(4, { join: "\nAnswer: " }));
  });

  it("whose right answers are those of the model are all right", async () => {
    using model = await load(path);
    const keyed = [];
    for (const query of ["one", "two", "three"]) {
      const choices = ["abc", "def", "ghi", "jkl"]; // of one length
      keyed.push({ query, choices, gold: (await model.choose({ query, choices })).likeliest });
    }
    const right = file("right.jsonl", keyed.map((item) => JSON.stringify(item)).join("\n"));
    expect(await object(["--choices", right]))
      .toEqual({ items: 3, accuracy: 1, accuracy_normalised: 1 });
  });
});

describe("what is wrong is said in a sentence", () => {
  mkdirSync(join(folder, "sub"));
  const bad = file("bad.jsonl", `${lines}{"query": "x", "choices": []}\n`);
  const latin = file("latin.txt", Buffer.from("caf\u00e9 noir", "latin1"));
  const cut = file("cut.txt", Buffer.from("\u{1f642}").subarray(0, 3));
  const cases: [string, number, string[], string][] = [
    ["nothing to evaluate", 2, [], "--text"],
    ["two things to evaluate", 2, ["--text", textPath, "--choices", questionsPath], "one of them"],
    ["an option of the other", 2, ["--text", textPath, "--join", " "], "--join"],
    ["another option of the other", 2, ["--choices", questionsPath, "--noise", "0.1"], "--noise"],
    ["a limit of nothing", 2, ["--text", textPath, "--limit", "0"], "--limit"],
    ["half a limit", 2, ["--choices", questionsPath, "--limit", "1.5"], "--limit"],
    ["too much noise", 2, ["--text", textPath, "--noise", "1.5"], "noise"],
    ["a text that does not exist", 1, ["--text", `${textPath}.no`], "FILE_NOT_FOUND"],
    ["a text that is a folder", 1, ["--text", join(folder, "sub")], "IS_DIRECTORY"],
    ["an empty text", 1, ["--text", file("empty.txt", "")], "EMPTY_PROMPT"],
    ["a text that is not UTF-8", 1, ["--text", latin], "TEXT_NOT_UTF8"],
    ["a text that ends within a character", 1, ["--text", cut], "TEXT_NOT_UTF8"],
    ["an endless text", 1, ["--text", "/dev/zero"], "FILE_TOO_LARGE"],
    ["no questions", 1, ["--choices", join(folder, "empty.txt")], "no questions"],
    ["questions that do not exist", 1, ["--choices", `${textPath}.no`], "FILE_NOT_FOUND"],
    ["questions that are a folder", 1, ["--choices", folder], "IS_DIRECTORY"],
    ["questions that are a text", 1, ["--choices", textPath], "text.txt, line 1: "],
    ["a question without choices", 1, ["--choices", bad], "bad.jsonl, line 5: "],
    ["questions that are not UTF-8", 1, ["--choices", latin], "TEXT_NOT_UTF8"],
  ];
  it.each(cases)("%s", async (_, code, args, word) => {
    const failed = await nibble(["eval", path, ...args]);
    expect([failed.code, failed.stderr]).toEqual([code, expect.stringContaining(word)]);
    expectSentence(failed);
  });

  it("bad input before a missing model", async () => {
    const failed = await nibble(["eval", join(folder, "none.gguf"), "--choices", bad]);
    expect(failed.stderr).toContain("BAD_CHOICES");
  });

  it("and Ctrl-C ends it with 130", async () => {
    const child = begin(["eval", path, "--text", "-"]);
    child.stdin?.write("x".repeat(4_000_000), () => child.kill("SIGINT"));
    expect(await result(child)).toEqual({ code: 130, stdout: "", stderr: "" });
  });
});
