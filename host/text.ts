// Text that is still being written: bytes into whole characters, and the end where a stop sequence
// begins. Knows nothing of tokens.

/**
 * Whole characters out of bytes that may end anywhere. An unfinished character waits; `end` gives
 * U+FFFD for one that never comes. A byte order mark is a character like any other.
 */
export class CharacterStream {
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  /** The last bytes written, as many as an unfinished character can have. */
  #last = new Uint8Array(0);

  write(bytes: Uint8Array): string {
    const all = new Uint8Array(this.#last.length + bytes.length);
    all.set(this.#last);
    all.set(bytes, this.#last.length);
    this.#last = all.slice(-3);
    return this.#decoder.decode(bytes, { stream: true });
  }

  /** The bytes of a character that has begun and not ended: they give no text by themselves. */
  get unfinished(): Uint8Array {
    for (let length = this.#last.length; length > 0; length--) {
      const end = this.#last.slice(-length);
      const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(end, { stream: true });
      if (text === "") return end;
    }
    return new Uint8Array(0);
  }

  end(): string {
    this.#last = new Uint8Array(0);
    return this.#decoder.decode();
  }
}

/**
 * Lets text through up to the stop sequence that is complete first (of those that end together,
 * the longest), holding back what may become one. How the text is cut into pieces changes nothing.
 */
export class StopFilter {
  #held = "";
  /** Text that may become a sequence. */
  get held(): string {
    return this.#held;
  }

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
