// The chat page of nibble serve in Chromium: an answer that is streamed, stopped and gone on from,
// by keyboard alone, on a wide screen and on a phone's; the key; nothing is asked of others. With
// PICTURES=folder, what it looks like is kept there.
// Does not know: what the model says.

import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chromium, executablePath } from "./hosts/chromium";
import { root } from "./stage";

const model = join(root, "dist/bytepool-10m.gguf");
const missing = chromium.missing() || (existsSync(model) ? "" : model);
const pictures = process.env["PICTURES"];

let browser: Browser;
const children: ChildProcess[] = [];

beforeAll(async () => {
  if (missing) return;
  const playwright = await import("playwright-core");
  browser = await playwright.chromium.launch({ executablePath, args: ["--no-sandbox"] });
});

afterAll(async () => {
  await browser?.close();
  children.forEach((child) => child.kill());
});

/** A server's address. */
async function serve(...args: string[]): Promise<string> {
  const child = spawn(process.execPath, [join(root, "dist/nibble.js"), "serve", model, "--port",
    "0", ...args], { stdio: ["ignore", "pipe", "ignore"] });
  children.push(child);
  const line = await new Promise<string>((resolve) => {
    child.stdout.once("data", (data: Buffer) => resolve(String(data)));
  });
  return /http:\S+:\d+/.exec(line)?.[0] ?? "";
}

async function open(address: string, width: number, height: number): Promise<[Page, string[]]> {
  const page = await (await browser.newContext({ viewport: { width, height } })).newPage();
  const wrong: string[] = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(address) && !request.url().startsWith("data:")) {
      wrong.push(request.url());
    }
  });
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().includes("401")) wrong.push(message.text());
  });
  await page.goto(address);
  return [page, wrong];
}

/** The program runs in the page, so it is text. */
const look = <T>(page: Page, program: string): Promise<T> => page.evaluate(program) as Promise<T>;
/** Looked at from outside: the page's policy lets nothing in it poll by a text. */
async function until(page: Page, program: string): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (await look(page, program)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`this never came: ${program}`);
}

const answers = (page: Page): Promise<string[]> => look(page,
  "[...document.querySelectorAll('article.assistant')].map((it) => it.textContent)");

describe.skipIf(missing)(`the chat page${missing ? ` (there is no ${missing})` : ""}`, () => {
  it.each([["wide", 1100, 800], ["phone", 360, 640]] as const)(
    "streams, stops and goes on by keyboard: %s", async (name, width, height) => {
      const [page, wrong] = await open(await serve(), width, height);
      await until(page, "document.getElementById('model').textContent");
      await page.keyboard.type("Hello, how are you?"); // the field has the focus already
      await page.keyboard.press("Enter");
      await until(page, "document.querySelector('article.assistant')?.textContent");
      await until(page, "/tokens\\/s/.test(document.getElementById('status').textContent)"
        + " || document.querySelector('article.assistant').textContent.length > 60");
      await page.keyboard.press("Escape");
      await until(page, "!document.getElementById('send').hidden");
      const [first = ""] = await answers(page);
      expect(first.length).toBeGreaterThan(0);
      await page.keyboard.type("And then?");
      await page.keyboard.press("Enter");
      await until(page, "document.querySelectorAll('article.assistant').length === 2");
      await until(page, "/[1-9]\\d* tokens\\/s/.test("
        + "document.getElementById('status').textContent)");
      expect((await answers(page))[0]).toBe(first);
      // Nothing sticks out at the side, and what is pressed is large enough for a finger.
      expect(await look(page, "document.documentElement.scrollWidth <= innerWidth")).toBe(true);
      expect(await look(page, "document.getElementById('send').offsetHeight")).toBeGreaterThan(35);
      if (pictures) await page.screenshot({ path: join(pictures, `${name}.png`) });
      await page.getByText("New chat").click();
      expect(await answers(page)).toEqual([]);
      expect(wrong).toEqual([]);
    });

  it("asks for the key", async () => {
    const [page, wrong] = await open(await serve("--api-key", "s3cret"), 800, 600);
    const key = page.getByPlaceholder("API key");
    await key.waitFor({ state: "visible" });
    await key.fill("s3cret");
    if (pictures) await page.screenshot({ path: join(pictures, "key.png") });
    await key.press("Enter");
    await key.waitFor({ state: "hidden" });
    await page.getByLabel("Message").fill("Hi");
    await page.getByLabel("Message").press("Enter");
    await until(page, "document.querySelector('article.assistant')?.textContent");
    expect(wrong).toEqual([]);
  });

  it("shows what a message says, and runs nothing of it", async () => {
    const [page, wrong] = await open(await serve(), 800, 600);
    const hostile = "<img src=x onerror=document.title='gone'>"
      + "<script>document.title='gone'</script>";
    await page.getByLabel("Message").fill(hostile);
    await page.getByLabel("Message").press("Enter");
    await until(page, "document.querySelector('article.user')");
    expect(await look(page, "document.querySelector('article.user').textContent")).toBe(hostile);
    expect(await page.title()).toBe("Nibble");
    expect(wrong).toEqual([]);
  });
});
