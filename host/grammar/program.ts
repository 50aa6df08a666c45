// A grammar made ready to run: its parts without left recursion, their facts, and the bytes that it
// tells apart. Never changes afterwards, so that many automata can share it. Knows nothing of
// states.

import { NibbleError } from "../errors";
import { markHeads } from "./heads";
import { removeLeftRecursion } from "./leftmost";
import { Parts } from "./parts";
import type { Grammar } from "./syntax";

export interface Program {
  /** Rows of parts (parts.ts). */
  readonly rows: Int32Array;
  readonly rules: Int32Array;
  /** Bits of facts.ts and heads.ts. */
  readonly facts: Uint8Array;
  /** Of each part that begins plainly, where the words of the set lie that it begins with. */
  readonly firsts: Int32Array;
  /** Eight words a set. */
  readonly sets: Int32Array;
  /** The one byte of each set, or -1. */
  readonly only: Int16Array;
  /** Bytes that no set tells apart are of one class. */
  readonly classes: Uint8Array;
  readonly classCount: number;
}

/** Memory that a program takes. */
export function sizeOfProgram(program: Program): number {
  const { rows, rules, facts, firsts, sets, only, classes } = program;
  return [rows, rules, facts, firsts, sets, only, classes]
    .reduce((sum, it) => sum + it.byteLength, 0);
}

/** Throws BAD_GRAMMAR, GRAMMAR_EMPTY or GRAMMAR_TOO_COMPLEX. */
export function compile(grammar: Grammar): Program {
  const parts = new Parts(grammar);
  const facts = removeLeftRecursion(parts);
  if (facts[parts.rules[0] as number] === 0) {
    throw new NibbleError("GRAMMAR_EMPTY",
      "No text can match the grammar of the answer; look for parts that contradict each other or "
      + "that never end.");
  }
  // Without the room to grow that they had.
  const rows = parts.records.rows.slice(0, parts.records.count * 4);
  const all = [...parts.sets];
  const firsts = markHeads(rows, all, facts);
  const sets = new Int32Array(all.length * 8);
  all.forEach((set, i) => sets.set(set, i * 8));
  return {
    rows, rules: Int32Array.from(parts.rules), facts, firsts, sets,
    only: Int16Array.from(all, onlyByte),
    ...classesOf(parts.sets),
  };
}

function onlyByte(set: Uint32Array): number {
  const at = set.findIndex((word) => word !== 0);
  const word = set[at] as number;
  const isOne = (word & (word - 1)) === 0 && set.every((other, i) => i === at || other === 0);
  return isOne ? at * 32 + 31 - Math.clz32(word) : -1;
}

/** Splits the bytes by one set after the other. */
function classesOf(sets: readonly Uint32Array[]): { classes: Uint8Array; classCount: number } {
  const classes = new Uint8Array(256);
  let classCount = 1;
  for (const set of sets) {
    if (classCount === 256) break;
    const moved = new Map<number, number>(); // class -> the class of its bytes inside the set
    const inside: number[] = [];
    const stays = new Set<number>();
    for (let byte = 0; byte < 256; byte++) {
      const isIn = (((set[byte >> 5] as number) >>> (byte & 31)) & 1) === 1;
      if (isIn) inside.push(byte);
      else stays.add(classes[byte] as number);
    }
    for (const byte of inside) {
      const old = classes[byte] as number;
      if (!stays.has(old)) continue;
      if (!moved.has(old)) moved.set(old, classCount++);
      classes[byte] = moved.get(old) as number;
    }
  }
  return { classes, classCount };
}
