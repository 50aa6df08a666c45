// The models that ship: that the files are those that their cards and sums name, and that they have
// learned to read. Does not know: what they write.

import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { root } from "./host/command";
import { load } from "./host/library";

const folder = join(root, "models");
const names = readdirSync(folder).filter((name) => name.endsWith(".gguf"));
const list = readFileSync(join(folder, "README.md"), "utf8");
/** English that nobody has trained on, for it was written here. */
const TEXT = "The old man walked down to the river with his dog. It was a cold morning, and nobody "
  + "was on the road. \"We shall have snow before the evening,\" he said, and the dog looked up "
  + "at him as if it knew. They sat down under a tree and waited for the boat.";

describe.each(names)("%s", (name) => {
  const bytes = readFileSync(join(folder, name));
  const sum = createHash("sha256").update(bytes).digest("hex");
  const size = bytes.length.toLocaleString("en");

  it("is the file that its card, its sum and the list name", () => {
    expect(readFileSync(join(folder, `${name}.sha256`), "utf8")).toBe(`${sum}  ${name}\n`);
    const card = readFileSync(join(folder, name.replace("gguf", "md")), "utf8");
    expect(card).toContain(`| sha256 | \`${sum}\` |`);
    expect(card).toContain(`\`${name}\`, ${size} bytes`);
    expect(list).toContain(`| \`${name}\` | ${size} | \`${sum}\` |`);
  });

  it("reads English with less than two bits a byte", async () => {
    using model = await load(bytes);
    const { bitsPerByte } = await model.score(TEXT);
    expect(bitsPerByte).toBeGreaterThan(0.8);
    expect(bitsPerByte).toBeLessThan(2);
  });
});

it("all of them together stay at 45 MB", () => {
  const total = names.reduce((sum, name) => sum + readFileSync(join(folder, name)).length, 0);
  expect(total).toBeGreaterThan(0);
  expect(total).toBeLessThanOrEqual(45e6);
});
