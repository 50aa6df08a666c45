// nibble serve as a process of its own, and what can be seen of it from outside: its address, its
// memory, its log. Does not know: who asks it.

import { spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const command = fileURLToPath(new URL("../../dist/nibble.js", import.meta.url));
/** What is kept of the log: its failures, of which there should be none. */
const FAILURES_MAX = 50;

/** Starts it on some port, and resolves once it says where. */
export async function startServer(args) {
  const child = spawn(process.execPath, [command, "serve", ...args, "--port", "0"],
    { stdio: ["ignore", "pipe", "pipe"] });
  const failures = [];
  let rest = "";
  child.stderr.on("data", (piece) => {
    const lines = (rest + piece).split("\n");
    rest = lines.pop();
    for (const line of lines) if (isFailure(line)) failures.push(line);
    failures.splice(FAILURES_MAX);
  });
  const ended = new Promise((resolve) => child.on("close", resolve));
  const line = await new Promise((resolve, reject) => {
    child.stdout.once("data", (data) => resolve(String(data)));
    child.once("close", (code) => reject(new Error(`the server has ended with ${code}: ${rest}`)));
  });
  const address = /http:\S+:\d+/.exec(line)[0];
  return {
    address, failures, ended, pid: child.pid,
    /** Its exit code, after a polite end. */
    async stop() {
      child.kill("SIGTERM");
      return ended;
    },
    memory: () => memoryOf(child.pid, address),
  };
}

/** Lines that are no entry of the log at all, and answers for which the server is to blame. */
function isFailure(line) {
  try {
    const { status } = JSON.parse(line);
    return status >= 500;
  } catch {
    return !line.startsWith("Shutting down");
  }
}

/** Bytes: of the process, where the system tells, and of the engine; and files that it has open. */
async function memoryOf(pid, address) {
  const metrics = await (await fetch(`${address}/metrics`)).text();
  const engine = Number(/^nibble_engine_memory_bytes (\d+)$/m.exec(metrics)?.[1]);
  try {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    return { process: kilobytes * 1024, engine, files: readdirSync(`/proc/${pid}/fd`).length };
  } catch {
    return { engine };
  }
}
