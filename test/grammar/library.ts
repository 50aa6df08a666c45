// A slow, obvious reader and writer of grammars: which texts one matches, by trying every way from
// every place, and random texts out of it. Knows nothing of automata.

import type { Grammar, Node } from "../../host/grammar/syntax";

/** Random numbers from 0 up to 1, the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Whether a grammar matches a whole text. Left recursion never ends. */
export function matches(grammar: Grammar, text: string | Uint8Array): boolean {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  return new Reader(grammar, bytes).ends(grammar.rules[0] as Node, 0).has(bytes.length);
}

class Reader {
  readonly #known = new Map<string, Set<number>>();

  constructor(readonly grammar: Grammar, readonly bytes: Uint8Array) {}

  /** Where what the node matches from `at` on may end. */
  ends(node: Node, at: number): Set<number> {
    switch (node.kind) {
      case "bytes": {
        const byte = this.bytes[at];
        const isIn = byte !== undefined && isMember(node.set, byte);
        return new Set(isIn ? [at + 1] : []);
      }
      case "sequence":
        return node.parts.reduce((starts, part) => this.#from(part, starts), new Set([at]));
      case "choice":
        return new Set(node.options.flatMap((option) => [...this.ends(option, at)]));
      case "rule": {
        const key = `${node.index} ${at}`;
        const known = this.#known.get(key);
        if (known) return known;
        const ends = this.ends(this.grammar.rules[node.index] as Node, at);
        this.#known.set(key, ends);
        return ends;
      }
      case "repeat": {
        let starts = new Set([at]);
        for (let i = 0; i < node.least && i <= this.bytes.length; i++) {
          starts = this.#from(node.part, starts);
        }
        const all = new Set(starts);
        for (let i = node.least; i < node.most && starts.size > 0; i++) {
          starts = new Set([...this.#from(node.part, starts)].filter((end) => !all.has(end)));
          starts.forEach((end) => all.add(end));
        }
        return all;
      }
    }
  }

  #from(part: Node, starts: Set<number>): Set<number> {
    return new Set([...starts].flatMap((start) => [...this.ends(part, start)]));
  }
}

export function isMember(set: Uint32Array, byte: number): boolean {
  return (((set[byte >> 5] ?? 0) >> (byte & 31)) & 1) === 1;
}

/** A random text of a grammar, or undefined when the dice led nowhere or too deep. */
export function sampled(grammar: Grammar, random: () => number): string | undefined {
  const bytes: number[] = [];
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  let steps = 0;
  const write = (node: Node): boolean => {
    if (steps++ > 2000) return false;
    switch (node.kind) {
      case "bytes": {
        const members = Array.from({ length: 256 }, (_, byte) => byte)
          .filter((byte) => isMember(node.set, byte));
        if (members.length > 0) bytes.push(pick(members));
        return members.length > 0;
      }
      case "sequence":
        return node.parts.every(write);
      case "choice":
        return node.options.length > 0 && write(pick(node.options));
      case "rule":
        return write(grammar.rules[node.index] as Node);
      case "repeat": {
        const times = node.least + Math.floor(random() * (Math.min(node.most - node.least, 3) + 1));
        return Array.from({ length: times }).every(() => write(node.part));
      }
    }
  };
  if (!write(grammar.rules[0] as Node)) return undefined;
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
}
