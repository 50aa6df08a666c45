// The model that is used when none is named: the file beside the code, whatever is in it. A copy of
// dist/ has a small model in its place, another has none; the real one is only asked for a text.
// Does not know: how models are trained.

import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import type * as Library from "../../host/platform/node";
import { begin, expectSentence, folder, nibble, result, root } from "./command";
import { load, wordModel } from "./library";

const NAME = "bytepool-10m.gguf";
const model = wordModel();
afterAll(() => rmSync(folder, { recursive: true }));

/** A copy of the package's code, with this file as its model. */
function packageWith(name: string, content?: Uint8Array): string {
  const place = join(folder, name);
  mkdirSync(place);
  writeFileSync(join(place, "package.json"), '{"type": "module"}');
  for (const file of ["index.js", "nibble.js", "nibble.wasm", "nibble-relaxed.wasm"]) {
    copyFileSync(join(root, "dist", file), join(place, file));
  }
  if (content) writeFileSync(join(place, NAME), content);
  return place;
}

const place = packageWith("with", model);
const emptyPlace = packageWith("without");
const path = join(folder, "words.gguf");
writeFileSync(path, model);
const libraryOf = async (from: string): Promise<typeof Library> =>
  await import(/* @vite-ignore */ pathToFileURL(join(from, "index.js")).href) as typeof Library;
const nibbleOf = (from: string, args: string[], input = "") =>
  result(begin(args, input, join(from, "nibble.js")));

describe("the embedded model", () => {
  it("is what load takes without a source, with options or without", async () => {
    const own = await libraryOf(place);
    using embedded = await own.load();
    using named = await load(path);
    expect(embedded.info).toEqual(named.info);
    const options = { seed: 3, maxTokens: 20 };
    expect(await embedded.complete("Once", options)).toEqual(await named.complete("Once", options));
    using small = await own.load(undefined, { context: 50 });
    expect(small.info.context).toBe(50);
    await expect(own.load(undefined, { contxt: 5 } as object))
      .rejects.toMatchObject({ code: "BAD_OPTION" });
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(own.load(undefined, { signal })).rejects.toThrow("enough");
  });

  it.each([
    ["run", ["Once upon", "-n", "9", "--seed", "2"]], ["run", ["-n", "9", "--temp", "0"]],
    ["run", ["-n", "9", "--temp", "0", "-"]], ["run", ["--temp=0", "-n9", "--", "a.gguf "]],
    ["show", ["--context", "99"]], ["logits", ["a prompt"]], ["logits", ["a prompt", "--json"]],
    ["eval", ["--text", "-", "--json"]],
  ])("is what nibble %s takes without MODEL: %j", async (name, args) => {
    const named = await nibble([name, "-m", path, ...args], "some text");
    expect([named.code, named.stderr]).toEqual([0, ""]);
    expect(await nibbleOf(place, [name, ...args], "some text")).toEqual(named);
  });

  it("can be timed", async () => {
    const { code, stdout } = await nibbleOf(place, ["bench", "--context", "32", "--json"]);
    expect([code, Object.keys(JSON.parse(stdout) as object)[0]]).toEqual([0, "load_ms"]);
  });

  it("gives way to a model that is named", async () => {
    const other = packageWith("other", Buffer.from("not a model"));
    expect((await nibbleOf(other, ["run", path, "Once", "-n", "0"])).stdout).toBe("Once\n");
    const failed = await nibbleOf(other, ["run", "Once"]);
    expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining("NOT_GGUF")]);
    expectSentence(failed);
  });

  it("takes a name of a file as a prompt, unless two are given", async () => {
    writeFileSync(join(folder, "notes.txt"), "x");
    expect((await nibbleOf(place, ["run", "notes.txt", "-n", "0"])).stdout).toBe("notes.txt\n");
    const failed = await nibbleOf(place, ["run", "notes.txt", "Once"]);
    expect([failed.code, failed.stderr]).toEqual([2, expect.stringContaining("-m")]);
    expectSentence(failed);
  });
});

describe("without an embedded model", () => {
  it("load needs a source: MODEL_REQUIRED", async () => {
    const own = await libraryOf(emptyPlace);
    await expect(own.load()).rejects.toMatchObject({ code: "MODEL_REQUIRED" });
    using named = await own.load(path);
    expect(named.info.vocabulary).toBe(400);
  });

  it.each([
    [["run", "Once"]], [["run"]], [["show"]], [["bench"]], [["logits", "x"]],
    [["eval", "--text", "-"]],
  ])(
    "nibble needs a model, and says so: %j", async (args) => {
      const failed = await nibbleOf(emptyPlace, args, "some text");
      expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining("MODEL_REQUIRED")]);
      expectSentence(failed);
    });
});

it("the package ships every file once, the model in dist/ if it is there", () => {
  const [{ files }] = JSON.parse(execFileSync("npm",
    ["pack", "--dry-run", "--json", "--ignore-scripts"],
    { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
  )) as [{ files: { path: string }[] }];
  const models = files.map((file) => file.path).filter((name) => name.endsWith(".gguf"));
  expect(models).toEqual(existsSync(join(root, "dist", NAME)) ? [`dist/${NAME}`] : []);
  expect(files.map((file) => file.path)).toContain("dist/nibble.wasm");
});

describe.skipIf(!existsSync(join(root, "dist", NAME)))("the one that ships", () => {
  it("is small, and writes on from a prompt, the same for a seed", async () => {
    expect(statSync(join(root, "dist", NAME)).size).toBeLessThanOrEqual(6_500_000);
    const args = ["run", "Once upon a time", "-n", "40", "--seed", "7"];
    const written = await nibble(args);
    expect([written.code, written.stderr]).toEqual([0, ""]);
    expect(written.stdout).toMatch(/^Once upon a time[^]{20,}\n$/);
    expect(await nibble(args)).toEqual(written);
  });
});
