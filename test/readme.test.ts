// The README's first command and its first program, run as they are written.
// Does not know: what the model says.

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");
const stories = "../shared/models/stories260K/stories260Ktok512.gguf";
const isThere = existsSync(join(root, stories));

/** The first block of a language. */
const block = (language: string): string =>
  readme.split(`\`\`\`${language}\n`)[1].split("```")[0];

it.skipIf(!isThere)("its first command writes a story", () => {
  const [first, second] = block("sh").trim().split("\n");
  expect(first.startsWith("npm ci && npm start -- ")).toBe(true);
  expect(second).toBe("npm ci && npm test");
  const text = execFileSync(first.replace("npm ci && ", ""),
    { cwd: root, shell: true, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  expect(text).toContain("Once upon a time, there was a little girl named Lily.");
});

it.skipIf(!isThere)("its four lines of program write a story", () => {
  const folder = mkdtempSync(join(tmpdir(), "nibble-readme-"));
  try {
    const lines = block("ts").trim().split("\n");
    expect(lines).toHaveLength(4);
    const program = lines.join("\n")
      .replace('"nibble-lm"', JSON.stringify(join(root, "dist/index.js")))
      .replace('"model.gguf"', JSON.stringify(join(root, stories)));
    writeFileSync(join(folder, "story.mjs"), program);
    const run = (): string => execFileSync(process.execPath, [join(folder, "story.mjs")],
      { encoding: "utf8" });
    const text = run();
    expect(text.length).toBeGreaterThan(100);
    expect(run()).toBe(text);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
