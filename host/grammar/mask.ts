// Which tokens a state of an automaton allows: those whose bytes lead somewhere. The vocabulary's
// tree is walked with the automaton, so that a beginning that leads nowhere is tried once for all
// tokens that have it. A mask is kept for all states that cannot be told apart within the longest
// token (`horizon`); so that this is not far, tokens of many bytes have a tree of their own. Knows
// nothing of sessions.

import { DEAD, type Automaton } from "./automaton";
import type { Trie } from "./trie";

/**
 * Continuations of all states that are met for one mask, at most: some tenths of a second. Beyond,
 * only tokens of one byte are allowed, which every grammar can be written with. It is counted by
 * what the states are, not by what was new: the same text has the same masks.
 */
const MASK_MEMBERS_MAX = 2 ** 21;
/** Bytes of masks that are kept for states that come again. */
const KEPT_BYTES_MAX = 4 * 2 ** 20;

/** Masks of one automaton for one vocabulary of `size` tokens. */
export class Masks {
  readonly #views: readonly View[];
  readonly #words: Uint32Array<ArrayBuffer>;
  /** Where every byte has one token, in their order: the token of byte 0; else -1. */
  readonly #firstByte: number;
  /** The same: a bit for each token, `token & 7` of byte `token >> 3`. */
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #allowed = new Uint32Array(8);

  constructor(
    readonly automaton: Automaton, size: number, tries: readonly Trie[],
    readonly byteTokens: readonly (readonly number[])[] | undefined,
  ) {
    this.#words = new Uint32Array(Math.ceil(size / 32));
    this.#bytes = new Uint8Array(this.#words.buffer, 0, Math.ceil(size / 8));
    const first = byteTokens?.[0]?.[0] ?? -1;
    this.#firstByte = byteTokens?.every((tokens, byte) => (
      tokens.length === 1 && tokens[0] === first + byte)) ? first : -1;
    this.#views = byteTokens ? [] : tries.map((trie) => (
      new View(automaton, trie, this.#words.length, KEPT_BYTES_MAX / tries.length)));
  }

  /** Memory of the masks that are kept. */
  get byteLength(): number {
    return this.#views.reduce((sum, view) => sum + view.byteLength, 0);
  }

  /** The tokens that a state allows; valid until the next call. */
  of(state: number): Uint8Array<ArrayBuffer> {
    const words = this.#words.fill(0);
    if (this.byteTokens) this.#addBytes(state, this.byteTokens);
    for (const view of this.#views) {
      const own = view.of(state);
      for (let i = 0; i < own.length; i++) words[i] = (words[i] as number) | (own[i] as number);
    }
    return this.#bytes;
  }

  /** Where every token is one byte there is nothing to walk, and nothing worth keeping. */
  #addBytes(state: number, tokens: readonly (readonly number[])[]): void {
    const allowed = this.automaton.allowed(state, this.#allowed);
    const words = this.#words;
    if (this.#firstByte >= 0) {
      const at = this.#firstByte >> 5;
      const shift = this.#firstByte & 31;
      for (let word = 0; word < 8; word++) {
        const bits = allowed[word] as number;
        words[at + word] = (words[at + word] as number) | (bits << shift);
        if (shift > 0) words[at + word + 1] = bits >>> (32 - shift);
      }
      return;
    }
    for (let word = 0; word < 8; word++) {
      for (let rest = allowed[word] as number; rest !== 0; rest &= rest - 1) {
        const byte = word * 32 + 31 - Math.clz32(rest & -rest);
        for (const token of tokens[byte] as readonly number[]) add(words, token);
      }
    }
  }
}

// Little-endian, as every machine is that runs WebAssembly: words and bytes have the same bits.
function add(words: Uint32Array, token: number): void {
  words[token >> 5] = (words[token >> 5] as number) | (1 << (token & 31));
}

/** One tree of tokens as the states of an automaton see it. */
class View {
  readonly #kept = new Map<number, Uint32Array>();
  /** Of each node, the class of the byte that leads to it. */
  readonly #classes: Uint8Array;
  /** The state behind so many bytes. */
  readonly #states: Int32Array;

  constructor(
    readonly automaton: Automaton, readonly trie: Trie, readonly words: number,
    readonly keptBytesMax: number,
  ) {
    const { classes } = automaton.program;
    this.#classes = trie.bytes.map((byte) => classes[byte] as number);
    this.#states = new Int32Array(trie.depth + 1);
  }

  get byteLength(): number {
    return this.#kept.size * this.words * 4 + this.#classes.byteLength;
  }

  of(state: number): Uint32Array {
    const horizon = this.automaton.horizon(state, this.trie.depth);
    const known = this.#kept.get(horizon);
    if (known) return known;
    if ((this.#kept.size + 1) * this.words * 4 > this.keptBytesMax) this.#kept.clear();
    const mask = new Uint32Array(this.words);
    if (!this.#walk(horizon, mask, this.trie.depth)) this.#walk(horizon, mask.fill(0), 1);
    this.#kept.set(horizon, mask);
    return mask;
  }

  /** Tokens of up to so many bytes; false if there were too many ways to mean them. */
  #walk(start: number, mask: Uint32Array, depthMax: number): boolean {
    const { automaton, trie: { count, bytes, depths, skips, tokens, twins } } = this;
    const { width } = automaton;
    const classes = this.#classes;
    const states = this.#states;
    let members = 0;
    let { table } = automaton;
    states[0] = start;
    for (let node = 0; node < count;) {
      const depth = depths[node] as number;
      const state = states[depth - 1] as number;
      let next = (table[state * width + (classes[node] as number)] as number) - 2;
      if (next < DEAD) {
        next = automaton.step(state, bytes[node] as number);
        table = automaton.table;
      }
      if (next === DEAD || depth > depthMax) {
        node = skips[node] as number;
        continue;
      }
      members += automaton.countOf(next);
      if (members > MASK_MEMBERS_MAX && depthMax > 1) return false;
      states[depth] = next;
      for (let token = tokens[node] as number; token >= 0; token = twins[token] as number) {
        add(mask, token);
      }
      node++;
    }
    return true;
  }
}
