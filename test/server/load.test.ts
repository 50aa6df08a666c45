// The clients of bench/load.mjs, for some seconds: streams, whole texts, readers that leave or are
// slow, and nonsense, all at once, against nibble serve as a process. Each text is the one that the
// library writes alone. The same for minutes, with the server's memory, is npm run bench:load.
// Does not know: what clients do in detail (bench/load/clients.mjs).

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { load } from "../host/library";
import { file } from "./library";

interface Outcome {
  counts: Record<"streams" | "wholes" | "left" | "slow" | "refused" | "again", number>;
  tokens: number;
  wrong: string[];
}

interface Served {
  address: string;
  failures: string[];
  stop(): Promise<number | null>;
  memory(): Promise<{ engine: number; process?: number }>;
}

interface Asked { path: string; body: object; texts: string[]; tokens: number }

const part = async <T>(name: string): Promise<T> => await import(pathToFileURL(fileURLToPath(
  new URL(`../../bench/load/${name}.mjs`, import.meta.url))).href) as T;
const { runClients } = await part<{ runClients(options: object): Promise<Outcome> }>("clients");
const { requestsFor, slowRequestFor } = await part<{
  requestsFor(model: object): Promise<Asked[]>;
  slowRequestFor(model: object): Promise<Asked>;
}>("requests");
const { startServer } = await part<{ startServer(args: string[]): Promise<Served> }>("server");

const folder = mkdtempSync(join(tmpdir(), "nibble-load-"));
const path = join(folder, "model.gguf");
let requests: Asked[];
let slow: Asked;
let server: Served;

beforeAll(async () => {
  writeFileSync(path, file);
  using model = await load(path);
  requests = await requestsFor(model);
  slow = await slowRequestFor(model);
  server = await startServer([path, "--parallel", "5"]);
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

const clients = (more: object): Promise<Outcome> => (
  runClients({ address: server.address, requests, slow, ...more }));

it("16 clients of all kinds get what each would get alone", async () => {
  const { engine } = await server.memory();
  const { counts, tokens, wrong } = await clients({ clients: 16, seconds: 5 });
  expect(wrong).toEqual([]);
  expect(server.failures).toEqual([]);
  for (const kind of ["streams", "wholes", "left", "refused"] as const) {
    expect(counts[kind], kind).toBeGreaterThan(0);
  }
  expect(tokens).toBeGreaterThan(0);
  const after = await server.memory();
  expect(engine).toBeGreaterThan(0);
  expect(after.engine).toBe(engine);
});

it("clients notice when a text is another one", async () => {
  const forged = requests.map((request) => (
    { ...request, texts: request.texts.map((text) => `${text.slice(0, -1)}\u2603`) }));
  const { wrong } = await clients({ requests: forged, slow, clients: 2, seconds: 1 });
  expect(wrong.join("\n")).toContain("came in the place of");
});
