// Guesses at what comes next in a text: where its last tokens have stood before, what followed them
// there (prompt lookup decoding; Saxena 2023). A wrong guess costs nearly as much as a token and a
// right one saves a fraction of one (docs/SPEED.md), so there are guesses only where the text has
// followed an earlier passage for some time, and for as long as they have paid. Knows nothing of
// models or of what becomes of a guess; a text does not depend on them.

/** Tokens by which an earlier passage is found. */
const GRAM = 8;
/** Tokens that must have been the passage's before the first guesses, and before as many as pay. */
const FOLLOWED_FEW = 16;
const FOLLOWED_MANY = 24;
/** With the token that they follow, passes of four and eight rows, which the products like best. */
const FEW = 3;
const MANY = 7;
/** What a right guess gives back of what a wrong one costs: measured, and rounded down. */
const GAIN = 0.25;
/** Most credit, so that what once paid is given up soon; least, where guessing stops. */
const CREDIT_MAX = 16;
const CREDIT_MIN = -4;
/** A passage followed for as long as this is worth a try without any credit. */
const FOLLOWED_LONG = 48;
/** Followed tokens are counted no further back than this when a passage is found. */
const LOOK_BACK = FOLLOWED_LONG;

/** Whoever guesses at a text while it is written. */
export interface Guesser {
  /** The text goes on with this token. */
  add(token: number): void;
  /** At most `room` tokens that may come next; `room` may be negative. */
  guess(room: number): readonly number[];
  /** Of the last guesses, `count` were tried, and the first `right` of them were right. */
  settle(count: number, right: number): void;
}

/** One text's tokens, and the earlier passage that it follows. */
export class Lookup implements Guesser {
  readonly #tokens: Int32Array;
  /** Of the last GRAM tokens' hash: where they ended last, or 0. Later ones take the place. */
  readonly #ends: Int32Array;
  readonly #shift: number;
  #count = 0;
  /** Where in the text the token stands that should come next, or 0. */
  #next = 0;
  /** How many tokens up to the last one are the passage's, too. */
  #followed = 0;
  #credit = 0;

  /** `room`: tokens that the text can have. */
  constructor(room: number) {
    this.#tokens = new Int32Array(room);
    const bits = 32 - Math.clz32(Math.max(room, 2) - 1);
    this.#ends = new Int32Array(2 ** bits);
    this.#shift = 32 - bits;
  }

  add(token: number): void {
    const tokens = this.#tokens;
    if (this.#count === tokens.length) return;
    tokens[this.#count++] = token;
    const count = this.#count;
    const follows = this.#next > 0 && tokens[this.#next] === token;
    this.#next = follows ? this.#next + 1 : 0;
    this.#followed = follows ? this.#followed + 1 : 0;
    if (count < GRAM) return;
    const place = this.#place();
    if (!follows) this.#find(this.#ends[place] as number);
    this.#ends[place] = count;
  }

  guess(room: number): number[] {
    const followed = this.#followed;
    if (followed < FOLLOWED_FEW) return [];
    if (this.#credit <= CREDIT_MIN && followed < FOLLOWED_LONG) return [];
    const guesses: number[] = [];
    const most = Math.min(room, followed < FOLLOWED_MANY ? FEW : MANY);
    while (guesses.length < most) {
      const at = this.#next + guesses.length;
      // A passage that runs up to the end of the text goes on with itself.
      guesses.push((at < this.#count ? this.#tokens[at] : guesses[at - this.#count]) as number);
    }
    return guesses;
  }

  settle(count: number, right: number): void {
    this.#credit = Math.min(CREDIT_MAX, this.#credit + GAIN * right - (count - right));
  }

  /** Follows the passage that ended there with the same tokens as the text ends with, if it did. */
  #find(end: number): void {
    let same = 0;
    while (same < LOOK_BACK && same < end
      && this.#tokens[end - 1 - same] === this.#tokens[this.#count - 1 - same]) same++;
    if (same < GRAM) return;
    this.#next = end;
    this.#followed = same;
  }

  /** Of the last GRAM tokens: the high bits of a multiplicative hash. */
  #place(): number {
    let hash = 0;
    for (let at = this.#count - GRAM; at < this.#count; at++) {
      hash = Math.imul(hash ^ (this.#tokens[at] as number), 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    return Math.imul(hash, 0x9e3779b1) >>> this.#shift;
  }
}
