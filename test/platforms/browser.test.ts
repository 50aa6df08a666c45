// A page in Chromium: the embedded model from beside the script, the page's turns while it writes,
// threads where memory may be shared, and a sentence where a server, the network or a policy gives
// something else than the engine. Does not know: what the model says.

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page, Route } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chromium, executablePath } from "./hosts/chromium";
import { ISOLATING, openStage, root, serve, type Stage } from "./stage";

const missing = chromium.missing();
const isEmbedded = existsSync(join(root, "dist/bytepool-10m.gguf"));
const ENGINE = "**/dist/nibble*.wasm";
const WEB_PAGE = "<!DOCTYPE html><title>An app</title>";

let stage: Stage;
let isolated: Awaited<ReturnType<typeof serve>>;
let browser: Browser;

const pageWith = (head: string): string => `<!DOCTYPE html><title>Nibble</title>${head}
<script type="module">
import { load, loadInWorker } from "/node_modules/nibble-lm/dist/browser.js";
Object.assign(globalThis, { load, loadInWorker });
</script>`;

beforeAll(async () => {
  if (missing) return;
  stage = await openStage();
  isolated = await serve(stage.folder, ISOLATING);
  writeFileSync(join(stage.folder, "plain.html"), pageWith(""));
  writeFileSync(join(stage.folder, "strict.html"), pageWith('<meta http-equiv='
    + '"Content-Security-Policy" content="script-src \'self\' \'unsafe-inline\'">'));
  writeFileSync(join(stage.folder, "some.gguf"), "not read before the engine is there");
  const playwright = await import("playwright-core");
  browser = await playwright.chromium.launch({ executablePath, args: ["--no-sandbox"] });
});

afterAll(async () => {
  await browser?.close();
  await isolated?.close();
  await stage?.close();
});

/** A page of its own, with nothing kept from others, and the routes of one test. */
async function open(
  name: string, route?: (route: Route) => Promise<void>, origin = stage.origin,
): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  if (route) await page.route(ENGINE, route);
  await page.goto(`${origin}/${name}.html`);
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
      /nibble-relaxed\.wasm is a web page, not the engine: .*optimizeDeps/],
    ["404", "plain", (route) => route.fulfill({ status: 404, body: WEB_PAGE }),
      /nibble-relaxed\.wasm answered 404; copy nibble\*\.wasm /],
    ["a broken connection", "plain", (route) => route.abort(),
      /nibble-relaxed\.wasm could not be fetched \(/],
    ["other bytes", "plain",
      (route) => route.fulfill({ contentType: "application/wasm", body: "\0asm????" }),
      /nibble-relaxed\.wasm could not be compiled \(/],
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

const place = isEmbedded ? "" : " (needs the model)";
describe.skipIf(missing ?? !isEmbedded)(`threads${place}`, () => {
  const written = (load: string): string => `
    const model = await ${load};
    const { text } = await model.complete("Once upon a time", { seed: 7, maxTokens: 60 });
    const { threads, simd } = model.info;
    await model.dispose();
    return { threads, simd, text };`;

  /** What two loads give, one after the other, and what they warn of. */
  async function load(where: string, origin?: string) {
    const page = await open("plain", undefined, origin);
    const warnings: string[] = [];
    page.on("console", (line) => {
      if (line.type() === "warning") warnings.push(line.text());
    });
    const first = await run(page, written(where));
    const second = await run(page, written(where));
    expect(second).toEqual(first);
    const { text } = await run<{ text: string }>(page, written("load()"));
    await page.context().close();
    return { first, text, warnings };
  }

  it("share the memory of a worker on a page that is cross-origin isolated", async () => {
    const asked = "loadInWorker(undefined, { threads: 2 })";
    const { first, text, warnings } = await load(asked, isolated.origin);
    expect(first).toEqual({ threads: 2, simd: "relaxed", text });
    expect(warnings).toEqual([]);
  });

  it("are one without the headers, and a warning names them", async () => {
    const { first, text, warnings } = await load("loadInWorker(undefined, { threads: 2 })");
    expect(first).toEqual({ threads: 1, simd: "relaxed", text });
    const words = /one thread instead of 2.*Opener-Policy: same-origin.*Embedder-Policy: require/;
    // Each of the two workers warns once.
    expect(warnings).toEqual([1, 2].map(() => expect.stringMatching(words) as string));
  });

  it("are one in the page itself, and a warning names loadInWorker", async () => {
    const { first, text, warnings } = await load("load(undefined, { threads: 2 })",
      isolated.origin);
    expect(first).toEqual({ threads: 1, simd: "relaxed", text });
    expect(warnings).toEqual([expect.stringMatching(/one thread instead of 2.*use loadInWorker/)]);
  });
});
