// Names that misspelt ones were meant to be: few slips are forgiven, the more the longer they are.
// Does not know: options.

import { expect, it } from "vitest";
import { nearest } from "../../host/cli/nearest";

const NAMES = ["--temp", "--top-k", "--top-p", "--seed", "--speculation", "--schema"];

it.each([
  ["--tmep", "--temp"], ["--tem", "--temp"], ["--ttemp", "--temp"], ["--topp", "--top-p"],
  ["--top_k", "--top-k"], ["--sede", "--seed"], ["--speclation", "--speculation"],
  ["--shcema", "--schema"], ["--sed", "--seed"], ["--TEMP", undefined], ["--quux", undefined],
  ["", undefined], ["--specification-of-all", undefined],
])("%s was meant to be %s", (word, name) => {
  expect(nearest(word, NAMES)).toBe(name);
});

it("of equals the first is taken", () => {
  expect(nearest("ab", ["ac", "ad"])).toBe("ac");
});
