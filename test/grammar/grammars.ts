// Grammars for tests: random small ones, and a recogniser that knows only what the syntax says. It
// asks of every part which stretches of a text it matches, and grows the answer until nothing
// changes. Does not know: how the product runs grammars.

import {
  bytes, choice, repeat, rule, sequence, type Grammar, type Node,
} from "../../host/grammar/syntax";
import type { Random } from "../kernels";

/** The stretches [from, to] of a text that each part matches, as numbers from * size + to. */
export class Recogniser {
  readonly #nodes: Node[] = [];

  constructor(readonly grammar: Grammar) {
    const visit = (node: Node): void => {
      if (this.#nodes.includes(node)) return;
      this.#nodes.push(node);
      if (node.kind === "sequence") node.parts.forEach(visit);
      if (node.kind === "choice") node.options.forEach(visit);
      if (node.kind === "repeat") visit(node.part);
    };
    grammar.rules.forEach(visit);
  }

  matches(text: readonly number[]): boolean {
    const size = text.length + 1;
    const found = new Map<Node, Set<number>>(this.#nodes.map((node) => [node, new Set()]));
    const of = (node: Node): Set<number> => found.get(node) as Set<number>;
    const all = Array.from({ length: size }, (_, at) => at * size + at);
    /** One stretch behind another. */
    const joined = (one: Set<number>, other: Set<number>): Set<number> => {
      const result = new Set<number>();
      for (const a of one) {
        for (const b of other) {
          if (a % size === Math.floor(b / size)) result.add(a - (a % size) + (b % size));
        }
      }
      return result;
    };
    const stretches = (node: Node): Set<number> => {
      switch (node.kind) {
        case "bytes": return new Set(text.flatMap((byte, at) => {
          const isIn = (((node.set[byte >> 5] as number) >>> (byte & 31)) & 1) === 1;
          return isIn ? [at * size + at + 1] : [];
        }));
        case "sequence":
          return node.parts.reduce((past, part) => joined(past, of(part)), new Set(all));
        case "choice": return new Set(node.options.flatMap((option) => [...of(option)]));
        case "rule": return of(this.grammar.rules[node.index] as Node);
        case "repeat": {
          const result = new Set<number>();
          let past = new Set(all);
          // Behind so many rounds every stretch has been found, or only the empty ones go on.
          const last = Math.min(node.most, Math.max(node.least, 0) + size + 1);
          for (let round = 0; round <= last; round++) {
            if (round >= node.least) past.forEach((stretch) => result.add(stretch));
            past = joined(past, of(node.part));
          }
          return result;
        }
      }
    };
    for (let changes = true; changes;) {
      changes = false;
      for (const node of this.#nodes) {
        const now = stretches(node);
        if (now.size === of(node).size) continue;
        found.set(node, now);
        changes = true;
      }
    }
    return of(this.grammar.rules[0] as Node).has(size - 1);
  }
}

const A = 0x61;

/** Of up to four rules over the bytes a, b and c; with every kind of part. */
export function randomGrammar(random: Random, rules = random.whole(1, 4)): Grammar {
  const part = (depth: number): Node => {
    const kind = random.whole(0, depth === 0 ? 3 : 9);
    const some = (): Node[] => (
      Array.from({ length: random.whole(0, 3) }, () => part(depth - 1)));
    if (kind <= 1) return bytes([A + random.whole(0, 2), A + random.whole(0, 2)]);
    if (kind <= 3) return rule(random.whole(0, rules - 1));
    if (kind <= 5) return sequence(...some());
    if (kind <= 7) return choice(...some());
    const least = random.whole(0, 3);
    const most = [least, least + random.whole(0, 3), Infinity][random.whole(0, 2)] as number;
    return repeat(part(depth - 1), least, most);
  };
  return { rules: Array.from({ length: rules }, () => part(3)) };
}

/** All texts over a, b and c of up to so many bytes, the shorter ones first. */
export function allTexts(most: number): number[][] {
  const texts: number[][] = [[]];
  for (let at = 0; (texts[at] as number[]).length < most; at++) {
    for (const byte of [A, A + 1, A + 2]) texts.push([...texts[at] as number[], byte]);
  }
  return texts;
}
