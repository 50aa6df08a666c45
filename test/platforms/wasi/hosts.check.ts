// The program without JavaScript on every host of WASI that can be had here: what the Node command
// writes, byte for byte. Not part of `npm test`: `npm ci` comes first, in test/platforms for Deno
// and Bun, and in this folder. Does not know: how a host does it.

import { spawn } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { expectSentence, folder, nibble, result, root, type Result } from "../../host/command";
import { byteModel, wordModel } from "../../host/library";

const here = fileURLToPath(new URL(".", import.meta.url));
const program = join(root, "dist", "nibble-wasi.wasm");
const tool = (name: string): string => join(here, "..", "node_modules", ".bin", name);

/** How each host is started; the arguments of the program follow. */
const hosts: [string, string[]][] = [
  ["Node", [process.execPath, "--no-warnings", join(here, "node.mjs"), program]],
  ["Deno", [tool("deno"), "run", "-A", join(here, "node.mjs"), program]],
  ["Bun", [tool("bun"), join(here, "node.mjs"), program]],
  ["Bun by itself", [tool("bun"), program]],
  ["browser_wasi_shim", [process.execPath, join(here, "shim.mjs"), program]],
];

writeFileSync(join(folder, "words.gguf"), wordModel());
writeFileSync(join(folder, "bytes.gguf"), byteModel());
writeFileSync(join(folder, "large.gguf"), byteModel({ width: 256, feedForward: 768, layers: 12,
  context: 512 }));
writeFileSync(join(folder, "cut.gguf"), wordModel().subarray(0, 9000));
mkdirSync(join(folder, "folder.gguf"));
afterAll(() => rmSync(folder, { recursive: true }));

async function run(
  [command = "", ...rest]: string[], args: string[], input: string,
): Promise<Result> {
  const child = spawn(command, [...rest, ...args], { cwd: folder });
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  const { code, stdout, stderr } = await result(child);
  // Deno has this to say of its node:wasi, wherever it is used.
  return { code, stdout, stderr: stderr.replace(/^\(node:\d+\) ExperimentalWarning: .*\n/gm, "") };
}

const works: [string, string[], string][] = [
  ["a text", ["run", "words.gguf", "Once upon", "--seed", "7", "-n", "60"], ""],
  ["bytes that are no characters", ["run", "bytes.gguf", "x", "--seed", "3", "-n", "200"], ""],
  ["a prompt on standard input", ["run", "words.gguf", "-", "--seed", "3", "-n", "20"],
    "\u{1f642} \u00e9\n"],
  ["stop sequences", ["run", "bytes.gguf", "x", "--seed", "3", "-n", "99", "--stop", "a",
    "--stop", "\ufffd\ufffd"], ""],
  ["a hash", ["logits", "words.gguf", "The quick brown fox ".repeat(4), "--json"], ""],
  ["the same of a model of several megabytes", ["logits", "large.gguf", "x".repeat(100)], ""],
];
const failures: [string, string[]][] = [
  ["no file", ["run", "none.gguf", "x"]],
  ["a folder", ["show", "folder.gguf"]],
  ["half a file", ["show", "cut.gguf"]],
  ["a number that is none", ["run", "words.gguf", "x", "-n", "many"]],
  ["a number out of range", ["run", "words.gguf", "x", "--top-p", "2"]],
];

describe.each(hosts)("%s", (_, command) => {
  it.each(works)("%s", async (_name, args, input) => {
    const [own, node] = await Promise.all([run(command, args, input), nibble(args, input)]);
    expect(own).toEqual(node);
    expect([own.code, own.stderr]).toEqual([0, ""]);
  });

  it.each(failures)("%s", async (_name, args) => {
    const [own, node] = await Promise.all([run(command, args, ""), nibble(args)]);
    expect(own).toEqual(node);
    expectSentence(own);
  });

  it("show, help and wrong usage", async () => {
    const shown = await run(command, ["show", "words.gguf"], "");
    expect([shown.code, shown.stderr]).toEqual([0, ""]);
    expect(shown.stdout).toContain("400 tokens (sentencepiece)");
    expect((await run(command, ["--help"], "")).code).toBe(0);
    expect((await run(command, [], "")).code).toBe(2);
  });
});
