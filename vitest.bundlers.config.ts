// Projects of other people: the packed package in the hands of bundlers, which have a package.json
// of their own.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/bundlers/*.test.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
