// The comparisons with llama.cpp, which need test/oracle's own packages.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/oracle/**/*.test.ts"],
    pool: "forks",
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
});
