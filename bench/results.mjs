// bench/results.json: what was measured last, each bench under its name; the others' parts stay.
// Does not know: what the parts hold.

import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const path = fileURLToPath(new URL("results.json", import.meta.url));

export function readResults() {
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {};
}

/** Puts one part in the place of the old one; never leaves half a file. */
export function keepResults(name, part) {
  const text = `${JSON.stringify({ ...readResults(), [name]: part }, rounded, 1)}\n`;
  writeFileSync(`${path}.part`, text);
  renameSync(`${path}.part`, path);
}

/** Four digits are more than any of these numbers is good for. */
function rounded(_, value) {
  return typeof value === "number" && !Number.isInteger(value)
    ? Number(value.toPrecision(4)) : value;
}
