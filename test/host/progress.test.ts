// The line of a progress bar: never wider than the terminal, whatever the name.
// Does not know: when it is shown; test/cli.test.ts looks at a terminal.

import { expect, it } from "vitest";
import { progressLine } from "../../host/cli/progress";

const name = "writing a-model-with-a-rather-long-name.gguf";

it("fits into every width, and shows what it has room for", () => {
  for (let columns = 1; columns <= 200; columns++) {
    for (const share of [0, 0.5, 1]) {
      const line = progressLine(name, share, "1234.5 MB", columns);
      expect([...line].length).toBeLessThan(Math.max(columns, 1));
      if (columns > 20) expect(line).toContain(`${share * 100} % 1234.5 MB`);
    }
  }
});

it("gives up first some of the bar, then the beginning of the name", () => {
  expect(progressLine(name, 0.5, "9.0 MB", 100))
    .toBe(`${name} ${"█".repeat(12)}${"░".repeat(12)} 50 % 9.0 MB`);
  expect(progressLine(name, 0.5, "9.0 MB", 74))
    .toBe(`${name} ${"█".repeat(8)}${"░".repeat(8)} 50 % 9.0 MB`);
  expect(progressLine(name, 0.5, "9.0 MB", 40))
    .toBe(`…er-long-name.gguf ${"█".repeat(4)}${"░".repeat(4)} 50 % 9.0 MB`);
});

it("shows no control characters of a name", () => {
  expect(progressLine("a\nb\x1b[2J", 0, "0 tokens", 80)).toMatch(/^a\?b\?\[2J ░+ 0 % 0 tokens$/);
});
