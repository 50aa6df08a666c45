// npm run bench: the ladder of kernels, or whole models through `nibble bench`, as one table.
//
//   npm run bench                              the ladder
//   npm run bench -- --kernels [NAME ...]      the rungs whose names contain a NAME
//   npm run bench -- MODEL.gguf [...] [--context N] [--repeat N] [--weights T] [--cache T]
//
// Prints numbers and judges none. Does not know: how a model is timed; the command does.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runLadder } from "./kernels/ladder.mjs";

const command = fileURLToPath(new URL("../dist/nibble.js", import.meta.url));

/** Options that are handed on to `nibble bench`. */
const FORWARDED = ["context", "repeat", "weights", "cache", "memory-limit"];

/** Reads the arguments; what cannot be understood ends the run with one line. */
function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        kernels: { type: "boolean" },
        ...Object.fromEntries(FORWARDED.map((name) => [name, { type: "string" }])),
      },
    });
  } catch (error) {
    console.error(error.message);
    process.exit(2);
  }
}

/** The report of one model, flat: a name and a number each. */
function benchModel(path, options) {
  const output = execFileSync(process.execPath, [command, "bench", path, "--json", ...options],
    { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  return Object.fromEntries(Object.entries(JSON.parse(output)).flatMap(([name, value]) =>
    (typeof value === "object"
      ? Object.entries(value).map(([at, speed]) => [`${name} at ${at}`, speed])
      : [[name, value]])));
}

/** A row for each number, a column for each model. */
function printTable(names, reports) {
  const labels = [...new Set(reports.flatMap((report) => Object.keys(report)))];
  const first = Math.max(...labels.map((label) => label.length));
  const widths = names.map((name) => Math.max(name.length, 12));
  const line = (label, cells) =>
    console.log([label.padEnd(first), ...cells.map((cell, i) => cell.padStart(widths[i]))]
      .join("  "));
  line("", names);
  for (const label of labels) {
    line(label, reports.map((report) => report[label]?.toLocaleString("en-US") ?? "-"));
  }
}

const { values, positionals } = readArguments();
if (values.kernels || positionals.length === 0) {
  await runLadder(positionals);
} else if (!existsSync(command)) {
  console.error("dist/nibble.js is missing; run `npm run build` first");
  process.exit(1);
} else {
  const options = FORWARDED.flatMap((name) =>
    (values[name] === undefined ? [] : [`--${name}`, values[name]]));
  try {
    const reports = positionals.map((path) => benchModel(path, options));
    printTable(positionals.map((path) => basename(path)), reports);
  } catch (error) {
    // The command has said why on standard error.
    process.exit(error.status || 1);
  }
}
