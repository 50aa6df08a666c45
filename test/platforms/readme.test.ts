// The README's line for each platform, taken from the README and run as it is written, each in an
// empty folder: all write what the command of this checkout writes. The package comes from a
// registry that has only it; what stands in for something that is not here says so in its name.
// Does not know: the lines.

import { execFile, spawn, type ChildProcess } from "node:child_process";
import {
  chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { executablePath } from "./hosts/chromium";
import { pi5 } from "./hosts/arm64";
import { openRegistry, type Registry } from "./registry";
import { here, root } from "./stage";

const readme = readFileSync(join(root, "README.md"), "utf8");
const section = readme.split("## One line for each platform\n")[1]?.split("\n## ")[0] ?? "";
/** The lines, by the platform that the comment above each names. */
const lines = new Map([...section.split("```sh\n")[1]?.split("```")[0]
  ?.matchAll(/^# ([^:\n]+).*\n(.+)\n/gm) ?? []].map(([, name, line]) => [name!, line!]));

const base = mkdtempSync(join(tmpdir(), "nibble-lines-"));
const prefix = join(base, "prefix");
const tools = join(here, "node_modules/.bin");
const absent = (...paths: string[]): string => {
  const path = [join(root, "dist/bytepool-10m.gguf"), ...paths].find((each) => !existsSync(each));
  return path ? ` (there is no ${path})` : "";
};

let registry: Registry;
let expected = "";
const started: ChildProcess[] = [];

beforeAll(async () => {
  registry = await openRegistry(base);
  mkdirSync(join(prefix, "bin"), { recursive: true });
  if (existsSync(tools)) symlinkSync(join(tools, "wrangler"), join(prefix, "bin/wrangler"));
  const { stdout } = await promisify(execFile)(process.execPath,
    [join(root, "dist/nibble.js"), "run", "Once upon a time", "--seed", "7"]);
  expected = stdout;
  expect(expected.length).toBeGreaterThan(200);
});

afterAll(async () => {
  for (const child of started) if (child.pid !== undefined) process.kill(-child.pid);
  await registry.close();
  rmSync(base, { recursive: true });
});

/** An empty folder, and what a shell in it sees; `standIns` are commands by their names. */
function room(name: string, standIns: Record<string, string> = {}) {
  const cwd = join(base, name);
  const bin = join(base, `${name}-bin`);
  for (const each of [cwd, bin]) mkdirSync(each);
  for (const [command, script] of Object.entries(standIns)) {
    writeFileSync(join(bin, command), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, command), 0o755);
  }
  const { address } = registry;
  // What the npm that runs this test has set is not for those that it starts.
  const own = Object.entries(process.env).filter(([variable]) => !/^npm_/i.test(variable));
  return { cwd, env: {
    ...Object.fromEntries(own), HOME: base,
    PATH: [bin, join(prefix, "bin"), tools, process.env["PATH"]].join(delimiter),
    npm_config_registry: address, NPM_CONFIG_REGISTRY: address, npm_config_prefix: prefix,
    npm_config_cache: join(base, "npm"), npm_config_update_notifier: "false",
    npm_config_audit: "false", npm_config_fund: "false", DENO_DIR: join(base, "deno"),
    BUN_INSTALL_CACHE_DIR: join(base, "bun"), WRANGLER_SEND_METRICS: "false", CI: "true",
    PYTHONUNBUFFERED: "1",
  } };
}

/** Runs a line to its end; returns what it prints, without npm's words. */
async function output(name: string, standIns?: Record<string, string>): Promise<string> {
  const line = lines.get(name) ?? "";
  const { cwd, env } = room(name.replaceAll(" ", "-"), standIns);
  const work = promisify(execFile)("/bin/sh", ["-c", line], { cwd, env });
  work.child.stdin?.end();
  return (await work).stdout.replace(/^\nadded 1 package in \w+\n/, "");
}

/** Starts a line that serves; returns the address that it prints. */
async function serving(name: string): Promise<string> {
  const { cwd, env } = room(name.replaceAll(" ", "-"));
  const child = spawn("/bin/sh", ["-c", lines.get(name) ?? ""],
    { cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  started.push(child);
  let said = "";
  return new Promise((resolve, reject) => {
    const hear = (piece: Buffer): void => {
      said += piece.toString();
      const port = /(?:Ready on|Serving HTTP on)[^\n]*(?:localhost:|port )(\d+)/.exec(said)?.[1];
      if (port) resolve(`http://127.0.0.1:${port}/`);
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.on("exit", () => reject(new Error(`it ended: ${said}`)));
  });
}

it("there is a line for each platform", () => {
  expect([...lines.keys()]).toEqual(["Node", "Deno", "Bun", "Browser", "Cloudflare Workers",
    "AWS Lambda", "WASI", "Raspberry Pi"]);
});

it.skipIf(absent())(`Node${absent()}`, async () => {
  expect(await output("Node")).toBe(expected);
});

it.skipIf(absent(join(tools, "deno")))(`Deno${absent(join(tools, "deno"))}`, async () => {
  expect(await output("Deno")).toBe(expected);
});

it.skipIf(absent(join(tools, "bun")))(`Bun${absent(join(tools, "bun"))}`, async () => {
  expect(await output("Bun")).toBe(expected);
});

const withoutBrowser = absent(executablePath, join(here, "node_modules/playwright-core"));
it.skipIf(withoutBrowser)(`Browser, which is Chromium${withoutBrowser}`, async () => {
  const address = await serving("Browser");
  const { chromium } = await import("playwright-core");
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage();
    await page.goto(address);
    // Not the program, which is in the body, too.
    const text = "[...document.body.childNodes].map(({ data }) => data ?? '').join('').trim()";
    await expect.poll(() => page.evaluate<string>(text), { timeout: 60_000 })
      .toBe(expected.slice("Once upon a time".length).trim());
  } finally {
    await browser.close();
  }
});

const withoutWrangler = absent(join(tools, "wrangler"));
it.skipIf(withoutWrangler)(`Cloudflare Workers, by wrangler dev${withoutWrangler}`, async () => {
  const address = await serving("Cloudflare Workers");
  const text = await (await fetch(address)).text();
  expect(`Once upon a time${text}`.trimEnd()).toBe(expected.trimEnd());
});

const withoutZip = absent("/usr/bin/zip", "/usr/bin/unzip");
it.skipIf(withoutZip)(`AWS Lambda, where a call of the handler stands in${withoutZip}`,
  async () => {
    await output("AWS Lambda");
    const { cwd, env } = room("unpacked");
    const { stdout } = await promisify(execFile)("/bin/sh", ["-c", "unzip -q "
      + `${join(base, "AWS-Lambda", "function.zip")} && node --input-type=module -e '`
      + 'const { handler } = await import("./index.mjs");'
      + "process.stdout.write(await handler({ prompt: \"Once upon a time\" }))'"], { cwd, env });
    expect(`Once upon a time${stdout}`.trimEnd()).toBe(expected.trimEnd());
  });

it.skipIf(absent())(`WASI, where node:wasi stands in for wasmtime${absent()}`, async () => {
  // Of wasmtime's own options the line has this one.
  const wasmtime = '[ "$1 $2" = "--dir ." ] || exit 9; shift 2\n'
    + `exec "${process.execPath}" --no-warnings "${join(here, "wasi/node.mjs")}" "$@"`;
  expect(await output("WASI", { wasmtime })).toBe(expected);
});

const withoutArm = absent(...[pi5.missing() ?? []].flat());
it.skipIf(withoutArm)(`Raspberry Pi, where qemu stands in for a Pi 5${withoutArm}`, async () => {
  const node = 'exec /usr/bin/qemu-aarch64-static -cpu cortex-a76 -L /usr/aarch64-linux-gnu "'
    + `${join(here, "arm64/node_modules/node24-arm64/bin/node")}" "$@"`;
  expect(await output("Raspberry Pi", { node, sudo: 'exec "$@"' })).toBe(expected);
});
