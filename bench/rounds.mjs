// Measurements in turns: every round runs each lane once, there and back, when the machine is
// quiet. A lane that would not end before the deadline is left out of the round, and one that has
// failed twice out of all.
// Does not know: what a lane measures.

import { waitForQuiet } from "./machine.mjs";

/** Longest wait before one run, and before all of them together: a busy machine ends no bench. */
const QUIET_LIMIT_MS = 15_000;
const PATIENCE_MS = 100_000;
export const FAILURES_MAX = 2;

/** `run(lane)` gives a sample; `after` is called with every lane that was run. */
export async function runRounds(lanes, { rounds, minutes, run, after }) {
  const deadline = performance.now() + minutes * 60_000;
  let noisyRuns = 0;
  let patienceMs = PATIENCE_MS;
  for (let round = 0; round < rounds; round++) {
    for (const lane of round % 2 ? [...lanes].reverse() : lanes) {
      const isOutOfTime = performance.now() + (lane.lastMs ?? 0) > deadline;
      if (lane.failures.length >= FAILURES_MAX || isOutOfTime) continue;
      const waited = performance.now();
      if (!await waitForQuiet(Math.min(QUIET_LIMIT_MS, patienceMs))) noisyRuns++;
      const started = performance.now();
      patienceMs = Math.max(0, patienceMs - (started - waited));
      try {
        lane.samples.push(await run(lane));
        lane.wasFailure = false;
      } catch (error) {
        lane.failures.push(error.message);
        lane.wasFailure = true;
      }
      lane.lastMs = performance.now() - started;
      after(lane, round + 1, noisyRuns);
    }
  }
}
