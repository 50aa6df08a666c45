// A measurement in a process of its own, which ends in time whatever happens.
// Does not know: what is measured.

import { spawn } from "node:child_process";

/** Time between the request to end and the end. */
const GRACE_MS = 5000;
const OUTPUT_BYTES_MAX = 1 << 20;

/** Runs a program that prints JSON; throws its last words when it fails or takes too long. */
export async function measureInChild(program, args, { env = {}, timeoutMs }) {
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env },
  });
  const output = collect(child.stdout);
  const complaints = collect(child.stderr);
  let isLate = false;
  // First the request, so that it can end a browser of its own.
  const timers = [
    setTimeout(() => {
      isLate = true;
      child.kill("SIGTERM");
    }, timeoutMs),
    setTimeout(() => child.kill("SIGKILL"), timeoutMs + GRACE_MS),
  ];
  const code = await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  }).finally(() => timers.forEach(clearTimeout));
  if (isLate) throw new Error(`it took more than ${Math.round(timeoutMs / 1000)} s`);
  if (code !== 0) throw new Error(lastLine(complaints.text) || `it ended with ${code}`);
  return JSON.parse(lastLine(output.text));
}

function collect(stream) {
  const collected = { text: "" };
  stream.setEncoding("utf8");
  stream.on("data", (piece) => {
    collected.text = (collected.text + piece).slice(-OUTPUT_BYTES_MAX);
  });
  return collected;
}

const lastLine = (text) => text.trim().split("\n").at(-1);
