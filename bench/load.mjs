// npm run bench:load: clients of all kinds against nibble serve on this machine, for minutes. Every
// text must be what the library writes alone; the server's memory must not grow after the first
// minute; nothing may go wrong in its log. Ends with 1 otherwise.
//
//   npm run bench:load -- [--model FILE] [--clients 16] [--seconds 300]
//   npm run bench:load -- --figures [--seconds 10]     tokens/s and time to first byte by clients
//
// Does not know: what clients do (load/clients.mjs), what they must get (load/requests.mjs).

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { load } from "../dist/index.js";
import { runClients } from "./load/clients.mjs";
import { requestsFor, slowRequestFor } from "./load/requests.mjs";
import { startServer } from "./load/server.mjs";
import { median } from "./statistics.mjs";

const CLIENTS = [1, 4, 8, 16];
const GROWTH_MAX = 0.05;
/** Memory is compared over as long as this, at the beginning and at the end. */
const WINDOW_SECONDS = 30;
const WARM_SECONDS = 60;

const { values } = parseArgs({
  options: {
    model: { type: "string",
      default: fileURLToPath(new URL("../dist/bytepool-10m.gguf", import.meta.url)) },
    clients: { type: "string", default: "16" },
    seconds: { type: "string" },
    figures: { type: "boolean", default: false },
  },
});
process.on("unhandledRejection", (error) => {
  console.error(error);
  process.exit(1);
});

const model = await load(values.model);
const requests = await requestsFor(model);
const slow = await slowRequestFor(model);
const server = await startServer([values.model, "--parallel", "16"]);
const isRight = values.figures ? await figures() : await minutes();
const code = await server.stop();
model.dispose();
process.exitCode = isRight && code === 0 ? 0 : 1;

async function figures() {
  const all = { address: server.address, requests, slow, plain: true };
  await runClients({ ...all, clients: 4, seconds: 2 });
  console.log("| clients | tokens/s | first byte p50, ms | p99, ms | streams |");
  console.log("|---|---|---|---|---|");
  let isRight = true;
  for (const clients of CLIENTS) {
    const { tokens, seconds, firstByteMs, counts, wrong } = await runClients(
      { ...all, clients, seconds: Number(values.seconds ?? 10) });
    const sorted = firstByteMs.sort((a, b) => a - b);
    const at = (share) => sorted[Math.floor(share * (sorted.length - 1))].toFixed(1);
    console.log(`| ${clients} | ${Math.round(tokens / seconds)} | ${at(0.5)} | ${at(0.99)} | `
      + `${counts.streams} |`);
    wrong.forEach((sentence) => console.error(sentence));
    isRight &&= wrong.length === 0;
  }
  return isRight;
}

async function minutes() {
  const seconds = Number(values.seconds ?? 300);
  const started = performance.now();
  const samples = [];
  const timer = setInterval(async () => {
    const memory = await server.memory().catch(() => undefined);
    if (memory) samples.push({ at: (performance.now() - started) / 1000, ...memory });
  }, 1000);
  const outcome = await runClients({ address: server.address, requests, slow,
    clients: Number(values.clients), seconds });
  clearInterval(timer);
  const { counts, tokens, wrong } = outcome;
  console.log(JSON.stringify({ seconds: Math.round(outcome.seconds), ...counts, tokens }));
  wrong.forEach((sentence) => console.error(`wrong: ${sentence}`));
  server.failures.forEach((line) => console.error(`log: ${line}`));
  return growthOf(samples, seconds) && wrong.length === 0 && server.failures.length === 0;
}

/** Prints how memory went; whether it stayed. */
function growthOf(samples, seconds) {
  const within = (name, from, to) => median(samples.filter(({ at }) => at >= from && at <= to)
    .map((sample) => sample[name]));
  const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
  let isRight = true;
  for (const name of ["process", "engine"]) {
    const series = samples.filter((_, i) => i % 15 === 14).map((sample) => megabytes(sample[name]));
    console.log(`${name}, MB, every 15 s: ${series.join(" ")}`);
    if (seconds < WARM_SECONDS + 2 * WINDOW_SECONDS) continue;
    const first = within(name, WARM_SECONDS, WARM_SECONDS + WINDOW_SECONDS);
    const last = within(name, seconds - WINDOW_SECONDS, seconds);
    console.log(`${name}: ${megabytes(first)} MB after a minute, ${megabytes(last)} MB at the end`);
    isRight &&= last <= first * (1 + GROWTH_MAX);
  }
  console.log(`files open at most: ${Math.max(...samples.map(({ files }) => files ?? 0))}`);
  return isRight;
}
