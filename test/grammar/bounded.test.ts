// What means harm ends in a grammar or in a sentence, with bounded memory and work: it is compiled
// in a process whose heap is too small for more, and that counts what runs. Nothing is timed: ten
// million blocks take half a second where this was written, and most take some tenths.
// Does not know: what harm there is.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { expect, it } from "vitest";
import type { Cost } from "./bounded";
import { HARM } from "./harm";

/** 64 MB in all: the heap, its young generation, and typed arrays. */
const HEAP_MB = 42;
const YOUNG_MB = 2; // of which there are three
const ARRAYS_MAX = 16e6;
const BLOCKS_MAX = 12e6;

it("ends within 64 MB and a bounded number of steps", async () => {
  const folder = mkdtempSync(join(tmpdir(), "nibble-harm-"));
  try {
    const outfile = join(folder, "bounded.mjs");
    await build({ entryPoints: [fileURLToPath(new URL("bounded.ts", import.meta.url))], outfile,
      bundle: true, format: "esm", platform: "node", target: "node20", logLevel: "silent" });
    const costs: Cost[] = execFileSync(process.execPath, [`--max-old-space-size=${HEAP_MB}`,
      `--max-semi-space-size=${YOUNG_MB}`, outfile], { encoding: "utf8", maxBuffer: 1e7,
      stdio: ["ignore", "pipe", "pipe"] }).trim().split("\n").map((line) => JSON.parse(line));
    expect(costs.map(({ name }) => name)).toEqual([...HARM.keys()]);
    expect(costs.filter(({ blocks }) => blocks === 0)).toEqual([]);
    expect(costs.filter(({ blocks, arrays }) => blocks > BLOCKS_MAX || arrays > ARRAYS_MAX))
      .toEqual([]);
    const refused = costs.filter(({ code }) => code !== "");
    for (const { name, message } of refused) expect(message, name).toMatch(/^[A-Z][^\n]{1,700}\.$/);
    // Some of each: or the test would only see one of the two ends.
    expect(refused.length).toBeGreaterThan(20);
    expect(costs.length - refused.length).toBeGreaterThan(20);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 120_000);
