// Regular languages over characters, as nodes whose leaves stand for sets of them: how long their
// texts are, and how they are spelled. Knows nothing of JSON, bytes or automata.

import type { Points } from "../points";
import type { Node } from "../syntax";

/** Texts, as a node whose leaves stand for sets of characters. */
export interface Language {
  readonly node: Node;
  readonly leaves: ReadonlyMap<Node, Points>;
}

/** Makes a language: `build` gets what to write for a set of characters. */
export function languageOf(build: (spell: (points: Points) => Node) => Node): Language {
  const leaves = new Map<Node, Points>();
  const known = new Map<string, Node>();
  const node = build((points) => {
    const key = points.join(";");
    let leaf = known.get(key);
    if (!leaf) {
      leaf = { kind: "bytes", set: new Uint32Array(8) };
      known.set(key, leaf);
      leaves.set(leaf, points);
    }
    return leaf;
  });
  return { node, leaves };
}

/** The language of some texts. */
export function textsLanguage(texts: readonly string[]): Language {
  return languageOf((spell) => ({ kind: "choice", options: texts.map((text) => ({
    kind: "sequence" as const,
    parts: Array.from(text, (character) => {
      const point = character.codePointAt(0) as number;
      return spell([[point, point]]);
    }),
  })) }));
}

/** The lengths of a language's texts: none is shorter or longer. */
export function lengthsOf(node: Node): readonly [least: number, most: number] {
  switch (node.kind) {
    case "bytes": return [1, 1];
    case "sequence": {
      const lengths = node.parts.map(lengthsOf);
      return [lengths.reduce((sum, [least]) => sum + least, 0),
        lengths.reduce((sum, [, most]) => sum + most, 0)];
    }
    case "choice": {
      const lengths = node.options.map(lengthsOf);
      return [Math.min(...lengths.map(([least]) => least)),
        Math.max(...lengths.map(([, most]) => most))];
    }
    case "repeat": {
      const [least, most] = lengthsOf(node.part);
      // Of nothing, even without end, is nothing.
      return [least * node.least, most === 0 ? 0 : most * node.most];
    }
    case "rule": throw new Error("a regular language has no rules");
  }
}

/** How many states a language has, written out; repetition without end counts once. */
export function sizeOf(node: Node): number {
  switch (node.kind) {
    case "sequence": return node.parts.reduce((sum, part) => sum + sizeOf(part), 0);
    case "choice": return node.options.reduce((sum, option) => sum + sizeOf(option), 1);
    case "repeat": {
      return sizeOf(node.part) * (node.most === Infinity ? node.least + 1 : node.most) + 1;
    }
    default: return 1;
  }
}

/** A language whose parts are repeated at most so many times, or as often as they have to be. */
export function capped(node: Node, times: number): Node {
  switch (node.kind) {
    case "sequence": return { ...node, parts: node.parts.map((part) => capped(part, times)) };
    case "choice": return { ...node, options: node.options.map((it) => capped(it, times)) };
    case "repeat": return { ...node, part: capped(node.part, times),
      most: Math.min(node.most, Math.max(node.least, times)) };
    default: return node;
  }
}

/** A language with its leaves in another spelling. */
export function spelled({ node, leaves }: Language, spell: (points: Points) => Node): Node {
  const write = (part: Node): Node => {
    switch (part.kind) {
      case "sequence": return { ...part, parts: part.parts.map(write) };
      case "choice": return { ...part, options: part.options.map(write) };
      case "repeat": return { ...part, part: write(part.part) };
      case "bytes": return spell(leaves.get(part) as Points);
      case "rule": return part;
    }
  };
  return write(node);
}
