// Who runs against whom, as data. A contestant whose program, package or build is not there is
// skipped by its name.
//
//   name, threads      what the tables say
//   home               "process": node/ADAPTER.mjs under `node`; "page": pages/ADAPTER.mjs
//   env                of its process
//   needs              files or folders without which it is skipped
//   engine             pattern of the file in dist/ that it must have compiled
//   ships              what its user downloads or installs: files and folders; Nibble's engine, as
//                      it was compiled, comes to that
//
// Does not know: how anything is measured.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromiumPath } from "./chromium.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const packages = join(root, "bench/peers/node_modules");
const dist = join(root, "dist");

/** Node 24 as a package; this process is whichever Node the bench was started with. */
export const node24 = [packages, join(root, "test/platforms/node_modules")]
  .map((folder) => join(folder, "node24/bin/node")).find(existsSync)
  ?? join(packages, "node24/bin/node");
const nodes = [
  { title: `Node ${process.versions.node.split(".")[0]}`, node: process.execPath },
  ...(process.versions.node.startsWith("24.") ? [] : [{ title: "Node 24", node: node24 }]),
];

/** Nibble's builds; the first is there always. */
const builds = [
  { title: "strict", env: { NIBBLE_SIMD: "strict" }, engine: /^nibble(?!.*relaxed)/ },
  { title: "relaxed", env: { NIBBLE_SIMD: "relaxed" }, engine: /relaxed/ },
];

const nibbleOnNode = nodes.flatMap(({ title, node }) => builds.map((build) => ({
  name: `Nibble ${build.title}, ${title}`, isNibble: true, home: "process", adapter: "nibble", node,
  env: build.env, engine: build.engine, needs: [node],
  ships: [join(dist, "index.js")],
}))).filter(({ name }) => name !== "Nibble relaxed, Node 20"); // V8 11.3 has no relaxed SIMD

const page = { home: "page", needs: [chromiumPath, join(packages, "playwright-core")] };

const others = [
  {
    name: "Nibble, Chromium", isNibble: true, ...page, adapter: "nibble",
    engine: /^nibble/,
    ships: [join(dist, "browser.js")],
  },
  {
    name: "node-llama-cpp", home: "process", adapter: "llama", isNative: true,
    needs: [join(packages, "node-llama-cpp")],
    ships: [join(packages, "node-llama-cpp"), join(packages, "@node-llama-cpp/linux-x64")],
  },
  {
    name: "onnxruntime-node", home: "process", adapter: "onnxruntime", isNative: true,
    needs: [join(packages, "onnxruntime-node")],
    ships: [join(packages, "onnxruntime-node/dist"), join(packages, "onnxruntime-common/dist/cjs"),
      join(packages, "onnxruntime-node/bin/napi-v6/linux/x64")],
  },
  {
    name: "wllama 2, Chromium", ...page, adapter: "wllama2",
    needs: [...page.needs, join(packages, "wllama2")],
    ships: [join(packages, "wllama2/esm/index.min.js"),
      join(packages, "wllama2/esm/single-thread/wllama.wasm")],
  },
  {
    name: "wllama 3, Chromium", ...page, adapter: "wllama3",
    needs: [...page.needs, join(packages, "@wllama/wllama")],
    ships: [join(packages, "@wllama/wllama/esm/index.min.js"),
      join(packages, "@wllama/wllama/esm/wasm/wllama.wasm")],
  },
  {
    name: "onnxruntime-web, Chromium", ...page, adapter: "onnxruntime",
    needs: [...page.needs, join(packages, "onnxruntime-web")],
    ships: ["ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"]
      .map((file) => join(packages, "onnxruntime-web/dist", file)),
  },
];

/** Everybody, with one thread and with two. */
export const CONTESTANTS = [...nibbleOnNode, ...others].flatMap((contestant) =>
  [1, 2].map((threads) => ({ node: process.execPath, env: {}, ...contestant, threads })));

/** Why a contestant cannot start, or undefined. */
export function missingOf({ needs, engine }) {
  const absent = needs.find((path) => !existsSync(path));
  if (absent) return `there is no ${absent.replace(root, "")}`;
  if (engine && !engineFiles().some((file) => engine.test(file))) {
    return `dist/ has no engine like ${engine.source}`;
  }
  return undefined;
}

/** The engines that dist/ holds. */
export function engineFiles() {
  return existsSync(dist) ? readdirSync(dist).filter((file) => /^nibble.*\.wasm$/.test(file)
    && !file.includes("wasi")) : [];
}
