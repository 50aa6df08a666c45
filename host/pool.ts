// The sessions of a model: which are free, and who waits for one. First come, first served. Knows
// nothing of what is done with them.

import { NibbleError } from "./errors";

/** A text that waits for a session. */
interface Waiting {
  /** The session that has become its own. */
  index?: number;
  wake(): void;
}

/** A session that is held, as those who wait for it see it. */
export interface Held {
  /** It moves while anybody wants what is written. */
  readonly position: number;
  close(): void;
}

/** Longer than a reader stops who means to go on. */
const ABANDONED_MS = 10_000;

export class Pool {
  /** Those that have been free the longest come first. */
  readonly #free: number[];
  readonly #waiting: Waiting[] = [];
  /** Sessions taken for one text each, which will come back by themselves. */
  readonly #taken = new Set<number>();
  /** What is known of those that are taken, and where each was when it was last seen to move. */
  readonly #held = new Map<number, { session: Held; position: number; since: number }>();
  #isClosed = false;

  /**
   * `pause`, where a request may not wait for what another one does (Workers end it as hung), is a
   * pause of its own, after which it looks again. There, too, a request whose client has gone may
   * end without a word, so who waits closes sessions that have stood still for `abandonedMs`.
   */
  constructor(
    readonly count: number, readonly queueMax: number, readonly pause?: () => Promise<void>,
    readonly abandonedMs = ABANDONED_MS,
  ) {
    this.#free = Array.from({ length: count }, (_, index) => index);
  }

  /** Texts that are being written, and that wait. */
  get load(): { running: number; waiting: number } {
    return { running: this.#taken.size, waiting: this.#waiting.length };
  }

  /** A free session, for as long as the caller likes. Throws SESSIONS_IN_USE. */
  open(): number {
    const index = this.#free.shift();
    if (index !== undefined) return index;
    throw new NibbleError("SESSIONS_IN_USE", `All ${this.count} sessions are in use; close one, or `
      + `load with more (sessions: ${this.count + 1}).`);
  }

  /**
   * A session for one text, the free one that `choose` picks; waits while others that will end hold
   * them all. Throws QUEUE_FULL, SESSIONS_IN_USE or the signal's reason.
   */
  async take(
    signal: AbortSignal | undefined, choose: (free: readonly number[]) => number,
  ): Promise<number> {
    signal?.throwIfAborted();
    let index: number;
    if (this.#free.length > 0) {
      index = choose(this.#free);
      this.#free.splice(this.#free.indexOf(index), 1);
    } else {
      index = this.#taken.size > 0 ? await this.#wait(signal) : this.open();
    }
    this.#taken.add(index);
    return index;
  }

  /**
   * At most `count` free sessions, those that have been idle the longest, for a text that has one
   * already; none where no request may wait for what another one does.
   */
  spare(count: number): number[] {
    return this.pause ? [] : this.#free.splice(0, Math.max(0, count));
  }

  /** Is told who holds a session that was taken; returns it. */
  watch<T extends Held>(index: number, session: T): T {
    this.#held.set(index, { session, position: session.position, since: performance.now() });
    return session;
  }

  /** Gives a session to who has waited the longest, or puts it with the free ones. */
  giveBack(index: number): void {
    this.#taken.delete(index);
    this.#held.delete(index);
    const next = this.#waiting.shift();
    if (!next) return void this.#free.push(index);
    next.index = index;
    this.#taken.add(index);
    next.wake();
  }

  /** Wakes everybody, for there will be no sessions any more. */
  close(): void {
    this.#isClosed = true;
    for (const { wake } of this.#waiting.splice(0)) wake();
  }

  async #wait(signal: AbortSignal | undefined): Promise<number> {
    if (this.#waiting.length >= this.queueMax) {
      throw new NibbleError("QUEUE_FULL", `${this.#waiting.length} texts wait for a free session `
        + "already; try again later, or load with a longer queue or more sessions.");
    }
    let resolve = (): void => undefined;
    const woken = new Promise<void>((resolveIt) => {
      resolve = resolveIt;
    });
    const own: Waiting = { wake: resolve };
    const isOver = (): boolean => (
      own.index !== undefined || this.#isClosed || signal?.aborted === true);
    this.#waiting.push(own);
    signal?.addEventListener("abort", own.wake);
    try {
      if (this.pause) {
        while (!isOver()) {
          await this.pause();
          this.#closeAbandoned();
        }
      } else {
        await woken;
      }
      signal?.throwIfAborted();
      if (own.index !== undefined) return own.index;
      throw new NibbleError("MODEL_DISPOSED", "This model has been disposed of.");
    } catch (error) {
      // It may have been given one in the meantime, which goes to the next.
      if (own.index !== undefined) this.giveBack(own.index);
      throw error;
    } finally {
      signal?.removeEventListener("abort", own.wake);
      const at = this.#waiting.indexOf(own);
      if (at >= 0) this.#waiting.splice(at, 1);
    }
  }

  /** Closes sessions that nobody has moved for too long. */
  #closeAbandoned(): void {
    if (this.#isClosed) return;
    const now = performance.now();
    for (const held of [...this.#held.values()]) {
      const { position } = held.session;
      if (position !== held.position) Object.assign(held, { position, since: now });
      else if (now - held.since > this.abandonedMs) held.session.close();
    }
  }
}
