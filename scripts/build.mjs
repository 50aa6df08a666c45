// Builds dist/: the engine with asc, the host with esbuild, the types with tsc; and the embedded
// model, if there is one.

import { execFileSync } from "node:child_process";
import {
  chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const require = createRequire(import.meta.url);
process.chdir(root);

/** The model that is used when none is named. */
const EMBEDDED = "models/bytepool-10m.gguf";

/** Runs a package's own command with this Node, so that no shell or PATH is needed. */
function command(packageName, file, args) {
  const path = join(dirname(require.resolve(`${packageName}/package.json`)), file);
  execFileSync(process.execPath, [path, ...args], { stdio: "inherit" });
}

function engine(target, entry) {
  command("assemblyscript", "bin/asc.js", [entry, "--target", target]);
}

const only = process.argv[2];
mkdirSync("build", { recursive: true });
if (only === "kernels") {
  engine("kernels", "assembly/kernels/index.ts");
  process.exit(0);
}

rmSync("dist", { recursive: true, force: true });
mkdirSync("dist", { recursive: true });
engine("strict", "assembly/index.ts");
copyFileSync("build/nibble.wasm", "dist/nibble.wasm");
if (existsSync(EMBEDDED)) copyFileSync(EMBEDDED, "dist/bytepool-10m.gguf");
else console.warn(`${EMBEDDED} is not there: this build has no embedded model.`);
await esbuild.build({
  entryPoints: { nibble: "host/cli/main.ts", index: "host/platform/node.ts" },
  outdir: "dist",
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  logLevel: "warning",
});
chmodSync("dist/nibble.js", 0o755);
command("typescript", "bin/tsc", ["-p", "tsconfig.types.json"]);

// Node's own resolution of types wants file extensions, which the sources do without.
for (const file of readdirSync("dist/types", { recursive: true })) {
  const path = join("dist/types", file);
  if (!path.endsWith(".d.ts")) continue;
  const text = readFileSync(path, "utf8");
  writeFileSync(path, text.replace(/((?:from |import\()")(\.[^"]+)(")/g, "$1$2.js$3"));
}
