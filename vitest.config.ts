// The ordinary tests. The comparison with llama.cpp and the tests on other runtimes have
// configurations of their own.
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/oracle/**", "test/platforms/*.ts", "test/bundlers/**",
      "test/clients/**", "**/node_modules/**"],
    // All processors: nothing here is timed, and small machines have two.
    maxWorkers: availableParallelism(),
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
