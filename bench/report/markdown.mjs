// Tables for Markdown. Does not know: what is in them.

import { short } from "./chart.mjs";

/** A table: titles of columns, and rows of as many cells; a cell that is missing is a dash. */
export function table(titles, rows) {
  const line = (cells) => `| ${cells.map((cell) => cell ?? "-").join(" | ")} |`;
  return [line(titles), line(titles.map(() => "---")), ...rows.map(line)].join("\n");
}

/** A median with its range, where there is more than one sample. */
export function withSpread(spread, unit = 1) {
  if (!spread) return undefined;
  const [median, min, max] = [spread.median, spread.min, spread.max].map((it) => short(it / unit));
  return spread.count === 1 ? median : `${median} (${min}–${max})`;
}

export const megabytes = (bytes) => (bytes === undefined ? undefined : `${short(bytes / 1e6)} MB`);
