// A page in Chromium: the embedded model from beside the script, the page's turns while it writes,
// and a sentence where a server, the network or a policy gives something else than the engine.
// Does not know: what the model says.

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page, Route } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chromium, executablePath } from "./hosts/chromium";
import { openStage, root, type Stage } from "./stage";

const missing = chromium.missing();
const isEmbedded = existsSync(join(root, "dist/bytepool-10m.gguf"));
const ENGINE = "**/dist/nibble.wasm";
const WEB_PAGE = "<!DOCTYPE html><title>An app</title>";

let stage: Stage;
let browser: Browser;

const pageWith = (head: string): string => `<!DOCTYPE html><title>Nibble</title>${head}
<script type="module">
import { load } from "/node_modules/nibble-lm/dist/browser.js";
globalThis.load = load;
</script>`;

beforeAll(async () => {
  if (missing) return;
  stage = await openStage();
  writeFileSync(join(stage.folder, "plain.html"), pageWith(""));
  writeFileSync(join(stage.folder, "strict.html"), pageWith('<meta http-equiv='
    + '"Content-Security-Policy" content="script-src \'self\' \'unsafe-inline\'">'));
  writeFileSync(join(stage.folder, "some.gguf"), "not read before the engine is there");
  const playwright = await import("playwright-core");
  browser = await playwright.chromium.launch({ executablePath, args: ["--no-sandbox"] });
});

afterAll(async () => {
  await browser?.close();
  await stage?.close();
});

/** A page of its own, with nothing kept from others, and the routes of one test. */
async function open(name: string, route?: (route: Route) => Promise<void>): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  if (route) await page.route(ENGINE, route);
  await page.goto(`${stage.origin}/${name}.html`);
  await page.waitForFunction("globalThis.load");
  return page;
}

/** What the page's program gives; it is text, since it runs there. */
const run = <T>(page: Page, program: string): Promise<T> =>
  page.evaluate(`(async () => { ${program} })()`);

describe.skipIf(missing)(`a page${missing ? ` (there is no ${missing})` : ""}`, () => {
  const failing: [string, string, ((route: Route) => Promise<void>) | undefined, RegExp][] = [
    ["a web page for it", "plain",
      (route) => route.fulfill({ contentType: "text/html", body: WEB_PAGE }),
      /nibble\.wasm is a web page, not the engine: .*optimizeDeps/],
    ["404", "plain", (route) => route.fulfill({ status: 404, body: WEB_PAGE }),
      /nibble\.wasm answered 404; copy nibble\.wasm /],
    ["a broken connection", "plain", (route) => route.abort(),
      /nibble\.wasm could not be fetched \(/],
    ["other bytes", "plain",
      (route) => route.fulfill({ contentType: "application/wasm", body: "\0asm????" }),
      /nibble\.wasm could not be compiled \(/],
    ["a policy against WebAssembly", "strict", undefined,
      /^The Content-Security-Policy of this page blocks WebAssembly; add 'wasm-unsafe-eval' to /],
  ];
  it.each(failing)("that gets %s instead of the engine says so", async (_, name, route, words) => {
    const page = await open(name, route);
    const failure = await run<{ code: string; message: string }>(page, `
      return load("/some.gguf").then(() => "loaded", ({ code, message }) => ({ code, message }));`);
    expect(failure).toEqual({
      code: "ENGINE_MISSING", message: expect.stringMatching(words) as string,
    });
    expect(failure.message).toMatch(/^[^\n]+\.$/);
    await page.context().close();
  });

  it("takes an engine that has another type", async () => {
    const page = await open("plain", async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, contentType: "application/octet-stream" });
    });
    // The engine is there, and says what it thinks of the model.
    expect(await run(page, 'return load("/some.gguf").catch(({ code }) => code);'))
      .toBe("NOT_GGUF");
    await page.context().close();
  });

  it.skipIf(!isEmbedded)("writes with the embedded model, and has its turns (needs the model)",
    async () => {
      const page = await open("plain");
      const { turns, text } = await run<{ turns: number; text: string }>(page, `
        const model = await load();
        let turns = 0;
        const timer = setInterval(() => turns++, 1);
        const { text } = await model.complete("Once upon a time", { seed: 7, maxTokens: 300 });
        clearInterval(timer);
        return { turns, text };`);
      expect(text.length).toBeGreaterThan(200);
      expect(turns).toBeGreaterThan(3);
      await page.context().close();
    });
});
