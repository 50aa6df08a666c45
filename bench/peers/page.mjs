// Measures one contestant in a page of the system's Chromium, and prints the result as JSON.
//
//   node page.mjs NAME TASK     pages/NAME.mjs; the task as JSON, with paths of files
//
// Who exports `wantsWorker(task)` and says yes is measured in a worker of the page.
//
// The memory is that of the page's own process at its largest, without the browser around it.
// Does not know: who the contestants are.

import { readFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { chromiumPath } from "./chromium.mjs";
import { serve } from "./server.mjs";

const [name, text] = process.argv.slice(2);
const task = JSON.parse(text);
const root = fileURLToPath(new URL("../..", import.meta.url));

const IMPORTS = `import { measure } from "/bench/peers/measure.mjs";
import * as contestant from "/bench/peers/pages/${name}.mjs";`;
const PAGE = `<!DOCTYPE html><title>Bench</title><script type="module">
${IMPORTS}
const inWorker = (task) => new Promise((resolve, reject) => {
  const worker = new Worker("/worker.js", { type: "module" });
  worker.onerror = ({ message }) => reject(new Error(message));
  worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data));
  worker.postMessage(task);
});
globalThis.run = (task) => (contestant.wantsWorker?.(task) ? inWorker(task)
  : measure(contestant.open, task));
</script>`;
const WORKER = `${IMPORTS}
globalThis.onmessage = ({ data }) => measure(contestant.open, data)
  .then(postMessage, (error) => postMessage({ error: String(error.message ?? error) }));`;

const server = await serve(
  { "/dist/": `${root}dist/`, "/bench/": `${root}bench/`, "/models/": `${dirname(task.model)}/` },
  { "/page.html": PAGE, "/worker.js": WORKER });
const browser = await chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox"] });
// A page that hangs must not outlive this process: the browser is its child, and ends with it.
const timer = setTimeout(() => void end(new Error("the page did not end in time")), task.timeoutMs);
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(task.timeoutMs);
  const failed = new Promise((_, reject) => {
    page.on("pageerror", reject);
    page.on("crash", () => reject(new Error("the page crashed")));
  });
  await page.goto(`${server.origin}/page.html`);
  await Promise.race([failed, page.waitForFunction("globalThis.run")]);
  const address = (path) => path && `/models/${basename(path)}`;
  const result = await Promise.race([failed, page.evaluate("crossOriginIsolated"
    + ` ? run(${JSON.stringify({ ...task, model: address(task.model), onnx: address(task.onnx) })})`
    + " : Promise.reject(new Error('the page is not isolated, so it has no threads'))")]);
  const processes = await processesOf(browser);
  console.log(JSON.stringify({ ...result, ...processes, version: browser.version() }));
  await end();
} catch (error) {
  await end(error);
}

async function end(error) {
  clearTimeout(timer);
  // Behind the first line come the page's own, which lead nowhere.
  if (error) console.error(error.message.replace(/^page.evaluate: (Error: )?/, "").split("\n")[0]);
  await browser.close().catch(() => undefined);
  server.close();
  process.exit(error ? 1 : 0);
}

/** Memory at its largest, of the renderer that took most, and its seconds of processor. */
async function processesOf(running) {
  const session = await running.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const renderers = processInfo.filter(({ type }) => type === "renderer")
    .map(({ id, cpuTime }) => ({ peakBytes: peakBytesOf(id), cpuSeconds: cpuTime }));
  return renderers.reduce((most, each) => (each.peakBytes > most.peakBytes ? each : most));
}

/** What Linux noted; 0 where there is no such file. */
function peakBytesOf(id) {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${id}/status`, "utf8"))?.[1]) * 1024;
  } catch {
    return 0;
  }
}
