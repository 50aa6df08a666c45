// Projects that install the packed package, import it by its name and build: what Vite, webpack and
// esbuild make of it runs in Chromium and writes what Node writes. What a bundler needs to be told
// is told here and in the README. Does not know: how the package is made.

import { execFileSync } from "node:child_process";
import {
  copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { nodeFileTrace } from "@vercel/nft";
import * as esbuild from "esbuild";
import { chromium, type Browser } from "playwright-core";
import { build, createServer } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import webpack from "webpack";
import { ISOLATING, root, serve } from "../platforms/stage";

const executablePath = "/usr/bin/chromium";
const missing = [executablePath, join(root, "dist/bytepool-10m.gguf")]
  .find((path) => !existsSync(path));
const words = missing ? ` (there is no ${missing})` : "";

const project = mkdtempSync(join(tmpdir(), "nibble-bundlers-"));
const installed = join(project, "node_modules/nibble-lm");
const entry = join(project, "app.js");
const threaded = join(project, "threaded.js");
/** What the package needs beside a bundle whose bundler copies nothing. */
const ENGINES = ["nibble.wasm", "nibble-relaxed.wasm", "nibble-threads.wasm",
  "nibble-relaxed-threads.wasm"];
let browser: Browser;
let expected = "";

beforeAll(async () => {
  if (missing) return;
  const quiet = { encoding: "utf8" as const, stdio: "pipe" as const };
  const packed = JSON.parse(execFileSync("npm",
    ["pack", "--json", "--ignore-scripts", "--pack-destination", project],
    { cwd: root, ...quiet })) as [{ filename: string }];
  writeFileSync(join(project, "package.json"), '{"private": true, "type": "module"}');
  execFileSync("npm", ["install", "--offline", "--no-audit", "--no-fund", packed[0].filename],
    { cwd: project, ...quiet });
  for (const path of [entry, threaded]) {
    cpSync(fileURLToPath(new URL(basename(path), import.meta.url)), path);
  }
  writeFileSync(join(project, "index.html"), pageOf("/app.js"));
  writeFileSync(join(project, "threaded.html"), pageOf("/threaded.js"));
  const program = 'import "./app.js"; process.stdout.write(await globalThis.story);';
  expected = execFileSync(process.execPath, ["--input-type=module", "-e", program],
    { cwd: project, ...quiet });
  expect(expected.length).toBeGreaterThan(20);
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
});

afterAll(async () => {
  await browser?.close();
  rmSync(project, { recursive: true });
});

const pageOf = (script: string): string =>
  `<!DOCTYPE html><title>A project</title><script type="module" src="${script}"></script>`;

/** What the page at an address writes. */
async function storyOf(address: string): Promise<string> {
  const page = await (await browser.newContext()).newPage();
  await page.goto(address);
  await page.waitForFunction("globalThis.story", undefined, { timeout: 30_000 });
  const story = await page.evaluate<string>("globalThis.story");
  await page.context().close();
  return story;
}

/** The same for a folder, served by a plain server that lets pages share memory. */
async function storyIn(folder: string, page = "index.html"): Promise<string> {
  const { origin, close } = await serve(folder, ISOLATING);
  try {
    return await storyOf(`${origin}/${page}`);
  } finally {
    await close();
  }
}

/** Where a bundler puts what it makes; with a page for those that make none. */
function outputOf(name: string, script?: string): string {
  const folder = join(project, name);
  mkdirSync(folder);
  if (script) writeFileSync(join(folder, "index.html"), pageOf(script));
  return folder;
}

describe.skipIf(missing)(`a project${words}`, () => {
  it("of Vite builds and writes", async () => {
    const outDir = outputOf("vite");
    const input = ["index.html", "threaded.html"].map((name) => join(project, name));
    await build({ root: project, configFile: false, logLevel: "error",
      build: { outDir, emptyOutDir: true, rollupOptions: { input } } });
    expect(await storyIn(outDir)).toBe(expected);
    expect(await storyIn(outDir, "threaded.html")).toBe(`2 threads: ${expected}`);
  });

  it.each([
    ["as it is", []], ["with the package left as it is", ["nibble-lm"]],
  ])("of Vite in development writes, %s", async (_, exclude) => {
    const server = await createServer({ root: project, configFile: false, logLevel: "error",
      cacheDir: join(project, `.vite-${exclude.length}`), optimizeDeps: { exclude },
      server: { host: "127.0.0.1", port: 0, headers: ISOLATING } });
    try {
      await server.listen();
      const [address] = server.resolvedUrls!.local;
      expect(await storyOf(address!)).toBe(expected);
      expect(await storyOf(`${address}threaded.html`)).toBe(`2 threads: ${expected}`);
    } finally {
      await server.close();
    }
  });

  it("of webpack builds and writes", async () => {
    const path = outputOf("webpack", "main.js");
    writeFileSync(join(path, "threaded.html"), pageOf("threaded.js"));
    const stats = await new Promise<webpack.Stats | undefined>((resolve, reject) => {
      webpack({ mode: "production", context: project, output: { path }, performance: false,
        entry: { main: entry, threaded } },
        (error, result) => (error ? reject(error) : resolve(result)));
    });
    const { errors, warnings } = stats!.toJson({ errors: true, warnings: true });
    expect([errors, warnings]).toEqual([[], []]);
    expect(await storyIn(path)).toBe(expected);
    expect(await storyIn(path, "threaded.html")).toBe(`2 threads: ${expected}`);
  });

  it("of esbuild builds, and writes with the engine and the model copied", async () => {
    const outdir = outputOf("esbuild", "app.js");
    writeFileSync(join(outdir, "threaded.html"), pageOf("threaded.js"));
    await esbuild.build({ entryPoints: [entry, threaded], bundle: true, format: "esm", outdir,
      logLevel: "error" });
    const copy = (name: string): void =>
      copyFileSync(join(installed, "dist", name), join(outdir, name));
    expect(await storyIn(outdir)).toMatch(/^HTTP_STATUS .*bytepool-10m\.gguf answered 404/);
    copy("bytepool-10m.gguf");
    expect(await storyIn(outdir))
      .toMatch(/^ENGINE_MISSING .*nibble-relaxed\.wasm answered 404; copy /);
    ENGINES.forEach(copy);
    expect(await storyIn(outdir)).toBe(expected);
    for (const name of ["worker.js", "thread.js"]) {
      expect(await storyIn(outdir, "threaded.html"))
        .toMatch(new RegExp(`^WORKER_FAILED .*${name} must lie beside `));
      copy(name);
    }
    expect(await storyIn(outdir, "threaded.html")).toBe(`2 threads: ${expected}`);
  });

  it("of esbuild for Node writes, too, with the same files", async () => {
    const outfile = join(outputOf("esbuild-node"), "app.mjs");
    await esbuild.build({ entryPoints: [entry], bundle: true, format: "esm", outfile,
      platform: "node", logLevel: "error" });
    for (const name of [...ENGINES, "bytepool-10m.gguf"]) {
      copyFileSync(join(installed, "dist", name), join(outfile, "..", name));
    }
    const program = `import ${JSON.stringify(pathToFileURL(outfile).href)};
      process.stdout.write(await globalThis.story);`;
    expect(execFileSync(process.execPath, ["--input-type=module", "-e", program]).toString())
      .toBe(expected);
  });
});

it.skipIf(missing)(`what Next traces for a function has the engines and the model${words}`,
  async () => {
    for (const name of ["index.js", "index.cjs"]) {
      const { fileList } = await nodeFileTrace([join(installed, "dist", name)],
        { base: project, processCwd: project });
      for (const file of [name, ...ENGINES, "bytepool-10m.gguf"]) {
        expect([...fileList], `${name} needs ${file}`)
          .toContain(join("node_modules/nibble-lm/dist", file));
      }
    }
  });
