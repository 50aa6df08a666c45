// Every program of firmware-demos/, started as its README says and asked for a story: what it
// writes is what the library writes. What is not on this machine is skipped by its name.
// Does not know: how a demo works.

import { execFile, spawn, type ChildProcess } from "node:child_process";
import { cpSync, existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Miniflare } from "miniflare";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { executablePath } from "./hosts/chromium";
import { bundleWorker } from "./hosts/workerd";
import { here, openStage, root, type Stage } from "./stage";

const demos = join(root, "firmware-demos");
const model = join(root, "dist/bytepool-10m.gguf");
const without = existsSync(model) ? "" : " (this build has no embedded model)";
const prompt = "Once upon a time";
const run = promisify(execFile);

let stage: Stage;
const started: ChildProcess[] = [];

beforeAll(async () => {
  stage = await openStage();
  cpSync(demos, stage.folder, { recursive: true });
});
afterAll(async () => {
  for (const child of started) child.kill();
  await stage.close();
});

const missing = (...paths: string[]): string => {
  const path = paths.find((each) => !existsSync(each));
  return without || (path ? ` (there is no ${path})` : "");
};
const tool = (name: string): string => join(here, "node_modules/.bin", name);

/** What the command line writes. */
async function story(args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [join(root, "dist/nibble.js"), "run", ...args]);
  return stdout;
}

/** A server's process, once it listens. */
async function serving(command: string, args: string[], folder: string, port: number) {
  const child = spawn(command, args, {
    cwd: join(stage.folder, folder), env: { ...process.env, PORT: String(port) }, stdio: "pipe",
  });
  started.push(child);
  const address = `http://127.0.0.1:${port}`;
  for (let i = 0; i < 200; i++) {
    const answer = await fetch(address).catch(() => undefined);
    if (answer) {
      expect(answer.status).toBe(405);
      return address;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${command} does not listen: ${child.stderr?.read()}`);
}

it("have at most 60 lines of code in a file", () => {
  for (const name of readdirSync(demos, { recursive: true, encoding: "utf8" })) {
    if (!/\.m?js$/.test(name)) continue;
    const lines = readFileSync(join(demos, name), "utf8").split("\n");
    expect(lines.filter((line) => !/^\s*(\/\/|\/\*\*|$)/.test(line)).length, name)
      .toBeLessThanOrEqual(60);
  }
});

describe("servers", () => {
  it.skipIf(missing(tool("deno")))(`deno${missing(tool("deno"))}`, async () => {
    const port = 20000 + process.pid % 10000;
    const args = ["run", "--allow-net", "--allow-read", "--allow-env", "--no-lock", "serve.js"];
    const address = await serving(tool("deno"), args, "deno", port);
    const text = await (await fetch(address, { method: "POST", body: prompt })).text();
    expect(text.length).toBeGreaterThan(100);
  });

  it.skipIf(missing(tool("bun")))(`bun${missing(tool("bun"))}`, async () => {
    const address = await serving(tool("bun"), ["serve.js"], "bun", 30000 + process.pid % 10000);
    const text = await (await fetch(address, { method: "POST", body: prompt })).text();
    expect(text.length).toBeGreaterThan(100);
  });
});

it.skipIf(without)(`aws-lambda${without}`, async () => {
  const { stdout } = await run(process.execPath, ["local.mjs", prompt, "7"],
    { cwd: join(stage.folder, "aws-lambda") });
  expect(`${prompt}${stdout}`.trimEnd())
    .toBe((await story([prompt, "--seed", "7", "-n", "300"])).trimEnd());
});

it.skipIf(without)(`raspberry-pi${without}`, async () => {
  const prefix = join(stage.folder, "prefix");
  const { stdout: packed } = await run("npm",
    ["pack", "--json", "--ignore-scripts", "--pack-destination", stage.folder], { cwd: root });
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  const { stdout } = await run("bash", ["install.sh"], {
    cwd: join(stage.folder, "raspberry-pi"),
    env: {
      ...process.env, NIBBLE_PACKAGE: join(stage.folder, filename), npm_config_prefix: prefix,
      npm_config_offline: "true", PATH: `${join(prefix, "bin")}:${process.env["PATH"]}`,
    },
  });
  expect(stdout).toContain(await story(["The little computer woke up and", "-n", "60",
    "--seed", "1"]));
});

it("wasi", async () => {
  const file = join(root, "../shared/models/stories260K/stories260Ktok512.gguf");
  const path = existsSync(file) ? file : model;
  cpSync(path, join(stage.folder, "wasi/model.gguf"));
  const args = [prompt, "--seed", "7", "-n", "40"];
  const { stdout } = await run(process.execPath,
    ["--no-warnings", "run.mjs", "run", "model.gguf", ...args],
    { cwd: join(stage.folder, "wasi") });
  expect(stdout).toBe(await story(["-m", path, ...args]));
});

const miniflarePath = join(here, "node_modules/miniflare");

/** A Worker of the demos, bundled as wrangler does it, with a model among its assets. */
async function startWorker(
  name: string, more: object = {}, asset = readFileSync(model),
): Promise<Miniflare> {
  const folder = join(stage.folder, name);
  writeFileSync(join(folder, "public/bytepool-10m.gguf"), asset);
  const { Miniflare } = await import("miniflare");
  return new Miniflare({
    modules: [
      { type: "ESModule", path: "index.js", contents: await bundleWorker(folder, "src/index.js") },
      { type: "CompiledWasm", path: "nibble.wasm",
        contents: readFileSync(join(root, "dist/nibble.wasm")) },
    ],
    compatibilityDate: "2026-04-01",
    assets: {
      directory: join(folder, "public"), binding: "ASSETS",
      // As wrangler sets it for a Worker with code, and for one that comes first.
      routerConfig: { has_user_worker: true,
        invoke_user_worker_ahead_of_assets: name !== "cloudflare-worker" },
    },
    ...more,
  });
}

/** What a Worker answers to JSON. */
async function askJson<T>(miniflare: Miniflare, path: string, body?: object): Promise<[number, T]> {
  const response = await miniflare.dispatchFetch(`http://worker${path}`, body && {
    method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } });
  return [response.status, await response.json() as T];
}

interface Reply { choices: { text: string }[]; usage: { completion_tokens: number } }

describe.skipIf(missing(miniflarePath))(`in workerd${missing(miniflarePath)}`, () => {
  it("cloudflare-worker writes, queues and refuses", async () => {
    const miniflare = await startWorker("cloudflare-worker");
    try {
      const ask = (body: string, path = "/generate") =>
        miniflare.dispatchFetch(`http://worker${path}`, { method: "POST", body });
      const request = JSON.stringify({ prompt, seed: 7, maxTokens: 60 });
      const expected = await story([prompt, "--seed", "7", "-n", "60"]);
      expect((await miniflare.dispatchFetch("http://worker/")).status).toBe(200);
      const texts = await Promise.all([1, 2, 3].map(async () => (await ask(request)).text()));
      for (const text of texts) expect(`${prompt}${text}`.trimEnd()).toBe(expected.trimEnd());
      expect((await ask("{}")).status).toBe(400);
      expect((await ask("no JSON")).status).toBe(400);
      expect((await ask(request, "/other")).status).toBe(404);
      expect((await miniflare.dispatchFetch("http://worker/generate")).status).toBe(405);
    } finally {
      await miniflare.dispose();
    }
  });

  it("cloudflare-sessions goes on in another isolate", async () => {
    const start = (): Promise<Miniflare> => startWorker("cloudflare-sessions", {
      durableObjects: { TALKS: { className: "Talk", useSQLite: true } },
      durableObjectsPersist: join(stage.folder, "objects") });
    const path = "/v1/sessions/a-story/completions";
    const options = { seed: 7, max_tokens: 40, temperature: 0.8 };
    let text = "";
    for (const beginning of [{ prompt }, { resume: true }]) {
      const miniflare = await start();
      try {
        const [status, reply] = await askJson<Reply>(miniflare, path, { ...beginning, ...options });
        expect(status).toBe(200);
        expect(reply.usage.completion_tokens).toBe(40);
        text += reply.choices[0]!.text;
        expect((await miniflare.dispatchFetch("http://worker/")).headers.get("content-type"))
          .toContain("text/html");
        expect((await askJson(miniflare, "/v1/completions", { prompt, max_tokens: 2 }))[0])
          .toBe(200);
      } finally {
        await miniflare.dispose();
      }
    }
    expect(`${prompt}${text}`.trimEnd())
      .toBe((await story([prompt, "--seed", "7", "-n", "80"])).trimEnd());
  });

  const queues = {
    r2Buckets: { RESULTS: "nibble-results" },
    queueProducers: { JOBS: "nibble-jobs", DEAD_JOBS: "nibble-jobs-dead" },
    queueConsumers: {
      "nibble-jobs": { maxBatchSize: 5, maxBatchTimeout: 0.2, maxRetries: 1,
        deadLetterQueue: "nibble-jobs-dead" },
      "nibble-jobs-dead": { maxBatchTimeout: 0.2 },
    },
  };
  const request = (name: string, body: object) => (
    { custom_id: name, url: "/v1/completions", body: { prompt, max_tokens: 60, ...body } });
  /** Waits until so many of a job's answers are there. */
  async function done(miniflare: Miniflare, id: string, count: number): Promise<void> {
    for (let i = 0; i < 300; i++) {
      const [, list] = await askJson<{ done: string[] }>(miniflare, `/v1/jobs/${id}`);
      if (list.done.length === count) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`${id} is never done`);
  }

  it("cloudflare-queue answers once, and tells what is wrong", async () => {
    const miniflare = await startWorker("cloudflare-queue", queues);
    try {
      const requests = [request("a", { seed: 7 }), request("b", { temperature: 99 })];
      const job = { id: "night-1", requests };
      for (let i = 0; i < 2; i++) {
        expect(await askJson(miniflare, "/v1/jobs", job)).toEqual(
          [202, { object: "job", id: "night-1", count: 2 }]);
      }
      await done(miniflare, "night-1", 2);
      const [, good] = await askJson<{ response: { body: Reply } }>(miniflare,
        "/v1/jobs/night-1/a");
      expect(`${prompt}${good.response.body.choices[0]!.text}`.trimEnd())
        .toBe((await story([prompt, "--seed", "7", "-n", "60"])).trimEnd());
      const [, bad] = await askJson<object>(miniflare, "/v1/jobs/night-1/b");
      expect(bad).toMatchObject({ response: null, error: {
        message: "temperature must be a number from 0 to 2." } });
      // In its place already, so it is not written again.
      const bucket = await miniflare.getR2Bucket("RESULTS");
      const { uploaded } = (await bucket.head("jobs/night-1/a.json"))!;
      await askJson(miniflare, "/v1/jobs", { id: "night-1", requests: [requests[0]] });
      await askJson(miniflare, "/v1/jobs", { id: "night-2", requests: [requests[0]] });
      await done(miniflare, "night-2", 1);
      expect((await bucket.head("jobs/night-1/a.json"))!.uploaded).toEqual(uploaded);
    } finally {
      await miniflare.dispose();
    }
  });

  it("cloudflare-queue gives a job up that no consumer can answer, and says so", async () => {
    const miniflare = await startWorker("cloudflare-queue", queues, Buffer.from("no model"));
    try {
      await askJson(miniflare, "/v1/jobs", { id: "night-3", requests: [request("a", {})] });
      await done(miniflare, "night-3", 1);
      const [, answer] = await askJson<object>(miniflare, "/v1/jobs/night-3/a");
      expect(answer).toMatchObject({ response: null, error: {
        message: expect.stringContaining("tried as often as the queue allows") } });
    } finally {
      await miniflare.dispose();
    }
  });
});

const wranglerPath = join(here, "node_modules/.bin/wrangler");
it.skipIf(missing(wranglerPath)).each([["worker", 150], ["sessions", 200], ["queue", 200]])(
  `cloudflare-%s, packed as wrangler deploys it, has at most %i KB${missing(wranglerPath)}`,
  async (name, most) => {
    const folder = join(stage.folder, `cloudflare-${name}`);
    const { stdout } = await run(wranglerPath, ["deploy", "--dry-run", "--outdir", "packed"], {
      cwd: folder, env: { ...process.env, WRANGLER_SEND_METRICS: "false", CI: "true" },
    });
    const [, gzip = ""] = /Total Upload: .* gzip: ([\d.]+) KiB/.exec(stdout) ?? [];
    expect(Number(gzip), stdout).toBeGreaterThan(10);
    expect(Number(gzip) * 1.024, stdout).toBeLessThan(most);
  });

const playwrightPath = join(here, "node_modules/playwright-core");
describe("browser", () => {
  const words = missing(executablePath, playwrightPath);
  it.skipIf(words)(`writes, shows patches, stops and keeps the model${words}`, async () => {
    const { chromium } = await import("playwright-core");
    const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
    try {
      const page = await browser.newPage({ viewport: { width: 390, height: 844 } });
      const problems: string[] = [];
      page.on("pageerror", (error) => problems.push(error.message));
      page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
      // The demo's own node_modules is where npm would have put it; here it is the stage's.
      await page.route("**/browser/node_modules/**", (route) => route.continue({
        url: route.request().url().replace("/browser/node_modules/", "/node_modules/"),
      }));
      await page.goto(`${stage.origin}/browser/index.html`);
      await page.click("#load");
      await page.waitForSelector("#go:enabled");
      // A click from outside may come when a fast host has written everything.
      await page.evaluate(`new MutationObserver((_, observer) => {
        if (document.getElementById("patches").children.length < 15) return;
        observer.disconnect();
        globalThis.stopped = !document.getElementById("stop").disabled;
        document.getElementById("stop").click();
      }).observe(document.getElementById("patches"), { childList: true })`);
      await page.click("#go");
      await page.waitForFunction("globalThis.stopped");
      await page.waitForSelector("#go:enabled");
      expect(await page.locator("#patches span").count()).toBeGreaterThan(10);
      expect(await page.locator("#odds kbd").count()).toBe(8);
      expect(await page.textContent("#status")).toMatch(/^\d+ tokens, \d+ a second$/);
      const width = await page.evaluate("document.documentElement.scrollWidth");
      expect(width).toBeLessThanOrEqual(390);
      const kept = await page.evaluate(
        'caches.open("nibble-models").then((store) => store.keys()).then((keys) => keys.length)');
      expect(kept).toBe(3); // two pieces and the ledger
      expect(problems).toEqual([]);
    } finally {
      await browser.close();
    }
  });
});
