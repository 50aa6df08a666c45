// Cloudflare's workerd by way of miniflare: the Worker is bundled as wrangler does it, models lie
// in a simulated R2. One Worker answers all tasks.

import { existsSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { build } from "esbuild";
import {
  RELAXED, STRICT, here, root, withBuild, type Answer, type Build, type Host, type Running,
  type Stage,
} from "../stage";

/** The conditions and what stays outside, as wrangler has them. A Worker's entry is its build. */
export async function bundleWorker(
  folder: string, file: string, simd: Build["simd"] = "strict",
): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [resolve(folder, file)], bundle: true, format: "esm", write: false,
    conditions: ["workerd", "worker", "browser"], external: ["*.wasm", "cloudflare:*"],
    target: "es2022", logLevel: "warning",
    alias: simd === "relaxed" ? { "nibble-lm": "nibble-lm/relaxed" } : {},
  });
  return outputFiles[0]!.text;
}

/** Modules of a Worker that miniflare takes. */
export async function workerModules(
  folder: string, file: string, simd: Build["simd"] = "strict",
) {
  const wasm = simd === "relaxed" ? "nibble-relaxed.wasm" : "nibble.wasm";
  return [
    { type: "ESModule" as const, path: "worker.mjs",
      contents: await bundleWorker(folder, file, simd) },
    { type: "CompiledWasm" as const, path: wasm,
      contents: readFileSync(join(root, "dist", wasm)) },
  ];
}

async function start({ folder, origin }: Stage, simd: Build["simd"]): Promise<Running> {
  const { Miniflare } = await import("miniflare");
  const miniflare = new Miniflare({
    modules: await workerModules(folder, "worker.mjs", simd),
    compatibilityDate: "2026-04-01", r2Buckets: ["MODELS"],
  });
  const ask = async (method: string, path: string, body: string) => {
    const response = await miniflare.dispatchFetch(`http://worker/${basename(path)}`,
      { method, body });
    const text = await response.text();
    if (!response.ok) throw new Error(text);
    return text;
  };
  const known = new Set<string>();
  return {
    async run(path, task) {
      if (!known.has(path)) await ask("PUT", path, `${origin}/${basename(path)}`);
      known.add(path);
      return JSON.parse(await ask("POST", path, JSON.stringify(task))) as Answer;
    },
    stop: () => miniflare.dispose(),
  };
}

export const workerd: Host = {
  name: "workerd",
  entry: "workers.js",
  build: STRICT,
  missing: () => [join(here, "node_modules/miniflare")].find((path) => !existsSync(path)),
  start: (stage) => start(stage, "strict"),
};

export const workerdRelaxed: Host = {
  ...withBuild(workerd, RELAXED),
  entry: "workers-relaxed.js",
  start: (stage) => start(stage, "relaxed"),
};
