// Nibble beside others, as tables and charts. Does not know: how it was measured.

import { shapeOf } from "../models/shapes.mjs";
import { barChart } from "./chart.mjs";
import { megabytes, table, withSpread } from "./markdown.mjs";

/** Colours of bars: Nibble, others as WebAssembly, native code. */
const kindOf = ({ isNibble, isNative }) => (isNibble ? 0 : isNative ? 2 : 1);

export function peersParts(peers) {
  const shapes = Object.entries(peers.shapes).filter(([, rows]) => rows.length > 0);
  const charts = {};
  const sections = shapes.map(([name, rows]) => {
    const { title } = shapeOf(name);
    for (const [key, what] of [["decode", `writing ${peers.written} tokens after ${peers.before}`],
      ["prompt", `reading ${peers.promptTokens} tokens`]]) {
      charts[`peers-${name}-${key}.svg`] = chartOf(rows, `${key}PerSecond`,
        `${title}'s shape, int4: ${what}`, peers.machine);
    }
    return `### ${title}'s shape\n\n![Writing](charts/peers-${name}-decode.svg)\n
![Reading](charts/peers-${name}-prompt.svg)\n\n${tableOf(rows)}`;
  });
  const skipped = Object.entries(peers.skipped).map(([name, reason]) => `- ${name}: ${reason}`);
  return { name: "peers", charts, markdown: [
    `${peers.machine}; ${peers.date}. ${noise(peers)}`, ...sections,
    ...(skipped.length > 0 ? [`Left out, by name:\n\n${skipped.join("\n")}`] : []),
  ].join("\n\n") };
}

function noise({ noisyRuns }) {
  return noisyRuns > 0 ? `The machine was not quiet before ${noisyRuns} of the runs.`
    : "The machine was quiet before every run.";
}

function chartOf(rows, key, title, machine) {
  const bars = rows.map((row) => ({
    name: `${row.name}, ${row.threads}`, value: row[key].median, min: row[key].min,
    max: row[key].max, kind: kindOf(row),
  })).sort((a, b) => b.value - a.value);
  return barChart({
    title, rows: bars,
    note: `Tokens a second, median and range, by threads (1 or 2). ${machine}.`,
  });
}

function tableOf(rows) {
  const first = rows.find(({ firstToken }) => firstToken != null)?.firstToken;
  return table(
    ["", "threads", "prompt tokens/s", "decode tokens/s", "load ms", "peak MB", "CPU s", "runtime",
      "packed", "runs", "same token"],
    rows.map((row) => [
      row.isNibble ? `**${row.name}** (${row.engines.join(", ")})` : row.name, row.threads,
      withSpread(row.promptPerSecond), withSpread(row.decodePerSecond), withSpread(row.loadMs),
      withSpread(row.peakBytes, 1e6),
      withSpread(row.cpuSeconds), megabytes(row.runtimeBytes), megabytes(row.packedBytes),
      row.decodePerSecond.count,
      row.firstToken == null ? undefined : row.firstToken === first ? "yes" : "no",
    ]));
}
