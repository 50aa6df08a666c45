// Rows of four whole numbers, each kept once: the same numbers always get the same row. Parts of
// grammars and their continuations are such rows, so that equal ones are one. Knows nothing of what
// the numbers say.

/** Grows by doubling; numbers of rows stay valid. */
export class Records {
  /** Four numbers a row; another array after every growth. */
  rows = new Int32Array(4 * 256);
  count = 0;
  /** Row + 1 by hash, open addressing; 0 is free. */
  #slots = new Int32Array(512);

  /** Memory that it takes. */
  get byteLength(): number {
    return this.rows.byteLength + this.#slots.byteLength;
  }

  /** The row with these numbers. */
  intern(a: number, b: number, c: number, d: number): number {
    const mask = this.#slots.length - 1;
    let slot = hashOf(a, b, c, d) & mask;
    for (;;) {
      const row = (this.#slots[slot] as number) - 1;
      if (row < 0) break;
      const at = row << 2;
      const { rows } = this;
      if (rows[at] === a && rows[at + 1] === b && rows[at + 2] === c && rows[at + 3] === d) {
        return row;
      }
      slot = (slot + 1) & mask;
    }
    this.#slots[slot] = this.count + 1;
    const at = this.count << 2;
    this.rows[at] = a;
    this.rows[at + 1] = b;
    this.rows[at + 2] = c;
    this.rows[at + 3] = d;
    this.count++;
    if (this.count << 2 === this.rows.length) this.#grow();
    return this.count - 1;
  }

  #grow(): void {
    this.rows = grown(this.rows, this.rows.length * 2);
    const slots = new Int32Array(this.#slots.length * 2);
    const { rows } = this;
    for (let row = 0; row < this.count; row++) {
      const at = row << 2;
      let slot = hashOf(rows[at] as number, rows[at + 1] as number, rows[at + 2] as number,
        rows[at + 3] as number) & (slots.length - 1);
      while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
      slots[slot] = row + 1;
    }
    this.#slots = slots;
  }
}

/** A copy with at least this length, by doubling. */
export function grown(array: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const copy = new Int32Array(Math.max(length, array.length * 2));
  copy.set(array);
  return copy;
}

/** Another number into a hash, as the last steps of MurmurHash3 stir it. */
export function stirred(hash: number, value: number): number {
  const mixed = Math.imul(hash ^ value, 0x85ebca6b);
  return Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35) ^ (mixed >>> 16);
}

/** All four at once: texts of new forms are written by code that no engine has compiled yet. */
function hashOf(a: number, b: number, c: number, d: number): number {
  const sum = Math.imul(a, 0x9e3779b1) + Math.imul(b, 0x85ebca77) + Math.imul(c, 0xc2b2ae3d)
    + Math.imul(d, 0x27d4eb2f);
  const mixed = Math.imul(sum ^ (sum >>> 15), 0x2c1b3c6d);
  return (mixed ^ (mixed >>> 12)) >>> 0;
}
