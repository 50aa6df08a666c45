// Parts that begin plainly: with one byte out of a set, behind which the rest comes, or a choice of
// a few such that one byte tells apart. They stand in states as they are, so that a state before a
// letter has one continuation for it, and not one for each way to begin a letter in UTF-8. Knows
// nothing of continuations.

import { FILLED } from "./facts";
import { EMPTY, KIND, OPTIONS_MAX } from "./parts";

/** A bit beside those of facts.ts. */
export const HEAD = 4;

/** What of a program is needed here (program.ts). */
interface Heads {
  readonly rows: Int32Array;
  readonly facts: Uint8Array;
  readonly sets: Int32Array;
  readonly only: Int16Array;
  readonly firsts: Int32Array;
}

/**
 * Adds HEAD to the facts of parts that begin plainly, and those sets to `sets` that choices of them
 * begin with. Returns for each where the words of its set will lie, one set behind the other; -1
 * for other parts. Inner parts have smaller numbers.
 */
export function markHeads(rows: Int32Array, sets: Uint32Array[], facts: Uint8Array): Int32Array {
  const firsts = new Int32Array(facts.length).fill(-1);
  const options = new Uint8Array(facts.length);
  const setOf = (part: number): Uint32Array => sets[(firsts[part] as number) >> 3] as Uint32Array;
  for (let part = 0; part < facts.length; part++) {
    if (((facts[part] as number) & FILLED) === 0) continue;
    const at = part << 2;
    const [kind = 0, a = 0, b = 0] = [rows[at], rows[at + 1], rows[at + 2]];
    if (kind === KIND.bytes) {
      options[part] = 1;
      firsts[part] = a << 3;
    } else if (kind === KIND.sequence && rows[a << 2] === KIND.bytes) {
      options[part] = 1;
      firsts[part] = firsts[a] as number;
    } else if (kind === KIND.choice && options[a] === 1 && (options[b] as number) > 0
      && (options[b] as number) < OPTIONS_MAX && areApart(setOf(a), setOf(b))) {
      options[part] = (options[b] as number) + 1;
      firsts[part] = sets.length << 3;
      sets.push(joined(setOf(a), setOf(b)));
    }
    if (options[part] !== 0) facts[part] = (facts[part] as number) | HEAD;
  }
  return firsts;
}

/** Whether no byte is in both sets. */
function areApart(a: Uint32Array, b: Uint32Array): boolean {
  for (let i = 0; i < 8; i++) if (((a[i] as number) & (b[i] as number)) !== 0) return false;
  return true;
}

function joined(a: Uint32Array, b: Uint32Array): Uint32Array {
  const all = a.slice();
  for (let i = 0; i < 8; i++) all[i] = (all[i] as number) | (b[i] as number);
  return all;
}

/** Adds the bytes that such a part can begin with to eight words. */
export function addFirst({ sets, firsts }: Heads, part: number, all: Uint32Array): void {
  const set = firsts[part] as number;
  for (let i = 0; i < 8; i++) all[i] = (all[i] as number) | (sets[set + i] as number);
}

/** The only byte that such a part can begin with, or -1. */
export function onlyFirst({ only, firsts }: Heads, part: number): number {
  return only[(firsts[part] as number) >> 3] as number;
}

/** What comes behind a byte in such a part; -1 if the byte does not begin it. */
export function restBehind({ rows, sets, firsts }: Heads, part: number, byte: number): number {
  const word = byte >> 5;
  for (;;) {
    const isChoice = rows[part << 2] === KIND.choice;
    const option = isChoice ? rows[(part << 2) + 1] as number : part;
    if (((sets[(firsts[option] as number) + word] as number) >>> (byte & 31) & 1) === 1) {
      return rows[option << 2] === KIND.bytes ? EMPTY : rows[(option << 2) + 2] as number;
    }
    if (!isChoice) return -1;
    part = rows[(part << 2) + 2] as number;
  }
}

/** Adds the bytes that such a part spells out, until there are `most`; what comes behind them. */
export function spell(heads: Heads, part: number, bytes: number[], most: number): number {
  const { rows, facts } = heads;
  while (bytes.length < most && ((facts[part] as number) & HEAD) !== 0) {
    const byte = onlyFirst(heads, part);
    if (byte < 0) break;
    bytes.push(byte);
    if (rows[part << 2] === KIND.bytes) return EMPTY;
    part = rows[(part << 2) + 2] as number;
  }
  return part;
}
