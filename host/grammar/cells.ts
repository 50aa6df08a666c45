// Continuations: what is still to be written, as lists that share their ends. A cell is a part of a
// grammar and the cell behind it, or a loop with the rounds that are left of it. Knows nothing of
// what parts match.
//
//   |part|0|next|0|            a part, then `next`
//   |~part|least|next|most|    the part from `least` to `most` times, then `next`

import { Records, grown } from "./records";

/** The continuation that wants nothing more. */
export const END = 0;
/** A loop has no last round; the longest texts have fewer bytes. */
export const ENDLESS = 2 ** 30;

export class Cells extends Records {
  /** By cell: its shape + 1, which is all but the numbers of rounds; 0 is not known yet. */
  #shapes = new Int32Array(256);
  readonly #shapeRows = new Records();

  constructor() {
    super();
    this.intern(-1, 0, 0, 0); // END
    this.#shapes[END] = this.#shapeRows.intern(-1, 0, 0, 0) + 1;
  }

  override get byteLength(): number {
    return super.byteLength + this.#shapes.byteLength + this.#shapeRows.byteLength;
  }

  /** Continuations of one shape differ in rounds only. Few are ever asked for theirs. */
  shapeOf(cell: number): number {
    if (this.#shapes.length < this.count) this.#shapes = grown(this.#shapes, this.count);
    const chain: number[] = [];
    for (; this.#shapes[cell] === 0; cell = this.rows[(cell << 2) + 2] as number) chain.push(cell);
    let shape = this.#shapes[cell] as number;
    for (let i = chain.length - 1; i >= 0; i--) {
      const own = chain[i] as number;
      shape = this.#shapeRows.intern(this.rows[own << 2] as number, shape, 0, 0) + 1;
      this.#shapes[own] = shape;
    }
    return shape;
  }

  /**
   * A loop, then `next`. A loop behind a loop of the same is one of as many rounds as both: so
   * lists like `sum = n ("+" sum)*` do not grow for ever.
   */
  loop(part: number, least: number, next: number, most: number): number {
    if (most === 0) return next;
    const at = next << 2;
    if (this.rows[at] === ~part) {
      const low = least + (this.rows[at + 1] as number);
      if (low < ENDLESS) {
        const high = Math.min(ENDLESS, most + (this.rows[at + 3] as number));
        return this.intern(~part, low, this.rows[at + 2] as number, high);
      }
    }
    return this.intern(~part, least, next, most);
  }

  /** A loop behind one more of its rounds. */
  behindRound(cell: number): number {
    const at = cell << 2;
    const { rows } = this;
    const part = ~(rows[at] as number);
    const least = Math.max(0, (rows[at + 1] as number) - 1);
    const most = rows[at + 3] as number;
    const left = most === ENDLESS ? most : most - 1;
    return this.loop(part, least, rows[at + 2] as number, left);
  }

  /** An order of continuations that depends on what they say, not on which was met first. */
  compare(a: number, b: number): number {
    const { rows } = this;
    while (a !== b) {
      const [x, y] = [a << 2, b << 2];
      for (const side of [0, 1, 3]) {
        const difference = (rows[x + side] as number) - (rows[y + side] as number);
        if (difference !== 0) return difference;
      }
      a = rows[x + 2] as number;
      b = rows[y + 2] as number;
    }
    return 0;
  }
}
