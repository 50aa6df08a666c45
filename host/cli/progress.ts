// A progress bar for terminals, in one line whatever their width; silent where stderr is none.
// Knows nothing of the work that goes on.

import { printable } from "../source";

const BAR_MAX = 24;
const BAR_MIN = 8;
/** Of a terminal that does not tell its width. */
const COLUMNS = 80;
/** Work that is over sooner shows nothing: a flash is only noise. */
const QUIET_MS = 150;

interface Bar {
  update(progress: { loadedBytes: number; totalBytes: number }): void;
  end(): void;
}

/** A bar for loading `name`, or for other work on bytes or tokens. */
export function progressBar(name: string, unit: "bytes" | "tokens" = "bytes"): Bar {
  const started = Date.now();
  let shown = "";
  return {
    update({ loadedBytes, totalBytes }) {
      if (!process.stderr.isTTY || Date.now() - started < QUIET_MS) return;
      const share = totalBytes > 0 ? loadedBytes / totalBytes : 0;
      const done = unit === "bytes" ? `${(loadedBytes / 1e6).toFixed(1)} MB`
        : `${loadedBytes} tokens`;
      const line = progressLine(name, share, done, process.stderr.columns || COLUMNS);
      if (line === shown) return;
      // Whatever was longer, such as before the terminal became narrower, must not stay behind.
      process.stderr.write(`\r${line}${" ".repeat(Math.max(0, shown.length - line.length))}`);
      shown = line;
    },
    end() {
      if (shown) process.stderr.write(`\r${" ".repeat(shown.length)}\r`);
    },
  };
}

/**
 * The line for a terminal of so many columns; it leaves the last one free, since what fills it
 * begins another line. Where room is short, first the bar gives way, then the name's beginning,
 * which of a path says the least.
 */
export function progressLine(
  name: string, share: number, done: string, columns: number,
): string {
  const figures = `${Math.floor(share * 100)} % ${done}`;
  const room = Math.max(0, columns - 1 - figures.length - 2);
  const label = [...printable(name)];
  const width = Math.max(Math.min(BAR_MAX, room - label.length), Math.min(BAR_MIN, room));
  const full = Math.round(share * width);
  const bar = "█".repeat(full) + "░".repeat(width - full);
  const left = room - width;
  const words = label.length <= left ? label.join("")
    : left > 1 ? `…${label.slice(1 - left).join("")}` : "";
  return [words, bar, figures].filter((part) => part !== "").join(" ").slice(0, columns - 1);
}
