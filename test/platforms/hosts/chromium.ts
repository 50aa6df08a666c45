// Chromium of the system, driven by playwright: a page gets the package from a plain web server, by
// an import map, and the models by their addresses.

import { existsSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { here, type Answer, type Host } from "../stage";

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

export const chromium: Host = {
  name: "Chromium",
  entry: "browser.js",
  missing: () => [executablePath, join(here, "node_modules/playwright-core")]
    .find((path) => !existsSync(path)),
  async start({ folder, origin }) {
    const playwright = await import("playwright-core");
    writeFileSync(join(folder, "index.html"), PAGE);
    const browser = await playwright.chromium.launch({ executablePath, args: ["--no-sandbox"] });
    const page = await browser.newPage();
    await page.goto(`${origin}/index.html`);
    await page.waitForFunction("globalThis.run");
    return {
      run: (path, task) => page.evaluate<Answer, [string, object]>(
        ([name, asked]) => (globalThis as unknown as {
          run(name: string, task: object): Promise<Answer>;
        }).run(name, asked), [basename(path), task]),
      stop: () => browser.close(),
    };
  },
};
