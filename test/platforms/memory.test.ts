// A Worker's isolate has 128 MB for everything, which no simulator enforces: engine memory, heap
// and script, added up for the models that must fit.
// Does not know: how they are used.

import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, it } from "vitest";
import { bundleWorker } from "./hosts/workerd";
import { here, openStage, root } from "./stage";

const ISOLATE_BYTES = 128e6;
/** An allowance: compiled code may take five times the bytes of its module. */
const CODE_FACTOR = 5;
/** Pieces of the file on their way. */
const PIECES_BYTES = 2e6;

const folder = mkdtempSync(join(tmpdir(), "nibble-memory-"));
afterAll(() => rmSync(folder, { recursive: true }));

const random = join(root, "../shared/tools/random-gguf.mjs");
const embedded = join(root, "dist/bytepool-10m.gguf");

const cases = [
  ["bytepool-10m", embedded, () => embedded, 30e6],
  ["the shape of SmolLM-135M in Q4_0", random, () => {
    const path = join(folder, "smol135.gguf");
    execFileSync(process.execPath, [random, "smol135", path]);
    return path;
  }, ISOLATE_BYTES],
] as const;

for (const [name, needed, make, most] of cases) {
  const words = existsSync(needed) ? "" : ` (there is no ${needed})`;
  it.skipIf(words)(`${name} fits${words}`, async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc",
      join(here, "memory.mjs"), join(root, "dist/index.js"), make()]);
    const { engine, heap } = JSON.parse(stdout) as { engine: number; heap: number };
    const stage = await openStage();
    const script = Buffer.byteLength(await bundleWorker(stage.folder, "worker.mjs"));
    await stage.close();
    const code = statSync(join(root, "dist/nibble.wasm")).size * CODE_FACTOR;
    const total = engine + heap + PIECES_BYTES + script + code;
    console.log(`${name}: engine ${engine}, heap ${heap}, script ${script}, code ${code}; `
      + `together ${total}`);
    expect(total).toBeLessThan(most);
  });
}
