// A progress bar for terminals; silent where stderr is none.

const WIDTH = 24;
/** Loads faster than this show nothing: a flash is only noise. */
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
      const full = Math.round(share * WIDTH);
      const bar = "█".repeat(full) + "░".repeat(WIDTH - full);
      const done = unit === "bytes" ? `${(loadedBytes / 1e6).toFixed(1)} MB`
        : `${loadedBytes} tokens`;
      const line = `${name} ${bar} ${Math.floor(share * 100)} % ${done}`;
      if (line === shown) return;
      shown = line;
      process.stderr.write(`\r${line}`);
    },
    end() {
      if (shown) process.stderr.write(`\r${" ".repeat(shown.length)}\r`);
    },
  };
}
