// Chromium of the system, driven by playwright: a page gets the package from a plain web server, by
// an import map, and the models by their addresses. With threads the model lives in a Web Worker of
// a page that is cross-origin isolated.

import { existsSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import {
  ISOLATING, STRICT, here, serve, type Answer, type Host, type Running,
} from "../stage";

export const executablePath = "/usr/bin/chromium";

const PAGE = `<!DOCTYPE html><title>Nibble</title>
<script type="importmap">{"imports": {"nibble-lm": "/node_modules/nibble-lm/dist/browser.js"}}
</script><script type="module">
import { load } from "nibble-lm";
import { answer } from "/program.mjs";
globalThis.run = async (name, task) => ({
  userAgent: navigator.userAgent, ...await answer(load, new URL(name, location.href), task),
});
</script>`;

const THREADED = `<!DOCTYPE html><title>Nibble</title>
<script type="module">
globalThis.run = (name, task) => new Promise((resolve, reject) => {
  const worker = new Worker("/threaded.mjs", { type: "module" });
  worker.addEventListener("error", ({ message }) => reject(new Error(message)));
  worker.addEventListener("message", ({ data }) => {
    worker.terminate();
    if (data.failure) reject(new Error(data.failure));
    else resolve({ userAgent: navigator.userAgent, ...data.answer });
  });
  worker.postMessage([new URL(name, location.href).href, task]);
});
</script>`;

/** A page of a server, open in a browser of its own. */
async function openPage(html: string, folder: string, origin: string): Promise<Running> {
  const playwright = await import("playwright-core");
  const name = html === PAGE ? "index.html" : "threaded.html";
  writeFileSync(join(folder, name), html);
  const browser = await playwright.chromium.launch({ executablePath, args: ["--no-sandbox"] });
  const page = await browser.newPage();
  await page.goto(`${origin}/${name}`);
  await page.waitForFunction("globalThis.run");
  return {
    run: (path, task) => page.evaluate<Answer, [string, object]>(
      ([model, asked]) => (globalThis as unknown as {
        run(name: string, task: object): Promise<Answer>;
      }).run(model, asked), [basename(path), task]),
    stop: () => browser.close(),
  };
}

export const chromium: Host = {
  name: "Chromium",
  entry: "browser.js",
  build: STRICT,
  missing: () => [executablePath, join(here, "node_modules/playwright-core")]
    .find((path) => !existsSync(path)),
  start: ({ folder, origin }) => openPage(PAGE, folder, origin),
};

/** The same in a worker, which may wait for threads as a page may not. */
export const chromiumWorker: Host = {
  ...chromium,
  name: "a worker of Chromium",
  async start({ folder }) {
    const { origin, close } = await serve(folder, ISOLATING);
    const { run, stop } = await openPage(THREADED, folder, origin);
    return { run, stop: () => stop().then(close) };
  },
};
