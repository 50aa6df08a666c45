// Forward passes that many sessions share. Every session that has something to read gives at least
// one row to each pass, and long prompts fill up what is left, in equal parts: texts that are being
// written keep moving while others begin. A row's result does not depend on its neighbours, so it
// changes no text who comes together. Knows nothing of what the tokens say.

import type { Engine } from "./engine";
import { ROWS_MAX } from "./options";

/** Tokens that a session is to read. */
interface Reading {
  readonly session: number;
  readonly tokens: readonly number[];
  /** How many of them have been read. */
  at: number;
  /** Whether the last one's logits are wanted. */
  readonly wantsLogits: boolean;
  /** Throws when nobody wants it any more. */
  check(): void;
  readonly heard: Heard | undefined;
  done(): void;
  fail(error: unknown): void;
}

/**
 * Hears of each pass that read some of the tokens, right behind it, before anything else can run:
 * those from `at` on are in the `count` rows from `row` on. What it throws ends the reading.
 */
export type Heard = (row: number, at: number, count: number) => void;

/** A session's share of one pass. */
interface Share extends Pick<Reading, "session" | "tokens" | "wantsLogits"> {
  /** Tokens behind them, of which nobody knows yet whether they are the right ones. */
  readonly guessed?: readonly number[];
}

/** Tokens that may be the next ones of a session that reads, at most 31. */
export interface Guesses {
  readonly tokens: readonly number[];
  /**
   * Called right behind the pass that ran some of them, before anything else can run: says with
   * `keepTo` how many were right. `row` is the row of the last token that was no guess, and `count`
   * guesses are in the rows behind it. Must not throw.
   */
  settle(row: number, count: number): void;
}

/** How passes fit in with everything else that the host does. */
export interface Turns {
  engine(): Engine;
  /** A turn for everybody else. */
  turn(): Promise<void>;
  /** The same, but only as often as anybody would notice. */
  rareTurn(): Promise<void>;
  /** False where no request may wait for what another one does. */
  isShared: boolean;
}

export class Passes {
  readonly #turns: Turns;
  readonly #readings: Reading[] = [];
  #isLooping = false;
  /** Sessions in which something is read or written. */
  #busy = 0;
  /** Passes so far, and their rows. */
  readonly count = { passes: 0, rows: 0 };
  #last = 0;

  constructor(turns: Turns) {
    this.#turns = turns;
  }

  /** A number of the last pass, for as long as its rows are in the engine. */
  get last(): number {
    return this.#last;
  }

  /** The rows of the last pass are gone. */
  forget(): void {
    this.#last++;
  }

  /** A session begins to read or write. */
  enter(): void {
    this.#busy++;
  }

  leave(): void {
    this.#busy--;
  }

  /**
   * Reads tokens into a session's cache. Throws what the engine says, and what `check` throws
   * before a pass; what was read until then stays. Guesses go into the last pass if it is the
   * session's alone: in one for many they would make all others wait.
   */
  async read(
    session: number, tokens: readonly number[], wantsLogits: boolean, check: () => void,
    { guesses, heard }: { guesses?: Guesses | undefined; heard?: Heard } = {},
  ): Promise<void> {
    for (let at = 0; at < tokens.length;) {
      if (this.#turns.isShared && this.#busy > 1) {
        return new Promise<void>((done, fail) => {
          this.#readings.push({ session, tokens, at, wantsLogits, check, heard, done, fail });
          if (!this.#isLooping) void this.#loop();
        });
      }
      check();
      const slice = tokens.slice(at, at + ROWS_MAX);
      const from = at;
      at += slice.length;
      const isLast = at === tokens.length;
      const guessed = isLast && guesses ? guesses.tokens.slice(0, ROWS_MAX - slice.length) : [];
      this.run([{ session, tokens: slice, guessed, wantsLogits: wantsLogits && isLast }]);
      if (guessed.length > 0) guesses?.settle(slice.length - 1, guessed.length);
      heard?.(0, from, slice.length);
      await this.#turns.rareTurn();
    }
  }

  /** One pass, at once. What fails is not in the sessions: the same can be tried again. */
  run(shares: readonly Share[]): void {
    const engine = this.#turns.engine();
    this.forget();
    const starts = shares.map(({ session }) => engine.call((e) => e.position(session)));
    try {
      for (const { session, tokens, guessed = [], wantsLogits } of shares) {
        tokens.forEach((token, i) => {
          const wanted = wantsLogits && i === tokens.length - 1 ? 1 : 0;
          engine.call((e) => e.push(session, token, wanted));
        });
        for (const token of guessed) engine.call((e) => e.push(session, token, 0));
      }
      engine.call((e) => e.run(-1));
    } catch (error) {
      engine.exports.drop();
      shares.forEach(({ session }, i) => engine.exports.rewind(session, starts[i] as number));
      throw error;
    }
    this.count.passes++;
    this.count.rows += shares.reduce((sum, { tokens, guessed = [] }) => (
      sum + tokens.length + guessed.length), 0);
  }

  async #loop(): Promise<void> {
    this.#isLooping = true;
    try {
      while (this.#readings.length > 0) {
        // Meanwhile everybody whose text goes on says what comes next.
        await this.#turns.turn();
        this.#giveUp();
        this.#pass();
      }
    } catch (error) {
      for (const reading of [...this.#readings]) this.#end(reading, error);
    } finally {
      this.#isLooping = false;
    }
  }

  /** Lets those go that nobody waits for any more. */
  #giveUp(): void {
    for (const reading of [...this.#readings]) {
      try {
        reading.check();
      } catch (error) {
        this.#end(reading, error);
      }
    }
  }

  /** One pass for all. When it fails, each gets one alone, so that only the culprit fails. */
  #pass(): void {
    const parts = sharesOf(this.#readings);
    try {
      if (parts.length > 0) this.run(parts.map(([, share]) => share));
    } catch {
      for (const [reading, share] of parts) {
        try {
          this.run([share]);
        } catch (error) {
          this.#end(reading, error);
          continue;
        }
        this.#advance(reading, 0, share.tokens.length);
      }
      return;
    }
    let row = 0;
    for (const [reading, { tokens }] of parts) {
      this.#advance(reading, row, tokens.length);
      row += tokens.length;
    }
  }

  /** `count` more of its tokens have been read, in the rows from `row` on. */
  #advance(reading: Reading, row: number, count: number): void {
    try {
      reading.heard?.(row, reading.at, count);
    } catch (error) {
      return this.#end(reading, error);
    }
    reading.at += count;
    if (reading.at === reading.tokens.length) this.#end(reading);
  }

  /** `failure` is the reason, which may be anything, in a list of its own. */
  #end(reading: Reading, ...failure: [] | [unknown]): void {
    this.#readings.splice(this.#readings.indexOf(reading), 1);
    if (failure.length === 0) reading.done();
    else reading.fail(failure[0]);
  }
}

/** The rows of one pass: one for each in turn, until all is read or the pass is full. */
function sharesOf(readings: readonly Reading[]): [Reading, Share][] {
  const counts = readings.map(() => 0);
  const lefts = readings.map(({ tokens, at }) => tokens.length - at);
  for (let rows = 0, before = -1; rows < ROWS_MAX && rows !== before;) {
    before = rows;
    lefts.forEach((left, i) => {
      if (rows === ROWS_MAX || counts[i] === left) return;
      counts[i] = (counts[i] ?? 0) + 1;
      rows++;
    });
  }
  return readings.map((reading, i): [Reading, Share] => {
    const { session, tokens, at, wantsLogits } = reading;
    const end = at + (counts[i] ?? 0);
    return [reading, { session, tokens: tokens.slice(at, end),
      wantsLogits: wantsLogits && end === tokens.length }];
  }).filter(([, { tokens }]) => tokens.length > 0);
}
