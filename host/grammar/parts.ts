// A grammar as flat rows: every sequence and choice of two, every loop of one kind, equal parts
// kept once. Whatever comes later walks numbers, not a tree, which may be as deep as it likes.
// Knows nothing of texts or automata.
//
//   |kind|a|b|c|
//   BYTES     a = number of its set
//   SEQUENCE  a, then b              CHOICE  a or b
//   LOOP      a from b to c times    RULE    what rule a matches
//   NONEMPTY  what a matches, but the empty string

import { NibbleError } from "../errors";
import { ENDLESS } from "./cells";
import { Records, stirred } from "./records";
import type { ByteSet, Grammar, Node } from "./syntax";

export const KIND = {
  empty: 0, nothing: 1, bytes: 2, sequence: 3, choice: 4, loop: 5, rule: 6, nonempty: 7,
} as const;

/** The rows of the empty string and of no string at all. */
export const EMPTY = 0;
export const NOTHING = 1;

/** Parts of a grammar, as rows, at most: they take some 100 bytes each while it is compiled. */
const PARTS_MAX = 250_000;
/** Options of a choice that are told apart by their first bytes, at most (heads.ts). */
export const OPTIONS_MAX = 16;
/** Nodes that a grammar may be given as; equal ones become one part. */
const NODES_MAX = 2 * PARTS_MAX;
/** The row of a node whose own is not known yet. */
const OPEN = -1;

/** GRAMMAR_TOO_COMPLEX, in words. */
export function tooComplex(what: string): NibbleError {
  return new NibbleError("GRAMMAR_TOO_COMPLEX",
    `The grammar of the answer is too complex: ${what}; make it simpler or less ambiguous.`);
}

function tooManyParts(): NibbleError {
  return tooComplex(`it has more than ${PARTS_MAX} parts`);
}

function badGrammar(what: string): NibbleError {
  return new NibbleError("BAD_GRAMMAR", `The grammar of the answer is broken: ${what}.`);
}

export class Parts {
  readonly records = new Records();
  /** The part of each rule. */
  readonly rules: number[] = [];
  /** Eight words each. */
  readonly sets: Uint32Array[] = [];
  /** By the hash of their words. */
  readonly #setNumbers = new Map<number, number[]>();
  #hasCalls = false;

  /** Throws BAD_GRAMMAR, GRAMMAR_TOO_COMPLEX. */
  constructor(grammar: Grammar) {
    this.#row(KIND.empty, 0, 0, 0);
    this.#row(KIND.nothing, 0, 0, 0);
    if (grammar.rules.length === 0) throw badGrammar("it has no rules");
    const known = new Map<Node, number>();
    for (const rule of grammar.rules) this.rules.push(this.#flatten(rule, known, grammar));
  }

  /** Whether any rule is called, so that it may be by itself. */
  get hasCalls(): boolean {
    return this.#hasCalls;
  }

  kindOf(part: number): number {
    return this.records.rows[part << 2] as number;
  }

  /** The first number of a part. */
  a(part: number): number {
    return this.records.rows[(part << 2) + 1] as number;
  }

  b(part: number): number {
    return this.records.rows[(part << 2) + 2] as number;
  }

  c(part: number): number {
    return this.records.rows[(part << 2) + 3] as number;
  }

  bytes(set: ByteSet): number {
    if (set.length !== 8) throw badGrammar("a set of bytes has eight words");
    let hash = 0;
    let all = 0;
    for (let i = 0; i < 8; i++) {
      const word = set[i] as number;
      hash = stirred(hash, word);
      all |= word;
    }
    if (all === 0) return NOTHING;
    const alike = this.#setNumbers.get(hash) ?? [];
    let number = alike.find((it) => isSame(this.sets[it] as Uint32Array, set));
    if (number === undefined) {
      number = this.sets.push(set.slice()) - 1;
      this.#setNumbers.set(hash, [...alike, number]);
    }
    return this.#row(KIND.bytes, number, 0, 0);
  }

  sequence(first: number, then: number): number {
    if (first === NOTHING || then === NOTHING) return NOTHING;
    if (first === EMPTY) return then;
    return then === EMPTY ? first : this.#row(KIND.sequence, first, then, 0);
  }

  choice(one: number, other: number): number {
    if (one === NOTHING || one === other) return other;
    if (other === NOTHING) return one;
    if (this.kindOf(one) === KIND.bytes && this.kindOf(other) === KIND.bytes) {
      const set = this.sets[this.a(one)] as Uint32Array;
      const more = this.sets[this.a(other)] as Uint32Array;
      return this.bytes(set.map((word, i) => word | (more[i] as number)));
    }
    return this.#row(KIND.choice, one, other, 0);
  }

  /** A part from `least` to `most` times; ENDLESS and more are without end. */
  loop(part: number, least: number, most: number): number {
    if (most === 0 || part === EMPTY) return EMPTY;
    if (part === NOTHING) return least === 0 ? EMPTY : NOTHING;
    if (least === 1 && most === 1) return part;
    const isEndless = most >= ENDLESS;
    // Any number of any number is any number.
    if (least === 0 && isEndless && this.kindOf(part) === KIND.loop && this.b(part) === 0
      && this.c(part) === ENDLESS) return part;
    return this.#row(KIND.loop, part, Math.min(least, ENDLESS), isEndless ? ENDLESS : most);
  }

  rule(index: number): number {
    this.#hasCalls = true;
    return this.#row(KIND.rule, index, 0, 0);
  }

  nonempty(part: number): number {
    return this.#row(KIND.nonempty, part, 0, 0);
  }

  #row(kind: number, a: number, b: number, c: number): number {
    const row = this.records.intern(kind, a, b, c);
    if (row >= PARTS_MAX) throw tooManyParts();
    return row;
  }

  /** A tree into rows, children first, without recursion. */
  #flatten(root: Node, known: Map<Node, number>, grammar: Grammar): number {
    // The way from the root to the node in hand, and the next child of each.
    const open: Node[] = [];
    const next: number[] = [];
    const enter = (node: Node): void => {
      known.set(node, OPEN);
      if (known.size > NODES_MAX) throw tooManyParts();
      open.push(node);
      next.push(0);
    };
    if (!known.has(root)) enter(root);
    while (open.length > 0) {
      const node = open[open.length - 1] as Node;
      const child = childOf(node, next[next.length - 1] as number);
      if (child === undefined) {
        open.pop();
        next.pop();
        known.set(node, this.#joined(node, known, grammar));
        continue;
      }
      next[next.length - 1] = (next[next.length - 1] as number) + 1;
      const row = known.get(child);
      if (row === OPEN) throw badGrammar("a part contains itself; only rules may");
      if (row === undefined) enter(child);
    }
    return known.get(root) as number;
  }

  /** A node whose children have rows. */
  #joined(node: Node, known: ReadonlyMap<Node, number>, grammar: Grammar): number {
    const rowOf = (child: Node): number => known.get(child) as number;
    switch (node.kind) {
      case "bytes": return this.bytes(node.set);
      case "sequence":
        return node.parts.reduceRight((rest, part) => this.sequence(rowOf(part), rest), EMPTY);
      case "choice": return this.#oneOf(node.options.map(rowOf));
      case "repeat": return this.#repeat(rowOf(node.part), node.least, node.most);
      case "rule": {
        const { index } = node;
        if (!(Number.isInteger(index) && index >= 0 && index < grammar.rules.length)) {
          throw badGrammar(`there is no rule ${index}`);
        }
        return this.rule(index);
      }
    }
  }

  /** Single bytes together first: they are one set. */
  #oneOf(rows: readonly number[]): number {
    const isByte = (row: number): boolean => this.kindOf(row) === KIND.bytes;
    const options = rows.flatMap((row) => this.#optionsOf(row));
    const one = options.filter(isByte).reduce((all, row) => this.choice(all, row), NOTHING);
    const others = [...new Set(options.filter((row) => !isByte(row)))];
    return others.reduceRight((rest, row) => this.choice(row, rest), one);
  }

  /** The options of a choice of a few, so that a choice of choices is one; else the part itself. */
  #optionsOf(row: number): number[] {
    const options: number[] = [];
    let left = row;
    for (; this.kindOf(left) === KIND.choice; left = this.b(left)) {
      if (options.push(this.a(left)) === OPTIONS_MAX) return [row];
    }
    return [...options, left];
  }

  #repeat(part: number, least: number, most: number): number {
    const isCount = (count: number): boolean => (
      count === Infinity || (Number.isInteger(count) && count >= 0));
    if (!isCount(least) || !isCount(most) || least === Infinity) {
      throw badGrammar(`something is repeated ${least} to ${most} times`);
    }
    return least > most ? NOTHING : this.loop(part, least, most);
  }
}

/** The child of a node at an index; undefined behind the last. */
function childOf(node: Node, index: number): Node | undefined {
  switch (node.kind) {
    case "sequence": return node.parts[index];
    case "choice": return node.options[index];
    case "repeat": return index === 0 ? node.part : undefined;
    default: return undefined;
  }
}

function isSame(a: ByteSet, b: ByteSet): boolean {
  for (let i = 0; i < 8; i++) if (a[i] !== b[i]) return false;
  return true;
}
