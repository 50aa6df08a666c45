// GBNF, llama.cpp's notation for grammars:
//
//   root   ::= "yes" | "no" reason?      # rules; newlines are free behind ::= and | and in ( )
//   reason ::= " because " [^\n]{1,80}
//
// Literals and classes know \n \r \t \\ \" \[ \] \xHH \uHHHH \UHHHHHHHH, and all of them name code
// points; `.` is any character. Repetition: * + ? {3} {3,} {3,5}. What llama.cpp says of single
// tokens (<think>, <[7]>) is refused, since a grammar here is about text. Knows nothing of models.

import { NibbleError } from "../errors";
import { ALL, POINT_MAX, pointsIn, pointsOutside, type Range } from "./points";
import { inUtf8, type Spell } from "./spelling";
import { literal, repeat, rule, type Grammar, type Node } from "./syntax";

/** Nobody writes longer ones by hand, and converters of schemas stay below. */
const CHARACTERS_MAX = 2 ** 16;
/** Those who read the grammar call themselves once a level. */
const NESTED_MAX = 200;
/** Far above any context, and far below where counting loses digits. */
const TIMES_MAX = 1e6;

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n", r: "\r", t: "\t", "\\": "\\", '"': '"', "[": "[", "]": "]",
};
/** How many hexadecimal digits each takes. */
const NUMBERED: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };
const NAME = /[a-zA-Z0-9_-]+/y;

/** Parses a grammar in GBNF. Throws BAD_GRAMMAR. */
export function gbnfGrammar(source: string): Grammar {
  if (source.length > CHARACTERS_MAX) {
    throw new NibbleError("BAD_GRAMMAR", `The grammar has ${source.length} characters; it may have `
      + `at most ${CHARACTERS_MAX}.`);
  }
  return new Parser(source).grammar();
}

interface Rule {
  /** Where it was first named. */
  readonly at: number;
  readonly index: number;
  body: Node | undefined;
}

class Parser {
  readonly #source: string;
  readonly #spell: Spell = inUtf8();
  readonly #rules = new Map<string, Rule>();
  #at = 0;

  constructor(source: string) {
    this.#source = source;
    this.#ruleOf("root", 0); // which makes it rule 0
  }

  grammar(): Grammar {
    this.#skip(true);
    while (!this.#isAtEnd) this.#rule();
    return { rules: Array.from(this.#rules, ([name, { at, body }]) => {
      if (body) return body;
      if (name === "root") {
        throw new NibbleError("BAD_GRAMMAR",
          'The grammar has no rule "root", which says what a whole text is.');
      }
      return this.#refuse(`names the rule ${shown(name)}, which is nowhere defined`, at);
    }) };
  }

  /** `name ::= options`, to the end of its line. */
  #rule(): void {
    const at = this.#at;
    const name = this.#name();
    if (name === undefined) {
      this.#refuse(`has ${this.#found} where a rule's name should begin a line`);
    }
    this.#skip(false);
    if (!this.#source.startsWith("::=", this.#at)) {
      this.#refuse(`has no ::= behind the rule's name ${shown(name)}`);
    }
    this.#at += 3;
    this.#skip(true);
    const own = this.#ruleOf(name, at);
    if (own.body) this.#refuse(`defines the rule ${shown(name)} twice`, at);
    own.body = this.#options(0);
    if (!this.#isAtEnd && this.#next !== "\n" && this.#next !== "\r") {
      this.#refuse(this.#next === ")" ? "has a ) that closes nothing"
        : `has ${this.#found} where the rule ${shown(name)} should go on or its line end`);
    }
    this.#skip(true);
  }

  #ruleOf(name: string, at: number): Rule {
    let found = this.#rules.get(name);
    if (!found) {
      found = { at, index: this.#rules.size, body: undefined };
      this.#rules.set(name, found);
    }
    return found;
  }

  /** `a | b | c`. */
  #options(depth: number): Node {
    const options = [this.#sequence(depth)];
    while (this.#takes("|")) {
      this.#skip(true);
      options.push(this.#sequence(depth));
    }
    return options.length === 1 ? options[0] as Node : { kind: "choice", options };
  }

  #sequence(depth: number): Node {
    const parts: Node[] = [];
    for (let part = this.#atom(depth); part; part = this.#atom(depth)) {
      this.#skip(depth > 0);
      parts.push(this.#repeated(part, depth));
    }
    return parts.length === 1 ? parts[0] as Node : { kind: "sequence", parts };
  }

  #repeated(part: Node, depth: number): Node {
    const at = this.#at;
    const times = this.#times();
    if (!times) return part;
    this.#skip(depth > 0);
    const [least, most] = times;
    if (least > most) this.#refuse(`counts from ${least} down to ${most}`, at);
    if (this.#next !== undefined && "?*+{".includes(this.#next)) {
      this.#refuse("repeats what is repeated already; put it in a group");
    }
    return repeat(part, least, most);
  }

  #times(): readonly [least: number, most: number] | undefined {
    if (this.#takes("?")) return [0, 1];
    if (this.#takes("*")) return [0, Infinity];
    if (this.#takes("+")) return [1, Infinity];
    if (this.#next !== "{") return undefined;
    const count = /\{\s*(\d+)\s*(,\s*(\d*)\s*)?\}/y;
    count.lastIndex = this.#at;
    const found = count.exec(this.#source);
    if (!found) this.#refuse("has a { that begins no count such as {2}, {2,} or {1,3}");
    const [whole, least = "", behind, most] = found;
    for (const digits of [least, most ?? ""]) {
      if (Number(digits) <= TIMES_MAX) continue;
      this.#refuse(`asks for ${shown(digits)} rounds, more than the ${TIMES_MAX} that are counted; `
        + "leave the upper bound out, as in {2,}, or count less");
    }
    this.#at += whole.length;
    if (behind === undefined) return [Number(least), Number(least)];
    return [Number(least), most ? Number(most) : Infinity];
  }

  /** One thing of a sequence, or undefined where the sequence ends. */
  #atom(depth: number): Node | undefined {
    const at = this.#at;
    const name = this.#name();
    if (name !== undefined) return this.#reference(name, at);
    switch (this.#next) {
      case '"': return this.#literal();
      case "[": return this.#class();
      case "(": return this.#group(depth);
      case ".":
        this.#at++;
        return this.#spell(ALL);
      case "*":
      case "+":
      case "?":
      case "{": return this.#refuse(`has a ${this.#next} with nothing to repeat`);
      case "<":
      case "!": return this.#refuse("asks for a single token, which is not supported");
      default: return undefined;
    }
  }

  #reference(name: string, at: number): Node {
    const behind = this.#at;
    this.#skip(false);
    if (this.#source.startsWith("::=", this.#at)) {
      this.#refuse(`begins the rule ${shown(name)} inside another; begin it on a line of its own, `
        + "and end an empty rule with |", at);
    }
    this.#at = behind;
    return rule(this.#ruleOf(name, at).index);
  }

  #group(depth: number): Node {
    const at = this.#at++;
    if (depth === NESTED_MAX) {
      this.#refuse(`has more than ${NESTED_MAX} groups inside each other`, at);
    }
    this.#skip(true);
    const inner = this.#options(depth + 1);
    if (!this.#takes(")")) {
      if (this.#isAtEnd) this.#refuse("has a ( that is never closed", at);
      this.#refuse(`has ${this.#found} where a group should go on or be closed`);
    }
    return inner;
  }

  #literal(): Node {
    const at = this.#at++;
    let text = "";
    while (!this.#takes('"')) {
      this.#checkOpen('"', at);
      const from = this.#at;
      const point = this.#character();
      if (point >= 0xd800 && point <= 0xdfff) {
        this.#refuse("has half a surrogate pair in a literal, which no text has; write the whole "
          + "character, or \\U and its eight digits", from);
      }
      text += String.fromCodePoint(point);
    }
    return literal(text);
  }

  #class(): Node {
    const at = this.#at++;
    const isNegated = this.#takes("^");
    const ranges: Range[] = [];
    while (!this.#takes("]")) {
      this.#checkOpen("[", at);
      const from = this.#at;
      const first = this.#character();
      let last = first;
      if (this.#next === "-" && this.#source[this.#at + 1] !== "]") {
        this.#at++;
        this.#checkOpen("[", at);
        last = this.#character();
      }
      if (first > last) this.#refuse("has a range that runs backwards", from);
      ranges.push([first, last]);
    }
    if (ranges.length === 0) this.#refuse("has a class without characters", at);
    const points = pointsIn(ranges);
    return this.#spell(isNegated ? pointsOutside(points) : points);
  }

  #checkOpen(open: string, at: number): void {
    if (this.#isAtEnd) this.#refuse(`has a ${open} that is never closed`, at);
  }

  /** The code point that is written next, maybe as an escape. */
  #character(): number {
    const at = this.#at;
    if (!this.#takes("\\")) {
      const point = this.#source.codePointAt(this.#at) as number;
      this.#at += point > 0xffff ? 2 : 1;
      return point;
    }
    const letter = this.#next ?? "";
    this.#at++;
    const plain = ESCAPES[letter];
    if (plain !== undefined) return plain.charCodeAt(0);
    const count = NUMBERED[letter];
    if (count === undefined) this.#refuse("has an escape that means nothing", at);
    const digits = this.#source.slice(this.#at, this.#at + count);
    const point = /^[0-9a-f]+$/i.test(digits) && digits.length === count ? parseInt(digits, 16)
      : this.#refuse(`has an escape that needs ${count} hexadecimal digits`, at);
    if (point > POINT_MAX) this.#refuse("names a character beyond U+10FFFF", at);
    this.#at += count;
    return point;
  }

  #name(): string | undefined {
    NAME.lastIndex = this.#at;
    const name = NAME.exec(this.#source)?.[0];
    this.#at += name?.length ?? 0;
    return name;
  }

  /** Skips spaces and comments, and newlines where they are free. */
  #skip(hasNewlines: boolean): void {
    for (;;) {
      const next = this.#next;
      if (next === "#") {
        while (!this.#isAtEnd && this.#next !== "\n" && this.#next !== "\r") this.#at++;
      } else if (next === " " || next === "\t" || (hasNewlines && (next === "\n"
        || next === "\r"))) {
        this.#at++;
      } else {
        return;
      }
    }
  }

  get #isAtEnd(): boolean {
    return this.#at >= this.#source.length;
  }

  get #next(): string | undefined {
    return this.#source[this.#at];
  }

  /** What stands here, for people. */
  get #found(): string {
    const point = this.#source.codePointAt(this.#at);
    return point === undefined ? "its end" : point < 0x20 ? "the end of a line"
      : String.fromCodePoint(point);
  }

  #takes(character: string): boolean {
    if (this.#next !== character) return false;
    this.#at++;
    return true;
  }

  #refuse(what: string, at = this.#at): never {
    const before = this.#source.slice(0, at).split(/\r\n|\r|\n/);
    const column = Array.from(before[before.length - 1] as string).length + 1;
    throw new NibbleError("BAD_GRAMMAR",
      `The grammar ${what} (line ${before.length}, column ${column}).`);
  }
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 64));
}
