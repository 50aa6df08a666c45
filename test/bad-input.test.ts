// Files that cannot be used: each is refused by the library and by the command line with one
// sentence and its code, soon, and the next good file loads as if nothing had been.
// Does not know: where a file is read from, which is bad-input-sources.test.ts.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LoadOptions } from "../host/index";
import { badContainers, type BadFile } from "./bad-input/containers";
import { goodByte } from "./bad-input/craft";
import {
  expectSentence, failureOf, inPairs, load, NibbleError, runCommand, withinLimit,
} from "./bad-input/library";
import { badModels, oddModels } from "./bad-input/models";

const table = [...badContainers, ...badModels];
const probe = [1, 2, 3, 250, 7];

/** The hash of all logits of a few tokens: equal only if the model is whole. */
async function hashOf(bytes: Uint8Array, options: LoadOptions = {}): Promise<string> {
  const model = await withinLimit(load(bytes, options));
  try {
    return await model.session().hashLogits(probe);
  } finally {
    model.dispose();
  }
}

describe("bad files through the library", () => {
  it.each(table)("$name: $code", async ({ make, options, code, says }) => {
    const error = await failureOf(load(make(), options));
    expect(error).toMatchObject({ code, message: expect.stringMatching(says) as string });
    expect(error.message).toMatch(/^bytes: /);
    expectSentence(error.message);
  });

  it("leaves nothing behind", async () => {
    const before = await hashOf(goodByte);
    for (const { make, options } of table.filter((_, index) => index % 8 === 0)) {
      await failureOf(load(make(), options));
    }
    expect(await hashOf(goodByte)).toBe(before);
  });
});

describe("odd files that are right", () => {
  it.each(oddModels)("$name", async ({ make }) => {
    expect(await hashOf(make())).toBe(await hashOf(goodByte));
    expect(await hashOf(make(), { weights: "q4_0" })).toBe(
      await hashOf(goodByte, { weights: "q4_0" }));
  });
});

/** At least one file of every code; more where the command line could differ. */
function forCommandLine(): BadFile[] {
  const seen = new Set<string>();
  return table.filter(({ code, cli, options }) => {
    if (options?.sessions) return false; // the command line has one session
    const isFirst = !seen.has(code);
    seen.add(code);
    return isFirst || cli;
  });
}

function argumentsOf(options: LoadOptions = {}): string[] {
  const { context, weights, memoryLimit } = options;
  return [
    ...(context === undefined ? [] : ["--context", String(context)]),
    ...(weights === undefined ? [] : ["--weights", weights]),
    ...(memoryLimit === undefined ? [] : ["--memory-limit", String(memoryLimit)]),
  ];
}

describe("bad files through the command line", () => {
  const directory = mkdtempSync(join(tmpdir(), "nibble-bad-"));
  const good = join(directory, "good.gguf");
  beforeAll(() => writeFileSync(good, goodByte));
  afterAll(() => rmSync(directory, { recursive: true }));

  async function refused(args: string[], code: string, says: RegExp, exit = 1): Promise<void> {
    const ended = await runCommand(args);
    expect({ ...ended, args }).toMatchObject({ code: exit, stdout: "" });
    const [line = "", ...more] = ended.stderr.split("\n");
    expect(more, ended.stderr).toEqual([""]);
    expect(line).toMatch(/^nibble: /);
    expect(line).toMatch(says);
    if (!code) return; // wrong usage has no code, and Node writes some of the sentences
    expect(line.endsWith(` [${code}]`), line).toBe(true);
    expectSentence(line.replace(` [${code}]`, ""));
  }

  it("one line, exit code 1, nothing on standard output", async () => {
    const jobs = forCommandLine().map((file, index) => ({ ...file, index }));
    await inPairs(jobs, async ({ make, options, code, says, index }) => {
      const path = join(directory, `${index}.gguf`);
      writeFileSync(path, make());
      const command = index % 4 === 3 ? ["show", path] : ["run", path, "Once"];
      await refused([...command, ...argumentsOf(options)], code, says);
    });
  });

  it("paths that are no files, prompts that do not fit", async () => {
    const model = ["run", good];
    const jobs: [string[], string, RegExp][] = [
      [["run", join(directory, "absent.gguf")], "FILE_NOT_FOUND", /absent.gguf does not exist/],
      [["run", "-m", join(good, "under.gguf")], "FILE_NOT_FOUND", /does not exist/],
      [["show", "-m", directory], "IS_DIRECTORY", /is a directory/],
      [["bench", "-m", ""], "BAD_SOURCE", /empty/],
      [["logits", "-m", "/dev/null", "a"], "EMPTY_SOURCE", /empty/],
      [["run", `${"a".repeat(300)}.gguf`], "FILE_UNREADABLE", /ENAMETOOLONG/],
      [["eval", good, "--text", join(directory, "absent.txt")], "FILE_NOT_FOUND", /absent.txt/],
      [["eval", good, "--text", directory], "IS_DIRECTORY", /is a directory/],
      [["run", "http://127.0.0.1:9/model.gguf"], "FETCH_FAILED", /could not be fetched/],
      [[...model, "x".repeat(64)], "PROMPT_TOO_LONG", /65 tokens, but only 64/],
      [[...model, "x".repeat(64), "--json"], "PROMPT_TOO_LONG", /65 tokens/],
      [["logits", good, "x".repeat(64)], "PROMPT_TOO_LONG", /65 tokens/],
    ];
    await inPairs(jobs, ([args, code, says]) => refused(args, code, says));
  });

  it("wrong usage: exit code 2", async () => {
    const model = ["run", good, "Once"];
    const jobs: [string[], string, RegExp][] = [
      [[...model, "--context", "0"], "BAD_OPTION", /^nibble: --context is 0/],
      [[...model, "--temp", "11"], "BAD_OPTION", /^nibble: --temp is 11/],
      [[...model, "--memory-limit", "many"], "BAD_OPTION", /^nibble: --memory-limit is "many"/],
      [[...model, "--weights", "q2_k"], "BAD_OPTION", /^nibble: --weights is "q2_k"/],
      [[...model, "-n", "many"], "", /--max-tokens takes a number/],
      [[...model, "--colour"], "", /colour/],
      [[...model, "more"], "", /Too many arguments: "more"/],
      [["logits", good, "a", "--rows", "33"], "", /--rows/],
      [["eval", good], "", /--text/],
    ];
    await inPairs(jobs, ([args, code, says]) => refused(args, code, says, 2));
  });
});

it("every failure is a NibbleError and an Error", async () => {
  const error = await failureOf(load(new Uint8Array(0)));
  expect(error).toBeInstanceOf(NibbleError);
  expect(error).toBeInstanceOf(Error);
  expect(error.name).toBe("NibbleError");
});
