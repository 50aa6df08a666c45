// Text that is still being written: bytes into whole characters, and the end where a stop sequence
// begins. Knows nothing of tokens.

/**
 * Whole characters out of bytes that may end anywhere. An unfinished character waits; `end` gives
 * U+FFFD for one that never comes. A byte order mark is a character like any other.
 */
export class CharacterStream {
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  write(bytes: Uint8Array): string {
    return this.#decoder.decode(bytes, { stream: true });
  }

  end(): string {
    return this.#decoder.decode();
  }
}

/**
 * Lets text through up to the stop sequence that is complete first (of those that end together,
 * the longest), holding back what may become one. How the text is cut into pieces changes nothing.
 */
export class StopFilter {
  #held = "";
  /** The sequence that was found. */
  found: string | undefined;

  constructor(readonly sequences: readonly string[]) {}

  /** Text that can be shown now. Nothing more comes once `found` is set. */
  write(text: string): string {
    if (this.found !== undefined) return "";
    const all = this.#held + text;
    let first = 0;
    let firstEnd = Infinity;
    for (const sequence of this.sequences) {
      const at = all.indexOf(sequence);
      const end = at + sequence.length;
      if (at < 0 || end > firstEnd || (end === firstEnd && at >= first)) continue;
      first = at;
      firstEnd = end;
      this.found = sequence;
    }
    if (this.found !== undefined) {
      this.#held = "";
      return all.slice(0, first);
    }
    const kept = longestBeginning(all, this.sequences);
    this.#held = all.slice(all.length - kept);
    return all.slice(0, all.length - kept);
  }

  /** What was held back for nothing. */
  end(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }
}

/** Length of the longest end of `text` that begins one of the sequences. */
function longestBeginning(text: string, sequences: readonly string[]): number {
  let longest = 0;
  for (const sequence of sequences) {
    const most = Math.min(sequence.length - 1, text.length);
    for (let length = most; length > longest; length--) {
      if (text.endsWith(sequence.slice(0, length))) longest = length;
    }
  }
  return longest;
}
