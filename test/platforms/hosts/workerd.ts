// Cloudflare's workerd by way of miniflare: the Worker is bundled as wrangler does it, models lie
// in a simulated R2. One Worker answers all tasks.

import { existsSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { build } from "esbuild";
import { here, root, type Answer, type Host } from "../stage";

/** The conditions and what stays outside, as wrangler has them. */
export async function bundleWorker(folder: string, file: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [resolve(folder, file)], bundle: true, format: "esm", write: false,
    conditions: ["workerd", "worker", "browser"], external: ["*.wasm", "cloudflare:*"],
    target: "es2022", logLevel: "warning",
  });
  return outputFiles[0]!.text;
}

/** Modules of a Worker that miniflare takes. */
export async function workerModules(folder: string, file: string) {
  return [
    { type: "ESModule" as const, path: "worker.mjs", contents: await bundleWorker(folder, file) },
    { type: "CompiledWasm" as const, path: "nibble.wasm",
      contents: readFileSync(join(root, "dist/nibble.wasm")) },
  ];
}

export const workerd: Host = {
  name: "workerd",
  entry: "workers.js",
  missing: () => [join(here, "node_modules/miniflare")].find((path) => !existsSync(path)),
  async start({ folder, origin }) {
    const { Miniflare } = await import("miniflare");
    const miniflare = new Miniflare({
      modules: await workerModules(folder, "worker.mjs"),
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
  },
};
