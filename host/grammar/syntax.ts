// What a text may be: a context-free grammar whose alphabet are bytes. Every way to say the form of
// an answer (JSON schema, regular expression, GBNF, choices) becomes one of these, and the
// automaton runs it. Knows nothing of either.

/** A set of bytes: bit `byte & 31` of word `byte >> 5`. */
export type ByteSet = Readonly<Uint32Array>;

/** A part of a grammar: the byte strings that it matches. */
export type Node =
  /** One byte of a set. */
  | { readonly kind: "bytes"; readonly set: ByteSet }
  /** All parts, in order; none of them match the empty string. */
  | { readonly kind: "sequence"; readonly parts: readonly Node[] }
  /** One of the options; without options nothing matches. */
  | { readonly kind: "choice"; readonly options: readonly Node[] }
  /** `least` to `most` times the part; `most` may be Infinity. */
  | { readonly kind: "repeat"; readonly part: Node; readonly least: number; readonly most: number }
  /** What another rule matches. */
  | { readonly kind: "rule"; readonly index: number };

/** Rule 0 is the whole text. Rules may call each other, and themselves. */
export interface Grammar {
  readonly rules: readonly Node[];
}

/** The empty string. */
export const EMPTY: Node = { kind: "sequence", parts: [] };

/** No string at all. */
export const NOTHING: Node = { kind: "choice", options: [] };

/** One byte out of ranges of bytes, both ends included. */
export function bytes(...ranges: readonly (readonly [first: number, last: number])[]): Node {
  const set = new Uint32Array(8);
  for (const [first, last] of ranges) {
    for (let byte = first; byte <= last; byte++) {
      set[byte >> 5] = (set[byte >> 5] as number) | (1 << (byte & 31));
    }
  }
  return { kind: "bytes", set };
}

/** Each byte alone; texts share these, since a long list of them has more bytes than memory. */
const SINGLE = Array.from({ length: 256 }, (_, byte) => bytes([byte, byte]));

/** This byte. */
export function single(byte: number): Node {
  return SINGLE[byte] as Node;
}

/** Exactly this text, in UTF-8. */
export function literal(text: string): Node {
  const parts = Array.from(new TextEncoder().encode(text), (byte) => SINGLE[byte] as Node);
  return parts.length === 1 ? parts[0] as Node : { kind: "sequence", parts };
}

export function sequence(...parts: readonly Node[]): Node {
  return parts.length === 1 ? parts[0] as Node : { kind: "sequence", parts };
}

export function choice(...options: readonly Node[]): Node {
  return options.length === 1 ? options[0] as Node : { kind: "choice", options };
}

/** More than the bytes that any text has: as good as no limit. */
const COUNT_MAX = 2 ** 30;

/**
 * `least` to `most` times the part. Where the part is a repetition itself and the two are one, with
 * no count left out between, they become one: `(a{1,9}){1,9}` is `a{1,81}`, which an automaton need
 * not tell apart in all the ways there are.
 */
export function repeat(part: Node, least: number, most: number): Node {
  if (part.kind === "repeat" && most > 0 && part.most > 0) {
    const { least: inner, most: outer } = part;
    const isWhole = least === 0 ? inner <= 1 : inner * (least + 1) <= outer * least + 1;
    const product = most * outer;
    if (isWhole && inner * least <= COUNT_MAX) {
      return repeat(part.part, inner * least, product > COUNT_MAX ? Infinity : product);
    }
  }
  return { kind: "repeat", part, least, most };
}

export function optional(part: Node): Node {
  return repeat(part, 0, 1);
}

export function rule(index: number): Node {
  return { kind: "rule", index };
}
