// The relaxed build's kernels before the judges of the strict one's, and whole models with both
// forms of its products, in a Node that knows relaxed SIMD: what they compute is the same, bit for
// bit. Does not know: what that is (../kernels, ../forms.test.ts).

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { here, root } from "./stage";

const node = join(here, "node_modules/node24/bin/node");
const kernels = join(root, "build/kernels-relaxed.wasm");
const missing = [node, kernels].find((path) => !existsSync(path));
const words = missing ? ` (there is no ${missing})` : "";

it.skipIf(missing)(`the relaxed kernels pass the tests of the strict ones${words}`, () => {
  const { status, stdout, stderr } = spawnSync(node,
    [join(root, "node_modules/vitest/vitest.mjs"), "run", "test/kernels/", "test/forms.test.ts",
      "--reporter=json"],
    { cwd: root, encoding: "utf8", maxBuffer: 1 << 28, env: {
      PATH: process.env["PATH"], HOME: process.env["HOME"], NIBBLE_KERNELS: "relaxed" } });
  expect(status, stdout + stderr).toBe(0);
  const { numPassedTests, numTotalTests } = JSON.parse(stdout.slice(stdout.indexOf("{"))) as
    { numPassedTests: number; numTotalTests: number };
  expect(numPassedTests).toBe(numTotalTests);
  expect(numTotalTests).toBeGreaterThan(50);
});
