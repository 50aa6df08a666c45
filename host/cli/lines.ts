// Lines that somebody types, or that come through a pipe, and what Ctrl-C means meanwhile. Knows
// nothing of what the lines say.

import { createInterface, type Interface } from "node:readline";
import { readLines } from "./files";

export interface Lines {
  readonly isTerminal: boolean;
  /** The next line; undefined at the end, and after the signal with which they were opened. */
  next(): Promise<string | undefined>;
  /** A signal that Ctrl-C aborts, and the end, until the next line is asked for. */
  interruption(): AbortSignal;
  /** Whether Ctrl-C stopped the last answer, and not the program. */
  readonly wasInterrupted: boolean;
  close(): void;
}

export function openLines(signal: AbortSignal): Lines {
  return process.stdin.isTTY && process.stdout.isTTY ? new Terminal(signal) : new Pipe(signal);
}

/** As much as a chat may have in all. */
const LINE = { bytesMax: 4e6, reason: "which is no message" };

/** Of a pipe Ctrl-C stops the program. */
class Pipe implements Lines {
  readonly isTerminal = false;
  readonly wasInterrupted = false;
  readonly #lines: AsyncGenerator<string, void, undefined>;

  constructor(readonly signal: AbortSignal) {
    this.#lines = readLines(LINE, signal);
  }

  async next(): Promise<string | undefined> {
    try {
      const line = await this.#lines.next();
      return this.signal.aborted || line.done ? undefined : line.value;
    } catch (error) {
      if (this.signal.aborted) return undefined;
      throw error;
    }
  }

  interruption(): AbortSignal {
    return this.signal;
  }

  close(): void {
    process.stdin.destroy();
  }
}

class Terminal implements Lines {
  readonly isTerminal = true;
  readonly #lines: string[] = [];
  readonly #reader: Interface;
  /** Stops what is being written. */
  #stop: AbortController | undefined;
  #isClosed = false;
  #wake = (): void => undefined;

  constructor(readonly signal: AbortSignal) {
    this.#reader = createInterface({
      input: process.stdin, output: process.stdout, prompt: "> ", terminal: true,
    });
    this.#reader.on("line", (line) => {
      this.#lines.push(line);
      this.#wake();
    });
    this.#reader.on("close", () => {
      this.#isClosed = true;
      this.#stop?.abort();
      process.stdout.write("\n");
      this.#wake();
    });
    this.#reader.on("SIGINT", () => this.#interrupt());
    signal.addEventListener("abort", () => {
      this.#stop?.abort();
      this.close();
    });
  }

  async next(): Promise<string | undefined> {
    this.#stop = undefined;
    while (this.#lines.length === 0 && !this.#isClosed) {
      this.#reader.prompt();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.signal.aborted ? undefined : this.#lines.shift();
  }

  interruption(): AbortSignal {
    this.#stop = new AbortController();
    return this.#stop.signal;
  }

  get wasInterrupted(): boolean {
    return this.#stop?.signal.aborted === true;
  }

  close(): void {
    this.#reader.close();
  }

  /** Ctrl-C stops an answer; otherwise it empties the line. */
  #interrupt(): void {
    if (this.#stop) return this.#stop.abort();
    const isEmpty = this.#reader.line === "";
    process.stdout.write(isEmpty ? "\n(Ctrl-D ends.)\n" : "\n");
    this.#reader.write(null, { ctrl: true, name: "e" });
    this.#reader.write(null, { ctrl: true, name: "u" });
    this.#reader.prompt();
  }
}
