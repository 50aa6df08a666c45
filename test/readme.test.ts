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
const isEmbedded = existsSync(join(root, "dist/bytepool-10m.gguf"));
const stories = join(root, "../shared/models/stories260K/stories260Ktok512.gguf");

/** The first block of a language. */
const block = (language: string): string =>
  readme.split(`\`\`\`${language}\n`)[1].split("```")[0];

it("its first commands are these", () => {
  expect(block("sh")).toBe('npm ci && npm start -- "Once upon a time"\nnpm ci && npm test\n');
});

it.skipIf(!isEmbedded)("its first command writes a story (needs the embedded model)", () => {
  const [first] = block("sh").split("\n");
  const text = execFileSync(first.replace("npm ci && ", ""),
    { cwd: root, shell: true, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  // npm says first what it runs.
  expect(text).toMatch(/\n\nOnce upon a time[^]{100,}\n$/);
});

it.skipIf(!isEmbedded)("its answer of a shape has the shape (needs the embedded model)", () => {
  const folder = mkdtempSync(join(tmpdir(), "nibble-readme-"));
  try {
    const program = readme.split("### Answers of a shape")[1].split("```js\n")[1].split("```")[0]
      .replace('"nibble-lm"', JSON.stringify(join(root, "dist/index.js")));
    writeFileSync(join(folder, "shape.mjs"), program);
    const text = execFileSync(process.execPath, [join(folder, "shape.mjs")], { encoding: "utf8" });
    expect(text).toMatch(/^.{0,40} \d+ (happy|sad)\n$/su);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

it.skipIf(!isEmbedded && !existsSync(stories))("its four lines of program write a story", () => {
  const folder = mkdtempSync(join(tmpdir(), "nibble-readme-"));
  try {
    const lines = block("ts").trim().split("\n");
    expect(lines).toHaveLength(4);
    expect(lines[1]).toContain("load()");
    const program = lines.join("\n")
      .replace('"nibble-lm"', JSON.stringify(join(root, "dist/index.js")))
      .replace("load()", isEmbedded ? "load()" : `load(${JSON.stringify(stories)})`);
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
