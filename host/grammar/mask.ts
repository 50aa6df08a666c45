// Which tokens a state of an automaton allows: those whose bytes lead somewhere. The vocabulary's
// tree is walked with the automaton, so that a beginning that leads nowhere is tried once for all
// tokens that have it. Knows nothing of sessions.

import { DEAD, type Automaton } from "./automaton";
import { tooComplex } from "./parts";
import { tokensOfBytes, type Trie } from "./trie";

/** Parts entered for one mask, at most: some tenths of a second. */
const MASK_WORK_MAX = 4_000_000;
/** Bytes of masks that are kept for states that come again. */
const KEPT_BYTES_MAX = 4 * 2 ** 20;

/** A bit for each token: `token & 7` of byte `token >> 3`. */
export type Mask = Uint8Array<ArrayBuffer>;

/** Masks of one automaton for one tree of tokens. */
export class Masks {
  readonly #kept = new Map<number, Mask>();
  readonly #states: Int32Array;
  readonly #byteTokens: readonly (readonly number[])[] | undefined;
  readonly #scratch: Mask;

  constructor(readonly automaton: Automaton, readonly trie: Trie, readonly size: number) {
    this.#states = new Int32Array(trie.depth + 1);
    this.#scratch = new Uint8Array(Math.ceil(size / 8));
    if (trie.depth === 1) this.#byteTokens = tokensOfBytes(trie);
  }

  /** Valid until the next call; throws GRAMMAR_TOO_COMPLEX. */
  of(state: number): Mask {
    if (this.#byteTokens) return this.#ofBytes(state, this.#byteTokens);
    const horizon = this.automaton.horizon(state, this.trie.depth);
    const known = this.#kept.get(horizon);
    if (known) return known;
    if ((this.#kept.size + 1) * this.#scratch.length > KEPT_BYTES_MAX) this.#kept.clear();
    const mask: Mask = new Uint8Array(this.#scratch.length);
    this.#walk(horizon, mask);
    this.#kept.set(horizon, mask);
    return mask;
  }

  /** Where every token is one byte there is nothing to walk, and nothing worth keeping. */
  #ofBytes(state: number, tokens: readonly (readonly number[])[]): Mask {
    const mask = this.#scratch.fill(0);
    const allowed = this.automaton.allowed(state);
    for (let byte = 0; byte < 256; byte++) {
      if ((((allowed[byte >> 5] as number) >>> (byte & 31)) & 1) === 0) continue;
      for (const token of tokens[byte] as readonly number[]) {
        mask[token >> 3] = (mask[token >> 3] as number) | (1 << (token & 7));
      }
    }
    return mask;
  }

  #walk(start: number, mask: Mask): void {
    const { automaton, trie: { count, bytes, depths, skips, firsts, tokens } } = this;
    const { classes } = automaton.program;
    const { width } = automaton;
    const states = this.#states; // by how many bytes have been taken
    const limit = automaton.work + MASK_WORK_MAX;
    let { table } = automaton;
    states[0] = start;
    for (let node = 0; node < count;) {
      const depth = depths[node] as number;
      const state = states[depth - 1] as number;
      const byte = bytes[node] as number;
      let next = (table[state * width + (classes[byte] as number)] as number) - 2;
      if (next < DEAD) {
        next = automaton.step(state, byte);
        table = automaton.table;
        if (automaton.work > limit) throw tooComplex("its tokens can be meant in too many ways");
      }
      if (next === DEAD) {
        node = skips[node] as number;
        continue;
      }
      states[depth] = next;
      const end = firsts[node + 1] as number;
      for (let i = firsts[node] as number; i < end; i++) {
        const token = tokens[i] as number;
        mask[token >> 3] = (mask[token >> 3] as number) | (1 << (token & 7));
      }
      node++;
    }
  }
}
