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

/** What is asked of a runtime; `saved` takes up the text of another one. */
export interface Task {
  prompt: string;
  options: { seed: number; temperature: number; maxTokens: number };
  saved?: string;
}

/** What program.mjs answers, and who it was. */
export interface Answer {
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
  /** False for one that only writes: nothing is saved there. */
  hasSessions?: false;
  /** What a slow one is spared: tokens of a large model. */
  tokensMax?: number;
  /** What is not there, or undefined. */
  missing(): string | undefined;
  start(stage: Stage): Promise<Running>;
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
  for (const name of ["program.mjs", "start.mjs", "worker.mjs", "sources.mjs"]) {
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

/** A plain web server for the files of a folder. */
export async function serve(folder: string): Promise<Omit<Stage, "folder">> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "", "http://x");
    give(join(folder, normalize(decodeURIComponent(pathname))), response);
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

function give(path: string, response: ServerResponse): void {
  if (!existsSync(path) || !statSync(path).isFile()) return void response.writeHead(404).end();
  response.writeHead(200, {
    "content-type": TYPES[extname(path)] ?? "application/octet-stream",
    "content-length": statSync(path).size,
  });
  createReadStream(path).pipe(response);
}
