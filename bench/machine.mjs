// The machine under the bench: what it is, whether it is quiet, what its processors have done.
// Does not know: what is timed.

import { readFileSync } from "node:fs";
import { cpus, platform, totalmem } from "node:os";

/** Share of all processors that others may take while something is timed. */
const BUSY_MAX = 0.1;
const LOOK_MS = 500;

/** What a reader of figures wants to know. */
export function describeMachine() {
  const all = cpus();
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  return `${all.length} cores of ${all[0]?.model ?? "an unknown processor"}, ${gigabytes} GiB, `
    + `${platform()}`;
}

/** Waits until the machine is quiet, at most `limitMs`; whether it was. */
export async function waitForQuiet(limitMs) {
  const end = performance.now() + limitMs;
  for (;;) {
    if (await busyShare() <= BUSY_MAX) return true;
    if (performance.now() > end) return false;
  }
}

/** The share of time that the processors were not idle, over half a second. */
async function busyShare() {
  const before = times();
  await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  const after = times();
  const total = after.total - before.total;
  return total === 0 ? 0 : 1 - (after.idle - before.idle) / total;
}

function times() {
  const all = cpus().map((cpu) => cpu.times);
  const sum = (pick) => all.reduce((total, each) => total + pick(each), 0);
  return {
    idle: sum(({ idle }) => idle),
    total: sum(({ user, nice, sys, idle, irq }) => user + nice + sys + idle + irq),
  };
}

const ENERGY = "/sys/class/powercap/intel-rapl:0/energy_uj";

/** Joules that the processor's package has used since some moment; undefined where none tells. */
export function joules() {
  try {
    return Number(readFileSync(ENERGY, "utf8")) / 1e6;
  } catch {
    return undefined;
  }
}
