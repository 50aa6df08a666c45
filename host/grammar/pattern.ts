// A regular expression as a tree over sets of characters. The language is a part of ECMAScript's
// with the flag u: everything that describes a regular language and needs no table of Unicode.
//
//   a  \n \t \r \v \f \0  \cA  \x41  \u0041  \u{1f600}  \. (punctuation)     characters
//   .  \d \D \w \W \s \S  [a-z_]  [^...]  \p{Any} \p{ASCII} \p{ASCII_Hex_Digit}  sets of them
//   (...)  (?:...)  (?<name>...)  a|b                                        groups
//   ?  *  +  {3}  {3,}  {3,5}, all also with ? behind                        repetition
//   ^  $                                                                     the ends of the text
//
// Which of several ways to match comes first has no meaning here, so greedy and lazy are the same.
// Knows nothing of bytes.

import { NibbleError } from "../errors";
import { ALL, POINT_MAX, pointsIn, pointsOutside, type Points, type Range } from "./points";

export type Pattern =
  /** One character of a set. */
  | { readonly kind: "characters"; readonly points: Points }
  | { readonly kind: "sequence"; readonly parts: readonly Pattern[] }
  /** One of the options; there is at least one. */
  | { readonly kind: "choice"; readonly options: readonly Pattern[] }
  /** `most` may be Infinity. */
  | { readonly kind: "repeat"; readonly part: Pattern; readonly least: number;
    readonly most: number }
  /** Where the text begins or ends. Stands only where nothing can come before it, or after. */
  | { readonly kind: "begin" | "end" };

/** Twice the longest that lists all common Chinese characters; some tenths of a second. */
const CHARACTERS_MAX = 2 ** 14;
/** Those who read the tree call themselves once a level. */
const NESTED_MAX = 200;
/** Far above any context, and far below where counting loses digits. */
const TIMES_MAX = 1e6;

const DIGITS: Points = [[0x30, 0x39]];
const WORD: Points = [[0x30, 0x39], [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]];
/** ECMAScript's WhiteSpace and LineTerminator; the same in every edition since 2016. */
const SPACES: Points = [[9, 13], [0x20, 0x20], [0xa0, 0xa0], [0x1680, 0x1680], [0x2000, 0x200a],
  [0x2028, 0x2029], [0x202f, 0x202f], [0x205f, 0x205f], [0x3000, 0x3000], [0xfeff, 0xfeff]];
const LINE_ENDS: Points = [[10, 10], [13, 13], [0x2028, 0x2029]];
const SETS: Readonly<Record<string, Points>> = {
  d: DIGITS, D: pointsOutside(DIGITS), w: WORD, W: pointsOutside(WORD), s: SPACES,
  S: pointsOutside(SPACES),
};
/** The properties that no edition of Unicode can change. */
const PROPERTIES: Readonly<Record<string, Points>> = {
  Any: ALL, ASCII: [[0, 0x7f]], ASCII_Hex_Digit: [[0x30, 0x39], [0x41, 0x46], [0x61, 0x66]],
};
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13 };
const PUNCTUATION = /^[!-/:-@[-`{-~]$/;

/** Parses a regular expression. Throws BAD_REGEX. */
export function parsePattern(source: string): Pattern {
  if (source.length > CHARACTERS_MAX) {
    throw new NibbleError("BAD_REGEX", `The regular expression has ${source.length} characters; `
      + `it may have at most ${CHARACTERS_MAX}.`);
  }
  const parser = new Parser(source);
  const pattern = parser.options(0);
  if (!parser.isAtEnd) parser.refuse("has a ) that closes nothing; write \\) for the character");
  checkEnds(pattern, true, true);
  return pattern;
}

/** `^` and `$` with where they stand, which only the parser and its last check need. */
type End = Extract<Pattern, { kind: "begin" | "end" }> & { readonly at: number };

class Parser {
  readonly #characters: readonly string[];
  readonly #names = new Set<string>();
  #at = 0;

  constructor(source: string) {
    this.#characters = Array.from(source);
  }

  get isAtEnd(): boolean {
    return this.#at === this.#characters.length;
  }

  refuse(what: string, at = this.#at): never {
    throw bad(what, at);
  }

  /** `a|b|c`, up to a `)` or the end. */
  options(depth: number): Pattern {
    if (depth > NESTED_MAX) this.refuse(`has more than ${NESTED_MAX} groups inside each other`);
    const options = [this.#sequence(depth)];
    while (this.#takes("|")) options.push(this.#sequence(depth));
    return options.length === 1 ? options[0] as Pattern : { kind: "choice", options };
  }

  #sequence(depth: number): Pattern {
    const parts: Pattern[] = [];
    while (!this.isAtEnd && this.#next !== "|" && this.#next !== ")") {
      parts.push(this.#repeated(this.#atom(depth)));
    }
    return parts.length === 1 ? parts[0] as Pattern : { kind: "sequence", parts };
  }

  #repeated(part: Pattern): Pattern {
    const at = this.#at;
    const times = this.#times();
    if (!times) return part;
    const [least, most] = times;
    if (part.kind === "begin" || part.kind === "end") {
      this.refuse("repeats an end of the text", at);
    }
    if (least > most) this.refuse(`counts from ${least} down to ${most}`, at);
    this.#takes("?");
    if (this.#next !== undefined && "?*+{".includes(this.#next)) {
      this.refuse("repeats what is repeated already; put it in a group");
    }
    return { kind: "repeat", part, least, most };
  }

  #times(): readonly [least: number, most: number] | undefined {
    if (this.#takes("?")) return [0, 1];
    if (this.#takes("*")) return [0, Infinity];
    if (this.#takes("+")) return [1, Infinity];
    if (this.#next !== "{") return undefined;
    const found = /^\{(\d+)(,(\d*))?\}/.exec(this.#ahead(CHARACTERS_MAX));
    if (!found) this.refuse("has a { that begins no count such as {2} or {1,3}; write \\{");
    const [whole, least = "", behind, most] = found;
    for (const digits of [least, most ?? ""]) {
      if (Number(digits) <= TIMES_MAX) continue;
      this.refuse(`asks for more than the ${TIMES_MAX} rounds that are counted; leave the upper `
        + "bound out, as in {2,}, or count less");
    }
    this.#at += whole.length;
    if (behind === undefined) return [Number(least), Number(least)];
    return [Number(least), most ? Number(most) : Infinity];
  }

  #atom(depth: number): Pattern {
    const at = this.#at;
    const character = this.#take();
    switch (character) {
      case "(": return this.#group(depth, at);
      case "[": return set(this.#class(at));
      case ".": return set(pointsOutside(LINE_ENDS));
      case "^":
      case "$": {
        const end: End = { kind: character === "^" ? "begin" : "end", at };
        return end;
      }
      case "\\": return this.#spelled(this.#escape(at, false), at);
      case "*":
      case "+":
      case "?": return this.refuse(`has a ${character} with nothing to repeat`, at);
      case "{":
      case "}":
      case "]": return this.refuse(`has a ${character} of its own; write \\${character}`, at);
      default: return this.#spelled(one(character.codePointAt(0) as number), at);
    }
  }

  /** A set, unless nothing of it can be spelled in UTF-8; a class may well say so. */
  #spelled(points: Points, at: number): Pattern {
    if (points.length > 0 && points.every(([first, last]) => first >= 0xd800 && last <= 0xdfff)) {
      this.refuse("asks for half a surrogate pair, which no text in UTF-8 has; write the whole "
        + "character, or its number as in \\u{1f600}", at);
    }
    return set(points);
  }

  #group(depth: number, at: number): Pattern {
    if (this.#takes("?")) this.#kind(at);
    const inner = this.options(depth + 1);
    if (!this.#takes(")")) this.refuse("has a ( that is never closed", at);
    // Kept apart from what surrounds it, so that what repeats it repeats all of it.
    return inner;
  }

  /** What stands behind `(?`. */
  #kind(at: number): void {
    if (this.#takes(":")) return;
    const lookaround = /^<?[=!]/.exec(this.#ahead(2));
    if (lookaround) this.refuse("looks ahead or behind, which is not supported", at);
    const name = /^<([\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]{0,99})>/u.exec(
      this.#ahead(110))?.[1];
    if (name === undefined) {
      this.refuse("has a group of a kind that is not supported; write (?:...) or (...)", at);
    }
    if (this.#names.has(name)) this.refuse("has two groups of one name", at);
    this.#names.add(name);
    this.#at += Array.from(name).length + 2;
  }

  #class(at: number): Points {
    const isNegated = this.#takes("^");
    const ranges: Range[] = [];
    while (!this.#takes("]")) {
      if (this.isAtEnd) this.refuse("has a [ that is never closed", at);
      const from = this.#at;
      const first = this.#member();
      if (this.#next !== "-" || this.#characters[this.#at + 1] === "]") {
        ranges.push(...first);
        continue;
      }
      this.#at++;
      if (this.isAtEnd) this.refuse("has a [ that is never closed", at);
      const last = this.#member();
      const [low, high] = [single(first), single(last)];
      if (low === undefined || high === undefined) {
        this.refuse("has a range with a whole set at an end; write \\- for the character", from);
      }
      if (low > high) this.refuse("has a range that runs backwards", from);
      ranges.push([low, high]);
    }
    const points = pointsIn(ranges);
    return isNegated ? pointsOutside(points) : points;
  }

  #member(): Points {
    const at = this.#at;
    const character = this.#take();
    return character === "\\" ? this.#escape(at, true) : one(character.codePointAt(0) as number);
  }

  /** What stands behind a backslash. */
  #escape(at: number, isInClass: boolean): Points {
    if (this.isAtEnd) this.refuse("ends with a \\", at);
    const letter = this.#take();
    const points = SETS[letter];
    if (points) return points;
    const control = CONTROLS[letter];
    if (control !== undefined) return one(control);
    if (PUNCTUATION.test(letter)) return one(letter.codePointAt(0) as number);
    switch (letter) {
      case "b":
        if (isInClass) return one(8);
        return this.refuse("has a word boundary \\b, which is not supported", at);
      case "B": return this.refuse("has a word boundary \\B, which is not supported", at);
      case "c": return one(this.#digits(/^[A-Za-z]/, at).charCodeAt(0) % 32);
      case "x": return one(parseInt(this.#digits(/^[0-9a-f]{2}/i, at), 16));
      case "u": return one(this.#unicode(at));
      case "p":
      case "P": return this.#property(letter === "P", at);
      case "0":
        if (!/^\d/.test(this.#next ?? "")) return one(0);
        break;
      case "k": return this.refuse("refers back to a group, which is not supported", at);
    }
    if (/^[1-9]$/.test(letter)) {
      this.refuse("refers back to a group, which is not supported", at);
    }
    return this.refuse(`has an escape \\${letter} that means nothing`, at);
  }

  #unicode(at: number): number {
    if (this.#takes("{")) {
      const point = parseInt(this.#digits(/^0*[0-9a-f]{1,6}(?=\})/i, at), 16);
      this.#at++;
      if (point > POINT_MAX) this.refuse("names a character beyond \\u{10ffff}", at);
      return point;
    }
    const high = parseInt(this.#digits(/^[0-9a-f]{4}/i, at), 16);
    const low = /^\\u(d[c-f][0-9a-f]{2})/i.exec(this.#ahead(6))?.[1];
    if (high < 0xd800 || high > 0xdbff || low === undefined) return high;
    this.#at += 6;
    return 0x10000 + ((high - 0xd800) << 10) + (parseInt(low, 16) - 0xdc00);
  }

  #property(isNegated: boolean, at: number): Points {
    const name = this.#digits(/^\{[^}]{0,64}\}/, at).slice(1, -1);
    const points = Object.hasOwn(PROPERTIES, name) ? PROPERTIES[name] : undefined;
    if (points) return isNegated ? pointsOutside(points) : points;
    return this.refuse(`asks for \\p{${name}}, but of Unicode's properties, which differ between `
      + `hosts, there are only ${Object.keys(PROPERTIES).join(", ")}; list the characters`, at);
  }

  /** Takes what an escape needs behind it. */
  #digits(wanted: RegExp, at: number): string {
    const found = wanted.exec(this.#ahead(80))?.[0];
    if (found === undefined) this.refuse("has an escape that is not finished", at);
    this.#at += Array.from(found).length;
    return found;
  }

  get #next(): string | undefined {
    return this.#characters[this.#at];
  }

  #ahead(count: number): string {
    return this.#characters.slice(this.#at, this.#at + count).join("");
  }

  #take(): string {
    return this.#characters[this.#at++] as string;
  }

  #takes(character: string): boolean {
    if (this.#next !== character) return false;
    this.#at++;
    return true;
  }
}

function set(points: Points): Pattern {
  return { kind: "characters", points };
}

function one(point: number): Points {
  return [[point, point]];
}

/** The only code point of a set, if it has only one. */
function single(points: Points): number | undefined {
  const [range] = points;
  return points.length === 1 && range && range[0] === range[1] ? range[0] : undefined;
}

function bad(what: string, at: number): NibbleError {
  return new NibbleError("BAD_REGEX", `The regular expression ${what} (character ${at + 1}).`);
}

/** Refuses ends of the text in its middle, where they could match only by chance. */
function checkEnds(pattern: Pattern, isFirst: boolean, isLast: boolean): void {
  switch (pattern.kind) {
    case "begin":
    case "end":
      if (pattern.kind === "begin" ? isFirst : isLast) return;
      throw bad(`has a ${pattern.kind === "begin" ? "^" : "$"} where the text cannot `
        + `${pattern.kind}; write it at the ${pattern.kind} of all, or \\ before it`,
      (pattern as End).at);
    case "choice":
      pattern.options.forEach((option) => checkEnds(option, isFirst, isLast));
      break;
    case "sequence": {
      const { parts } = pattern;
      const inner = innerParts(parts);
      parts.forEach((part, i) => {
        checkEnds(part, isFirst && i <= inner[0], isLast && i >= inner[1]);
      });
      break;
    }
    case "repeat":
      checkEnds(pattern.part, false, false);
  }
}

/**
 * Which part of a sequence is the first that is not `^`, and which the last that is not `$`: only
 * they, and what is outside of them, can touch the ends of the text.
 */
export function innerParts(parts: readonly Pattern[]): readonly [first: number, last: number] {
  const first = parts.findIndex(({ kind }) => kind !== "begin");
  const last = parts.findLastIndex(({ kind }) => kind !== "end");
  return [first < 0 ? parts.length : first, last];
}
