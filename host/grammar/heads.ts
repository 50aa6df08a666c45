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
  readonly sets: Int32Array;
  readonly only: Int16Array;
}

/** Adds HEAD to the facts of parts that begin plainly. Inner parts have smaller numbers. */
export function markHeads(rows: Int32Array, sets: Int32Array, facts: Uint8Array): void {
  const options = new Uint8Array(facts.length);
  for (let part = 0; part < facts.length; part++) {
    if (((facts[part] as number) & FILLED) === 0) continue;
    const at = part << 2;
    const [kind = 0, a = 0, b = 0] = [rows[at], rows[at + 1], rows[at + 2]];
    if (kind === KIND.bytes || (kind === KIND.sequence && rows[a << 2] === KIND.bytes)) {
      options[part] = 1;
    } else if (kind === KIND.choice && options[a] === 1 && (options[b] as number) > 0
      && (options[b] as number) < OPTIONS_MAX && areApart(rows, sets, a, b)) {
      options[part] = (options[b] as number) + 1;
    }
    if (options[part] !== 0) facts[part] = (facts[part] as number) | HEAD;
  }
}

/** Whether no byte begins both an option and one of others. */
function areApart(rows: Int32Array, sets: Int32Array, option: number, others: number): boolean {
  const own = setOf(rows, option);
  for (let left = others; left >= 0; left = othersOf(rows, left)) {
    const set = setOf(rows, optionOf(rows, left));
    for (let word = 0; word < 8; word++) {
      if (((sets[own + word] as number) & (sets[set + word] as number)) !== 0) return false;
    }
  }
  return true;
}

/** Adds the bytes that such a part can begin with to eight words. */
export function addFirst({ rows, sets }: Heads, part: number, all: Uint32Array): void {
  for (let left = part; left >= 0; left = othersOf(rows, left)) {
    const set = setOf(rows, optionOf(rows, left));
    for (let word = 0; word < 8; word++) {
      all[word] = (all[word] as number) | (sets[set + word] as number);
    }
  }
}

/** The only byte that such a part can begin with, or -1. */
export function onlyFirst({ rows, only }: Heads, part: number): number {
  return rows[part << 2] === KIND.choice ? -1 : only[setOf(rows, part) >> 3] as number;
}

/** What comes behind a byte in such a part; -1 if the byte does not begin it. */
export function restBehind({ rows, sets }: Heads, part: number, byte: number): number {
  for (let left = part; left >= 0; left = othersOf(rows, left)) {
    const option = optionOf(rows, left);
    const set = setOf(rows, option);
    if (((sets[set + (byte >> 5)] as number) >>> (byte & 31) & 1) === 0) continue;
    return rows[option << 2] === KIND.bytes ? EMPTY : rows[(option << 2) + 2] as number;
  }
  return -1;
}

/** The first option of a choice; of another part itself. */
function optionOf(rows: Int32Array, part: number): number {
  return rows[part << 2] === KIND.choice ? rows[(part << 2) + 1] as number : part;
}

/** The options behind it, or -1. */
function othersOf(rows: Int32Array, part: number): number {
  return rows[part << 2] === KIND.choice ? rows[(part << 2) + 2] as number : -1;
}

/** Where the words of the set lie that an option begins with. */
function setOf(rows: Int32Array, option: number): number {
  const bytes = rows[option << 2] === KIND.bytes ? option : rows[(option << 2) + 1] as number;
  return (rows[(bytes << 2) + 1] as number) << 3;
}
