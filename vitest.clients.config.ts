// The clients that other people wrote, against the server; they have a package.json of their own.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/clients/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
