// The requests that are under way: each can be stopped by its client, by its time limit or by the
// end of the server. Knows nothing of what they ask for.

import { Refusal } from "./refusal";

/** A request under way. */
export interface Run {
  readonly signal: AbortSignal;
  stop(reason: unknown): void;
  /** It is over, whatever became of it. */
  end(): void;
}

export class Running {
  readonly #runs = new Set<Run>();
  #isClosing = false;
  #empty = (): void => undefined;

  /** Throws 503 once the server closes. */
  begin(client: AbortSignal, limitSeconds: number): Run {
    if (this.#isClosing) throw new Refusal(503, "The server is shutting down; try again later.");
    const stop = new AbortController();
    const leave = (): void => stop.abort(new Refusal(499, "The client has gone."));
    const timer = setTimeout(() => stop.abort(new Refusal(504,
      `The answer took longer than the server's limit of ${limitSeconds} seconds.`)),
    limitSeconds * 1000);
    const run: Run = {
      signal: stop.signal,
      stop: (reason) => stop.abort(reason),
      end: () => {
        clearTimeout(timer);
        client.removeEventListener("abort", leave);
        this.#runs.delete(run);
        if (this.#runs.size === 0) this.#empty();
      },
    };
    this.#runs.add(run);
    if (client.aborted) leave();
    client.addEventListener("abort", leave);
    return run;
  }

  /** Takes no more requests, waits for those that run, and stops them after some seconds. */
  async close(limitSeconds: number): Promise<void> {
    this.#isClosing = true;
    if (this.#runs.size === 0) return;
    const isEmpty = new Promise<void>((resolve) => {
      this.#empty = resolve;
    });
    const timer = setTimeout(() => {
      const reason = new Refusal(503, "The server was shut down.");
      for (const run of this.#runs) run.stop(reason);
    }, limitSeconds * 1000);
    await isEmpty;
    clearTimeout(timer);
  }
}
