// The options of nibble run and nibble chat that say what shape a text has, and how they fail.
// Does not know: anything but dist/nibble.js and what it prints.

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { expectSentence, folder, nibble } from "./command";
import { CHATML, byteModel, chatModel } from "./library";

const path = join(folder, "bytes.gguf");
const chats = join(folder, "chats.gguf");
const file = (name: string, content: string): string => {
  const place = join(folder, name);
  writeFileSync(place, content);
  return place;
};
writeFileSync(path, byteModel());
writeFileSync(chats, chatModel(CHATML, ["<|im_start|>", "<|im_end|>"]));
const schema = file("schema.json", JSON.stringify({ enum: [{ n: 1 }, { n: 2 }] }));
const grammar = file("answer.gbnf", 'root ::= "yes" | "no" # one of them\n');
afterAll(() => rmSync(folder, { recursive: true }));

const run = (...args: string[]): ReturnType<typeof nibble> => (
  nibble(["run", path, "Say: ", "--seed", "1", ...args]));

describe("nibble run", () => {
  it.each([
    ["--schema", schema, /^Say: \{"n": [12]\}\n$/], ["--grammar", grammar, /^Say: (yes|no)\n$/],
    ["--regex", "[a-c]{2}-\\d", /^Say: [abc]{2}-\d\n$/],
    ["--choices", "yes,no", /^Say: (yes|no)\n$/],
    ["--choices", '["a, b", "c"]', /^Say: (a, b|c)\n$/],
    ["--choices", "a\\, b,c\\\\d", /^Say: (a, b|c\\\\d)\n$/],
  ])("%s %s", async (option, value, expected) => {
    const { code, stdout, stderr } = await run(option, value);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(expected);
  });

  it("as JSON with the value, or none where the text was cut", async () => {
    const whole = JSON.parse((await run("--schema", schema, "--json")).stdout) as {
      text: string; value: unknown };
    expect(whole.value).toEqual(JSON.parse(whole.text));
    const cut = JSON.parse((await run("--schema", schema, "--json", "-n", "2")).stdout) as {
      finishReason: string; value: unknown };
    expect(cut).toMatchObject({ finishReason: "length" });
    expect(cut.value).toBeUndefined();
  });

  it("says where a text was cut before it had its shape, as a failure", async () => {
    const { code, stdout, stderr } = await run("--regex", "[ab]{9}", "-n", "4");
    expect(stdout).toMatch(/^Say: [ab]{4}\n$/);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^nibble: [^\n]*--regex.*TEXT_CUT/)]);
    expect((await run("-n", "4")).code).toBe(0);
  });

  it.each([
    [["--regex", "a", "--choices", "b"], "--regex does not go with --choices"],
    [["--grammar", "x", "--schema", "y"], "--schema does not go with --grammar"],
    [["--stop", "a", "--regex", "b"], "--stop does not go with --regex"],
    [["--choices", "[1,"], "--choices takes a,b,c"], [["--schema"], "schema"],
    [["--regex", "a", "--regex", "b"], "--regex is there twice"],
    [["--regex", "a(?=b)"], "character 2"], [["--regex", "[^\\s\\S]"], "No text can match"],
    [["--choices", "a,,b"], "--choices takes texts"], [["--choices", "[]"], "--choices takes"],
  ])("%j is wrong usage", async (options, words) => {
    const { code, stdout, stderr } = await run(...options);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(words);
  });

  it.each([
    [["--schema", join(folder, "none.json")], "does not exist"],
    [["--schema", folder], "is a directory"],
    [["--schema", file("bad.json", "{\n  'a': 1\n}")], "bad.json is not JSON: "],
    [["--schema", file("twice.json", '{"type": "string", "x-a": [], "typ\\u0065": "null"}')],
      'twice.json has the name "type" twice'],
    [["--schema", file("wrong.json", '{"type": "strin"}')], "strin"],
    [["--schema", file("large.json", " ".repeat(4e6 + 1))], "larger than 4 MB"],
    [["--grammar", file("bad.gbnf", 'root ::= "a" |\n  (')], "line 2, column 3"],
    [["--grammar", file("endless.gbnf", "root ::= root")], "endless.gbnf: No text can match"],
  ])("%j fails with a sentence", async (options, words) => {
    const failure = await run(...options);
    expect(failure.code).toBe(1);
    expectSentence(failure);
    expect(failure.stderr).toContain(words);
  });
});

it("nibble chat answers every message in the shape", async () => {
  const { code, stdout } = await nibble(["chat", chats, "--choices", "yes,no", "--seed", "1"],
    "Really?\nAnd now?\n");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^(yes|no)\n(yes|no)\n$/);
  const cut = await nibble(["chat", chats, "--regex", "[ab]{9}", "-n", "4"], "Really?\nAnd now?");
  expect([cut.code, cut.stdout]).toEqual([0, expect.stringMatching(/^[ab]{4}\n[ab]{4}\n$/)]);
  expect(cut.stderr).toMatch(/^(The text was cut[^\n]*--regex[^\n]*\n){2}$/);
});
