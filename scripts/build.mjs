// Builds dist/: the engine with asc, the host with esbuild, the types with tsc; and the embedded
// model, if there is one. `kernels` builds those alone, `story [MODEL] [OUT]` a program with a model.

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

function engine(target, entry, ...options) {
  command("assemblyscript", "bin/asc.js", [entry, "--target", target, ...options]);
}

const only = process.argv[2];
mkdirSync("build", { recursive: true });
if (only === "kernels") {
  engine("kernels", "assembly/kernels/index.ts");
  engine("kernels-relaxed", "assembly/kernels/index.ts");
  process.exit(0);
}
if (only === "story") {
  // The WASI program with a model inside; not part of the package, since a build of that clears dist.
  const [model = EMBEDDED, out = "dist/nibble-story.wasm"] = process.argv.slice(3);
  engine("wasi", "assembly/wasi.ts", "--use", "NIBBLE_STORY=1", "--outFile", "build/story.wasm");
  execFileSync(process.execPath, ["scripts/story.mjs", "build/story.wasm", model, out],
    { stdio: "inherit" });
  process.exit(0);
}

rmSync("dist", { recursive: true, force: true });
mkdirSync("dist", { recursive: true });
for (const [target, file] of [["strict", "nibble"], ["relaxed", "nibble-relaxed"],
  ["threads", "nibble-threads"], ["relaxed-threads", "nibble-relaxed-threads"]]) {
  engine(target, "assembly/index.ts");
  copyFileSync(`build/${file}.wasm`, `dist/${file}.wasm`);
}
engine("tools", "assembly/tools.ts", "--use", "NIBBLE_OBSERVES=1");
copyFileSync("build/nibble-tools.wasm", "dist/nibble-tools.wasm");
engine("wasi", "assembly/wasi.ts");
copyFileSync("build/nibble-wasi.wasm", "dist/nibble-wasi.wasm");
if (existsSync(EMBEDDED)) copyFileSync(EMBEDDED, "dist/bytepool-10m.gguf");
else console.warn(`${EMBEDDED} is not there: this build has no embedded model.`);

// One file for each platform, whole: nothing is shared that could be lost in a copy.
const bundle = {
  outdir: "dist", bundle: true, format: "esm", logLevel: "warning", loader: { ".html": "text" },
};
const onNode = { ...bundle, platform: "node", target: "node20" };
await esbuild.build({
  ...onNode,
  entryPoints: {
    nibble: "host/cli/main.ts", index: "host/platform/node.ts", deno: "host/platform/deno.ts",
    bun: "host/platform/bun.ts",
  },
});
await esbuild.build({
  ...onNode,
  entryPoints: { index: "host/platform/node.ts" },
  format: "cjs",
  outExtension: { ".js": ".cjs" },
  define: { "import.meta.url": "moduleAddress" },
  // The joined paths are for tools that trace which files a function needs: they know this form.
  banner: { js: `const moduleAddress = require("node:url").pathToFileURL(__filename).href;
const tracedPath = require("path");
const traced = [tracedPath.join(__dirname, "nibble.wasm"),
  tracedPath.join(__dirname, "nibble-relaxed.wasm"),
  tracedPath.join(__dirname, "nibble-threads.wasm"),
  tracedPath.join(__dirname, "nibble-relaxed-threads.wasm"),
  tracedPath.join(__dirname, "bytepool-10m.gguf")];` },
});
await esbuild.build({
  ...bundle,
  entryPoints: {
    browser: "host/platform/browser.ts", worker: "host/platform/worker.ts",
    thread: "host/platform/thread.ts", workers: "host/platform/workers.ts",
    "workers-relaxed": "host/platform/workers-relaxed.ts",
    server: "host/server.ts", ai: "host/ai.ts",
  },
  platform: "neutral",
  mainFields: ["module", "main"],
  target: "es2022",
  external: ["*.wasm"],
});
chmodSync("dist/nibble.js", 0o755);
command("typescript", "bin/tsc", ["-p", "tsconfig.types.json"]);

// Node's own resolution of types wants file extensions, which the sources do without. Programs in
// CommonJS have files of their own, since a type file is a module of the one kind or the other.
for (const file of readdirSync("dist/types", { recursive: true })) {
  const path = join("dist/types", file);
  if (!path.endsWith(".d.ts")) continue;
  const text = readFileSync(path, "utf8");
  const withEnding = (ending) =>
    text.replace(/((?:from |import\()")(\.[^"]+)(")/g, `$1$2${ending}$3`);
  writeFileSync(path, withEnding(".js"));
  writeFileSync(path.replace(/\.d\.ts$/, ".d.cts"), withEnding(".cjs"));
}
