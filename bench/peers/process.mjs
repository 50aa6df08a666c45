// Measures one contestant in this process of Node, and prints the result as JSON.
//
//   node process.mjs NAME TASK     node/NAME.mjs; the task as JSON
//
// Does not know: who the contestants are.

import { measure } from "./measure.mjs";

const [name, text] = process.argv.slice(2);
try {
  const { open } = await import(`./node/${name}.mjs`);
  const result = await measure(open, JSON.parse(text));
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  const cpuSeconds = (userCPUTime + systemCPUTime) / 1e6;
  console.log(JSON.stringify({ ...result, peakBytes: maxRSS * 1024, cpuSeconds,
    version: process.version }));
  // Some addons keep threads that would keep the process.
  process.exit(0);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
