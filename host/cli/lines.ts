// Lines that somebody types, or that come through a pipe, and what Ctrl-C means meanwhile. Knows
// nothing of what the lines say.

import { createInterface, type Interface } from "node:readline";

export class LineReader {
  readonly isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
  readonly #lines: string[] = [];
  readonly #reader: Interface;
  /** Stops what is being written. */
  #stop: AbortController | undefined;
  #isClosed = false;
  #wake = (): void => undefined;

  /** After `signal` no lines come any more. */
  constructor(readonly signal: AbortSignal) {
    this.#reader = createInterface({
      input: process.stdin, prompt: "> ", terminal: this.isTerminal,
      ...(this.isTerminal ? { output: process.stdout } : {}),
    });
    this.#reader.on("line", (line) => {
      this.#lines.push(line);
      this.#wake();
    });
    this.#reader.on("close", () => {
      this.#isClosed = true;
      if (this.isTerminal) {
        this.#stop?.abort(); // of a pipe, the last answer is still to come
        process.stdout.write("\n");
      }
      this.#wake();
    });
    this.#reader.on("SIGINT", () => this.#interrupt());
    signal.addEventListener("abort", () => {
      this.#stop?.abort();
      this.close();
    });
  }

  /** The next line; undefined at the end. */
  async next(): Promise<string | undefined> {
    this.#stop = undefined;
    while (this.#lines.length === 0 && !this.#isClosed) {
      if (this.isTerminal) this.#reader.prompt();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.signal.aborted ? undefined : this.#lines.shift();
  }

  /** A signal that Ctrl-C aborts, and the end, until the next line is asked for. */
  interruption(): AbortSignal {
    this.#stop = new AbortController();
    return this.#stop.signal;
  }

  /** Whether the last answer was stopped here. */
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
