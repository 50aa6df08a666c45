// What standard input may be: at most so much, and UTF-8.
// Does not know: anything but dist/nibble.js and what it prints.

import { spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { command, expectSentence, folder, nibble } from "./command";
import { byteModel } from "./library";

const path = join(folder, "bytes.gguf");
writeFileSync(path, byteModel());
afterAll(() => rmSync(folder, { recursive: true }));

it("a prompt has at most 64 MB, of a pipe without end, too", () => {
  const { status, stdout, stderr } = spawnSync("bash", ["-c", '"$0" "$1" run "$2" < /dev/zero',
    process.execPath, command, path], { encoding: "utf8" });
  expectSentence({ code: status, stdout, stderr });
  expect([status, stderr]).toEqual([1, expect.stringContaining("larger than 64 MB")]);
});

it.each(["run", "tokenize", "logits"])("nibble %s takes only UTF-8", async (name) => {
  const failed = await nibble([name, path], Buffer.from([0x61, 0xff]));
  expectSentence(failed);
  expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining("TEXT_NOT_UTF8")]);
});

it("a mark of the byte order is no part of a prompt", async () => {
  const plain = await nibble(["tokenize", path], "a");
  expect(await nibble(["tokenize", path], "\ufeffa\r\n")).toEqual(plain);
});
