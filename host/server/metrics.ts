// What the server counts, as Prometheus reads it. Knows nothing of requests beyond their counts.

import type { Activity } from "../model";

export class Metrics {
  /** Requests by path and status. Paths are those of the server, so there are few. */
  readonly #requests = new Map<string, number>();
  #seconds = 0;
  readonly tokens = { prompt: 0, reused: 0, completion: 0 };

  answered(path: string, status: number, seconds: number): void {
    const key = `path="${path}",status="${status}"`;
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1);
    this.#seconds += seconds;
  }

  text({ running, waiting, passes, rows, memoryBytes }: Activity, sessions: number): string {
    const { prompt, reused, completion } = this.tokens;
    return [
      ...family("requests_total", "counter", "Requests that were answered.",
        [...this.#requests].map(([key, count]): [string, number] => [`{${key}}`, count])),
      ...family("request_seconds_total", "counter", "Time that they took.", [["", this.#seconds]]),
      ...family("prompt_tokens_total", "counter", "Tokens of prompts.", [["", prompt]]),
      ...family("reused_tokens_total", "counter", "Those of them that were in a cache already.",
        [["", reused]]),
      ...family("completion_tokens_total", "counter", "Tokens that were written.",
        [["", completion]]),
      ...family("passes_total", "counter", "Forward passes.", [["", passes]]),
      ...family("pass_rows_total", "counter", "Rows of these passes.", [["", rows]]),
      ...family("texts_running", "gauge", "Texts that are being written.", [["", running]]),
      ...family("texts_waiting", "gauge", "Texts that wait for a session.", [["", waiting]]),
      ...family("sessions", "gauge", "Texts that can be written at once.", [["", sessions]]),
      ...family("engine_memory_bytes", "gauge", "Memory of the engine, model and all.",
        [["", memoryBytes]]),
      "",
    ].join("\n");
  }
}

function family(name: string, type: string, help: string, values: [string, number][]): string[] {
  return [`# HELP nibble_${name} ${help}`, `# TYPE nibble_${name} ${type}`,
    ...values.map(([labels, value]) => `nibble_${name}${labels} ${value}`)];
}
