// The types that are shipped, used by a strict program under Node's own resolution, as a module and
// as CommonJS, and under that of bundlers for other platforms. Does not know: what the functions
// do.

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../", import.meta.url));
const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")),
  "bin/tsc");

/** In two pieces: here it would be an excuse, in the program it is the check. */
const EXPECT_ERROR = ["@ts", "expect-error"].join("-");
const PROGRAM = `
import { load, NibbleError, type GenerateOptions, type Model } from "nibble-lm";
const model: Model = await load("x.gguf", { context: 64 });
const options: GenerateOptions = { seed: 7 };
for await (const text of model.generate("a", options)) { const same: string = text; void same; }
// ${EXPECT_ERROR} a misspelt option
await model.complete("a", { sede: 1 });
export const error: NibbleError = new NibbleError("BAD_OPTION", "x");
`;

it.each([
  ["nodenext", "nodenext", "ts", "node"], ["node16", "node16", "cts", "node"],
  ["esnext", "bundler", "ts", "workerd"], ["esnext", "bundler", "ts", "browser"],
])(
  "compile with module %s and resolution %s as .%s on %s",
  (module, resolution, ending, platform) => {
    const folder = mkdtempSync(join(tmpdir(), "nibble-types-"));
    try {
      const target = join(folder, "node_modules/nibble-lm");
      mkdirSync(target, { recursive: true });
      cpSync(join(root, "dist"), join(target, "dist"), { recursive: true });
      cpSync(join(root, "package.json"), join(target, "package.json"));
      writeFileSync(join(folder, "package.json"), '{"type":"module"}');
      // CommonJS has no await at its top.
      const program = ending === "ts" ? PROGRAM
        : PROGRAM.replace(/const model[^]*(?=export)/, "export async function main() {$&}\n");
      writeFileSync(join(folder, `program.${ending}`), program);
      const run = (): Buffer => execFileSync(process.execPath, [
        tsc, "--noEmit", "--strict", "--target", "es2022", "--module", module,
        "--moduleResolution", resolution,
        "--lib", "es2023,dom,dom.asynciterable,esnext.disposable",
        ...(platform === "node" ? [] : ["--customConditions", platform]), `program.${ending}`,
      ], { cwd: folder, stdio: "pipe" });
      expect(run().toString()).toBe("");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
