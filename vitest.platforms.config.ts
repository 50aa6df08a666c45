// The tests that need real runtimes beside this Node, and packages of their own to have them.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/platforms/*.test.ts"],
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 120_000,
  },
});
