// A list of texts, one of which is the answer, as a grammar: a tree in which common beginnings are
// one path, so that whatever has no alternative is forced. Knows nothing of models.

import { NibbleError } from "../errors";
import { bytes, choice, EMPTY, NOTHING, rule, type Grammar, type Node } from "./syntax";

/** Lists of places or products have thousands; more are a matter of searching, not of writing. */
const CHOICES_MAX = 16384;
/** Of all texts together: what can be run has twice as many parts, for bytes and for partings. */
const BYTES_MAX = 2 ** 17;

/**
 * The grammar of a list of texts. A text that is there twice is there once. Throws BAD_CHOICES: for
 * no list, an empty or too long one, and for what is no text, empty, or not spelled in UTF-8.
 */
export function choicesGrammar(choices: readonly string[]): Grammar {
  if (!Array.isArray(choices) || choices.length === 0 || choices.length > CHOICES_MAX) {
    throw bad(`takes a list of 1 to ${CHOICES_MAX} texts`);
  }
  const encoder = new TextEncoder();
  let total = 0;
  // A copy, because holes are passed over by map.
  const texts = [...choices].map((text: unknown) => {
    if (typeof text !== "string" || text === "" || /\p{Surrogate}/u.test(text)) {
      throw bad("takes texts of at least one character, without half surrogate pairs");
    }
    total += text.length;
    if (total > BYTES_MAX) throw bad(`takes at most ${BYTES_MAX} bytes of text in all`);
    return encoder.encode(text);
  });
  if (texts.reduce((sum, { length }) => sum + length, 0) > BYTES_MAX) {
    throw bad(`takes at most ${BYTES_MAX} bytes of text in all`);
  }
  return { rules: new Tree(unique(texts)).rules };
}

/** A branch of so many partings becomes a rule: those who read nodes call themselves once each. */
const LEVELS_MAX = 64;

class Tree {
  readonly rules: Node[] = [];
  readonly #singles = Array.from({ length: 256 }, (_, byte) => bytes([byte, byte]));

  /** `texts` in the order of their bytes, with no two the same. */
  constructor(texts: readonly Uint8Array[]) {
    this.rules.push(NOTHING); // the place of rule 0
    this.rules[0] = this.#branch(texts, 0, 1);
  }

  /** What may follow the first `depth` bytes, which are the same in all of some texts. */
  #branch(texts: readonly Uint8Array[], depth: number, level: number): Node {
    const first = texts[0] as Uint8Array;
    const last = texts[texts.length - 1] as Uint8Array;
    const parts: Node[] = [];
    let at = depth;
    // In this order all texts between two share what these two share.
    while (at < first.length && first[at] === last[at]) {
      parts.push(this.#singles[first[at++] as number] as Node);
    }
    const options: Node[] = first.length === at ? [EMPTY] : [];
    for (let from = options.length, next = from; from < texts.length; from = next) {
      const byte = texts[from]?.[at];
      while (next < texts.length && texts[next]?.[at] === byte) next++;
      options.push(this.#branch(texts.slice(from, next), at, level + 1));
    }
    if (texts.length > 1) parts.push(choice(...options));
    const node: Node = { kind: "sequence", parts };
    if (level % LEVELS_MAX !== 0) return node;
    return rule(this.rules.push(node) - 1);
  }
}

/** In the order of their bytes, each once. */
function unique(texts: readonly Uint8Array[]): Uint8Array[] {
  const sorted = [...texts].sort(compare);
  return sorted.filter((text, i) => i === 0 || compare(sorted[i - 1] as Uint8Array, text) !== 0);
}

function compare(a: Uint8Array, b: Uint8Array): number {
  const differs = a.findIndex((byte, i) => byte !== b[i]);
  if (differs < 0) return a.length - b.length;
  return (a[differs] as number) - (b[differs] ?? -1);
}

function bad(what: string): NibbleError {
  return new NibbleError("BAD_CHOICES", `Option choices ${what}.`);
}
