// The form of products follows the processor, though nobody names it: sums of 32 bits where one
// instruction multiplies four bytes (the Pi 5's core), of 16 where none does (the Pi 4's); and the
// same logits with either, alone and by threads. Does not know: how fast they are.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { arm64Command } from "./hosts/arm64";
import { here, root } from "./stage";

const model = join(root, "models/bytepool-10m.gguf");
const missing = [...arm64Command(24, "cortex-a76").needed, model].find((path) => !existsSync(path));
const words = missing ? ` (there is no ${missing})` : "";
const hashes = new Set<string>();

// The Pi 4 would be looked at for ever: five times is some, the Pi 5 needs one or two.
it.skipIf(missing).each([["cortex-a72", 16, 5], ["cortex-a76", 32, 500]] as const)(
  `%s comes to sums of %i bits${words}`, (core, bits, turns) => {
    const { command: [binary, ...args] } = arm64Command(24, core);
    const found = JSON.parse(execFileSync(binary, [...args, join(here, "sums.mjs"),
      join(root, "dist/index.js"), model, `${turns}`], { encoding: "utf8" })) as
      { threads: number; bits: number; hash: string }[];
    expect(found.map(({ threads, bits }) => [threads, bits])).toEqual([[1, bits], [2, bits]]);
    for (const { hash } of found) hashes.add(hash);
    expect(hashes.size).toBe(1);
  });
