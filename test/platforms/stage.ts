// Where the runtimes play: a folder in which the package is installed under its name, with the
// programs, the models, and a server for those that know addresses only.
// Does not know: which runtimes there are.

import {
  cpSync, createReadStream, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const here = fileURLToPath(new URL(".", import.meta.url));

/** What runs: the engine's build, and how many threads share its memory. */
export interface Build {
  simd: "strict" | "relaxed";
  threads: number;
}

export const STRICT: Build = { simd: "strict", threads: 1 };
export const RELAXED: Build = { simd: "relaxed", threads: 1 };

/** What is asked of a runtime; `saved` takes up the text of another one. */
export interface Task {
  /** Options of `load`. */
  build?: Build | undefined;
  prompt: string;
  options: { seed: number; temperature: number; maxTokens: number; schema?: object | undefined };
  saved?: string;
}

/** What program.mjs answers, and who it was. */
export interface Answer {
  /** What has run, as the model says. */
  build?: Build;
  logits?: string;
  first?: string;
  rest: string;
  saved: string;
  userAgent?: string;
  /** The file of the package that its name led to, where the runtime tells. */
  entry?: string;
}

/** A runtime: an adapter file each (hosts/). */
export interface Host {
  name: string;
  /** The file of the package that it must get. */
  entry: string;
  /** What it is asked for and must have run; undefined where a program has the one. */
  build: Build | undefined;
  /** False for one that only writes: nothing is saved there. */
  hasSessions?: false;
  /** What a slow one is spared: tokens of a large model. */
  tokensMax?: number;
  /** What is not there, or undefined. */
  missing(): string | undefined;
  start(stage: Stage): Promise<Running>;
}

/** The same runtime with another build: a column of its own. */
export function withBuild(host: Host, build: Build): Host {
  const { simd, threads } = build;
  const words = [...simd === "relaxed" ? [simd] : [], ...threads > 1 ? [`${threads} threads`] : []];
  return { ...host, build, name: [host.name, ...words].join(", ") };
}

export interface Running {
  run(path: string, task: Task): Promise<Answer>;
  stop(): Promise<void>;
}

export interface Stage {
  folder: string;
  origin: string;
  close(): Promise<void>;
}

const TYPES: Record<string, string> = {
  ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript",
  ".wasm": "application/wasm", ".json": "application/json",
};

export async function openStage(): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), "nibble-stage-"));
  const target = join(folder, "node_modules/nibble-lm");
  mkdirSync(target, { recursive: true });
  for (const name of ["dist", "package.json"]) symlinkSync(join(root, name), join(target, name));
  for (const name of ["program.mjs", "start.mjs", "worker.mjs", "sources.mjs",
    "threaded.mjs"]) {
    cpSync(join(here, name), join(folder, name));
  }
  writeFileSync(join(folder, "package.json"),
    '{"type": "module", "dependencies": {"nibble-lm": "*"}}');
  const { origin, close } = await serve(folder);
  return {
    folder, origin,
    async close() {
      await close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** Headers that make a page cross-origin isolated, so that it may share memory. */
export const ISOLATING = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

/** A plain web server for the files of a folder. */
export async function serve(
  folder: string, headers: Record<string, string> = {},
): Promise<Omit<Stage, "folder">> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "", "http://x");
    give(join(folder, normalize(decodeURIComponent(pathname))), response, headers);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function give(path: string, response: ServerResponse, headers: Record<string, string>): void {
  if (!existsSync(path) || !statSync(path).isFile()) return void response.writeHead(404).end();
  response.writeHead(200, {
    ...headers,
    "content-type": TYPES[extname(path)] ?? "application/octet-stream",
    "content-length": statSync(path).size,
  });
  createReadStream(path).pipe(response);
}
