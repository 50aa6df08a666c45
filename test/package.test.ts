// The package as it is published: packed, installed in an empty folder without a network, and used
// by its command, as a module and by require. Does not know: what the model says.

import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

/** What a registry and a patient reader take: the model is most of it. */
const BYTES_MAX = 8_000_000;

const root = fileURLToPath(new URL("..", import.meta.url));
const isEmbedded = existsSync(join(root, "dist/bytepool-10m.gguf"));
const folder = mkdtempSync(join(tmpdir(), "nibble-package-"));
const quiet = { encoding: "utf8" as const, stdio: "pipe" as const };
let packed: { filename: string; size: number; files: { path: string }[] };

beforeAll(() => {
  // dist/ is there already; building it again would take it away from tests that run beside.
  [packed] = JSON.parse(execFileSync("npm",
    ["pack", "--json", "--ignore-scripts", "--pack-destination", folder],
    { cwd: root, ...quiet })) as [typeof packed];
  writeFileSync(join(folder, "package.json"), '{"private": true}');
  execFileSync("npm", ["install", "--offline", "--no-audit", "--no-fund", packed.filename],
    { cwd: folder, ...quiet });
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a program in the folder; returns what it prints. */
async function output(command: string, args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, { cwd: folder });
  return stdout;
}

describe("the package", () => {
  it("is small, and has what it needs and nothing else", () => {
    const names = packed.files.map(({ path }) => path);
    expect(statSync(join(folder, packed.filename)).size).toBeLessThanOrEqual(BYTES_MAX);
    expect(names.filter((name) => !name.startsWith("dist/")).sort())
      .toEqual(["LICENSE", "README.md", "package.json"]);
    for (const entry of ["index.js", "index.cjs", "deno.js", "bun.js", "workers.js",
      "workers-relaxed.js", "browser.js", "thread.js", "nibble.js", "nibble.wasm",
      "nibble-relaxed.wasm", "nibble-threads.wasm", "nibble-relaxed-threads.wasm",
      "types/platform/node.d.ts", "types/platform/node.d.cts"]) {
      expect(names).toContain(`dist/${entry}`);
    }
    expect(names.filter((name) => /\.(gguf|bin|safetensors|map)$/.test(name)))
      .toEqual(isEmbedded ? ["dist/bytepool-10m.gguf"] : []);
  });

  it("brings no other packages", async () => {
    const tree = JSON.parse(await output("npm", ["ls", "--all", "--json"])) as object;
    expect(tree).toMatchObject({ dependencies: { "nibble-lm": {} } });
    expect(JSON.stringify(tree).match(/"version"/g)).toHaveLength(1);
  });

  it("has a file for each entry and each of its types", () => {
    const paths = execFileSync(process.execPath, ["--input-type=module", "-e",
      'import it from "nibble-lm/package.json" with { type: "json" };'
        + "console.log(JSON.stringify(it.exports))"], { cwd: folder, ...quiet });
    for (const [, path] of paths.matchAll(/"(\.\/dist\/[^"]+)"/g)) {
      const isThere = existsSync(join(folder, "node_modules/nibble-lm", path!));
      expect([path, isThere]).toEqual([path, isEmbedded || !path!.endsWith(".gguf")]);
    }
  });

  it.skipIf(!isEmbedded)("writes a story by its command (needs the embedded model)", async () => {
    const text = await output("npx",
      ["--no-install", "nibble", "run", "Once upon a time", "-n", "20"]);
    expect(text).toMatch(/^Once upon a time[^]{5,}\n$/);
  });

  it.skipIf(!isEmbedded)("is a module and a CommonJS one, which say the same "
    + "(needs the embedded model)", async () => {
    const program = `
      load().then((model) => model.complete("Once upon a time", { seed: 7, maxTokens: 20 }))
        .then(({ text }) => console.log(text, new NibbleError("BAD_OPTION", "x").code));`;
    writeFileSync(join(folder, "program.mjs"),
      `import { load, NibbleError } from "nibble-lm"; ${program}`);
    writeFileSync(join(folder, "program.cjs"),
      `const { load, NibbleError } = require("nibble-lm"); ${program}`);
    const text = await output(process.execPath, ["program.mjs"]);
    expect(text).toMatch(/^.{5,} BAD_OPTION\n$/s);
    expect(await output(process.execPath, ["program.cjs"])).toBe(text);
  });

  it("says what is missing where there is no model", async () => {
    writeFileSync(join(folder, "missing.cjs"), `require("nibble-lm").load("none.gguf")
      .catch(({ code, message }) => console.log(code, message));`);
    expect(await output(process.execPath, ["missing.cjs"]))
      .toBe("FILE_NOT_FOUND none.gguf does not exist; check the path.\n");
  });
});
