// nibble chat, in a pipe and in a terminal: answers, commands, Ctrl-C and Ctrl-D.
// Does not know: whether an answer makes sense.

import { spawn, execFileSync, type ChildProcess } from "node:child_process";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { begin, command, expectSentence, folder, nibble, result } from "./command";
import { CHATML, chatModel, load, wordModel } from "./library";

const file = chatModel(CHATML, ["<|im_start|>", "<|im_end|>"], { context: 2048 });
const path = join(folder, "chat.gguf");
writeFileSync(path, file);
afterAll(() => rmSync(folder, { recursive: true }));

const OPTIONS = ["--seed", "3", "-n", "12"];

/** What the library answers, message by message. */
async function answers(lines: string[], system?: string): Promise<string[]> {
  using model = await load(file);
  const messages = system === undefined ? [] : [{ role: "system" as const, content: system }];
  const texts: string[] = [];
  const all: Parameters<typeof model.chat>[0][number][] = [...messages];
  for (const line of lines) {
    all.push({ role: "user", content: line });
    const { text } = await model.completeChat(all, { seed: 3, maxTokens: 12 });
    all.push({ role: "assistant", content: text });
    texts.push(text);
  }
  return texts;
}

describe("in a pipe", () => {
  it("answers every line, with what was said before in mind", async () => {
    const { code, stdout, stderr } = await nibble(["chat", path, ...OPTIONS],
      "Hello\n\nAnd you?\n");
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toBe((await answers(["Hello", "And you?"])).map((text) => (
      text === "" ? "" : `${text}\n`)).join(""));
  });

  it("prints an object for every answer with --json", async () => {
    const args = ["chat", path, ...OPTIONS, "--json", "--system", "Rhyme."];
    const { code, stdout } = await nibble(args, "Hello\nAnd you?");
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split("\n").map((line) => (
      JSON.parse(line) as { content: string; reusedTokens: number; completionTokens: number }));
    expect(lines.map(({ content }) => content)).toEqual(
      await answers(["Hello", "And you?"], "Rhyme."));
    expect(lines[1]?.reusedTokens).toBeGreaterThan(10);
  });

  it("begins anew with /reset and saves with /save, whole or not at all", async () => {
    const { code, stderr } = await nibble(["chat", path, ...OPTIONS],
      "Hello\n/reset\nHello\n/save talk.json\n/save no/where.json\n/what\n");
    expect(code).toBe(0);
    const [text] = await answers(["Hello"]);
    expect(JSON.parse(readFileSync(join(folder, "talk.json"), "utf8"))).toEqual([
      { role: "user", content: "Hello" }, { role: "assistant", content: text }]);
    expect(stderr).toContain("2 messages are in talk.json");
    expect(stderr).toContain("no/where.json (ENOENT)");
    expect(stderr).toContain("/help");
    expect(readdirSync(folder).filter((name) => name.endsWith(".part"))).toEqual([]);
  });

  it("fails with a sentence", async () => {
    const plain = join(folder, "plain.gguf");
    writeFileSync(plain, wordModel());
    const none = await nibble(["chat", plain], "Hello\n");
    expect(none.code).toBe(1);
    expectSentence(none);
    expect(none.stderr).toContain("NO_CHAT_TEMPLATE");
    const long = await nibble(["chat", path, "--context", "40"], "x".repeat(100));
    expect(long.code).toBe(1);
    expectSentence(long);
    expect((await nibble(["chat", path, "Hello"], "")).code).toBe(2);
  });

  it("leaves lines in the pipe until it comes to them, and takes none without end", async () => {
    const child = begin(["chat", path, "-n", "100000"]);
    child.stdin?.on("error", () => undefined); // it ends before it has read all
    child.stdin?.write(`${"Hello\n".repeat(1e6)}`);
    let pieces = 0;
    await new Promise<void>((resolve) => child.stdout?.on("data", () => {
      if (++pieces === 50) resolve();
    }));
    expect(child.stdin?.writableLength).toBeGreaterThan(5e6);
    child.kill("SIGINT");
    await result(child);
    const endless = await nibble(["chat", path], Buffer.from(`Hello${"o".repeat(4e6)}`));
    expect(endless.code).toBe(1);
    expectSentence(endless);
    expect(endless.stderr).toContain("line of standard input is larger than 4 MB");
  });

  it("ends with 130 on SIGINT", async () => {
    const child = begin(["chat", path, "-n", "100000"]);
    const ended = result(child);
    child.stdin?.write("Hello\n");
    await new Promise((resolve) => child.stdout?.once("data", resolve)); // it is writing
    child.kill("SIGINT");
    expect((await ended).code).toBe(130);
  });
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
  const open = (args: string[]): { child: ChildProcess; shown: () => string } => {
    const words = [process.execPath, command, ...args].map((word) => `'${word}'`).join(" ");
    const child = spawn("script", ["-qec", words, "/dev/null"], { cwd: folder });
    let text = "";
    child.stdout.on("data", (piece: Buffer) => { text += String(piece); });
    return { child, shown: () => text };
  };
  const until = async (holds: () => boolean): Promise<void> => {
    for (let i = 0; i < 500 && !holds(); i++) await new Promise((next) => setTimeout(next, 20));
    expect(holds()).toBe(true);
  };

  /** A message that this model answers for longer than anybody waits. */
  const endlessPrompt = async (): Promise<string> => {
    const endless = chatModel("{{ messages[-1].content }}", [], { context: 65536 });
    writeFileSync(join(folder, "endless.gguf"), endless);
    using model = await load(endless);
    for (let i = 0; i < 100; i++) {
      const messages = [{ role: "user", content: `Hi ${i}` } as const];
      const { finishReason } = await model.completeChat(messages,
        { temperature: 0, maxTokens: 1500 });
      if (finishReason === "length") return `Hi ${i}`;
    }
    throw new Error("this model always stops");
  };

  it("Ctrl-C stops the answer, not the program; Ctrl-D ends it", async () => {
    const prompt = await endlessPrompt();
    const { child, shown } = open(["chat", "endless.gguf", "-n", "60000", "--context", "65536",
      "--temp", "0"]);
    await until(() => shown().includes("> "));
    child.stdin?.write(`${prompt}\r`);
    const before = shown().length;
    await until(() => shown().length > before + 300);
    child.stdin?.write("\x03");
    await until(() => shown().endsWith("> ") || /> .{0,12}$/.test(shown()));
    child.stdin?.write("/help\r");
    await until(() => shown().includes("/save FILE"));
    child.stdin?.write("half a line\x03");
    await until(() => shown().includes("half a line"));
    child.stdin?.write("\x03");
    await until(() => shown().includes("(Ctrl-D ends.)"));
    child.stdin?.write("\x04");
    const code = await new Promise((resolve) => child.on("close", resolve));
    expect(code).toBe(0);
  });

  it("edits lines, and knows the ones before", async () => {
    const { child, shown } = open(["chat", path, "--seed", "1", "-n", "3"]);
    await until(() => shown().includes("> "));
    child.stdin?.write("/hexp\x1b[D\x7fl\r"); // left, backspace
    await until(() => shown().includes("/save FILE"));
    const before = shown().length;
    child.stdin?.write("\x1b[A\r"); // up
    await until(() => shown().slice(before).includes("/save FILE"));
    child.stdin?.write("\x04");
    expect(await new Promise((resolve) => child.on("close", resolve))).toBe(0);
  });
});
