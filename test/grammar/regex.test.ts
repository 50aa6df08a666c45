// Regular expressions as grammars, judged by the RegExp of the JavaScript engine: on expressions
// that people write, and on random ones. Knows nothing of automata.

import { describe, expect, it } from "vitest";
import { NibbleError } from "../../host/errors";
import { parsePattern } from "../../host/grammar/pattern";
import { anyMatch, regexGrammar } from "../../host/grammar/regex";
import { inUtf8 } from "../../host/grammar/spelling";
import type { Grammar } from "../../host/grammar/syntax";
import { matches, randomOf, sampled } from "./library";

const whole = (source: string): RegExp => new RegExp(`^(?:${source})$`, "u");
const anywhere = (source: string): Grammar => (
  { rules: [anyMatch(parsePattern(source), inUtf8())] });

const CHARACTERS = ["a", "b", "c", "A", "_", "-", "0", "7", " ", "\t", "\n", "\r", "\u2028", "é",
  "\u00a0", "ſ", "中", "\ufeff", "😀", "\u{10ffff}", "\0", "\x7f", ",", "]", "\\", "/", "."];

/** Texts of the characters above, and changed ones of the grammar. */
function textsFor(grammar: Grammar, random: () => number, count: number): string[] {
  const character = (): string => (
    CHARACTERS[Math.floor(random() * CHARACTERS.length)] as string);
  const loose = Array.from({ length: count }, () => (
    Array.from({ length: Math.floor(random() * 4) }, character).join("")));
  const own = Array.from({ length: count }, () => sampled(grammar, random))
    .filter((text) => text !== undefined);
  const changed = own.map((text) => {
    const characters = Array.from(text);
    characters.splice(Math.floor(random() * (characters.length + 1)),
      random() < 0.5 ? 1 : 0, ...(random() < 0.6 ? [character()] : []));
    return characters.join("");
  });
  return ["", ...loose, ...own, ...changed];
}

/** Texts on which the grammar and RegExp differ. */
function differing(grammar: Grammar, judge: RegExp, texts: readonly string[]): string[] {
  return texts.filter((text) => matches(grammar, text) !== judge.test(text));
}

const WRITTEN = [
  "", "a", "abc", "a|b", "a|", "|", "(?:)", "a*", "a+?", "a??", "a{3}", "a{0}", "a{2,}", "a{1,3}?",
  ".", "..", "\\d\\D", "\\w+\\W", "\\s\\S", "[abc]", "[^abc]", "[a-c_-]", "[-a]", "[]", "[^]",
  "[\\d_]", "[^\\w]", "[\\]\\\\]", "[\\b]", "[^\\s\\d]", "\\t\\n\\v\\f\\r\\0", "\\cJ", "\\x41",
  "\\u00e9", "\\u{1f600}", "\\ud83d\\ude00", "[\\ud83d\\ude00-\\u{1f64f}]", "[\\ud800-\\udfff]",
  "[\\u{ffff}-\\u{10001}]", "\\.\\*\\/\\|\\{\\}\\[\\]\\(\\)\\^\\$\\?\\+\\\\", "[\\-/.,]",
  "(a|bc)*", "(?:a|(b|c)d)+", "(?<year>\\d{4})-(?<month>\\d\\d)", "(?<añ$_1>a)", "((a?)?b?)+",
  "^a$", "^a|b$", "^", "$", "^$", "(^|,)a(,|$)", "^^a$$", "(?:^a|^b)c?", "(^)a($)",
  "\\p{Any}", "\\p{ASCII}", "\\P{ASCII}", "[\\p{ASCII_Hex_Digit}x]", "[^\\P{ASCII}]",
  "-?(0|[1-9]\\d*)(\\.\\d+)?([eE][+-]?\\d+)?", "\\d{4}-(0[1-9]|1[0-2])-\\d\\d",
  "[\\w.+-]+@[\\w-]+(\\.[\\w-]+)+", "#[0-9a-fA-F]{6}", "(a*)*", "(a|a)*b", "(a{0,2}){0,2}",
];

describe("regular expressions that people write", () => {
  it.each(WRITTEN)("%s", (source) => {
    const grammar = regexGrammar(source);
    const texts = textsFor(grammar, randomOf(source.length), 60);
    expect(differing(grammar, whole(source), texts)).toEqual([]);
    const search = anywhere(source);
    expect(differing(search, new RegExp(source, "u"), [
      ...texts, ...textsFor(search, randomOf(source.length), 20)])).toEqual([]);
  });

  it("every character of a set, and none outside it", () => {
    for (const source of ["\\d", "\\W", "\\s", "\\S", ".", "[^\\W_]", "[\\u0370-\\u03ff😀]"]) {
      const grammar = regexGrammar(source);
      const judge = whole(source);
      const wrong: number[] = [];
      for (let point = 0; point <= 0x10ffff; point += point < 0x3100 ? 1 : 397) {
        if (point >= 0xd800 && point <= 0xdfff) continue; // UTF-8 has none
        const text = String.fromCodePoint(point);
        if (matches(grammar, text) !== judge.test(text)) wrong.push(point);
      }
      expect(wrong, source).toEqual([]);
    }
  });
});

/** A random expression of the language. */
function written(random: () => number, depth: number): string {
  const roll = (...options: (() => string)[]): string => (
    (options[Math.floor(random() * options.length)] as () => string)());
  const inner = (): string => written(random, depth - 1);
  const plain = ["a", "b", "c", "é", "😀", "\\.", ".", "\\d", "\\s", "\\W", "[ab]", "[^a]", "[a-c7]",
    "[^\\d\\n]", "\\n", "[中-鿿]", "(?:)"];
  const leaf = (): string => plain[Math.floor(random() * plain.length)] as string;
  if (depth === 0) return leaf();
  const count = (): string => {
    const least = Math.floor(random() * 3);
    return roll(() => `{${least}}`, () => `{${least},}`,
      () => `{${least},${least + Math.floor(random() * 3)}}`);
  };
  return roll(leaf, () => inner() + inner(), () => inner() + inner() + inner(),
    () => `(${inner()}|${inner()})`, () => `(?:${inner()})${roll(() => "*", () => "+", () => "?",
      () => "*?", count)}`);
}

it("random expressions match what RegExp matches", () => {
  const random = randomOf(8);
  for (let i = 0; i < 200; i++) {
    const source = written(random, 3);
    const grammar = regexGrammar(source);
    const texts = textsFor(grammar, random, 12);
    expect(differing(grammar, whole(source), texts), source).toEqual([]);
    const pinned = `${random() < 0.5 ? "^" : ""}(?:${source})${random() < 0.5 ? "$" : ""}`;
    expect(differing(anywhere(pinned), new RegExp(pinned, "u"), texts), pinned).toEqual([]);
  }
});

/** The sentence with which an expression is refused. */
function refusal(source: string): string {
  try {
    parsePattern(source);
  } catch (error) {
    expect(error).toBeInstanceOf(NibbleError);
    expect((error as NibbleError).code).toBe("BAD_REGEX");
    expect((error as NibbleError).message).toMatch(/^The regular expression [^\n]+\.$/);
    return (error as NibbleError).message;
  }
  throw new Error(`${source} is taken`);
}

describe("what is refused, with a sentence and the place", () => {
  it.each([
    ["a(?=b)", "ahead or behind", 2], ["(?!b)", "ahead or behind", 1],
    ["(?<=b)c", "ahead or behind", 1], ["a(?<!b)", "ahead or behind", 2],
    ["(a)\\1", "refers back", 4], ["(?<x>a)\\k<x>", "refers back", 8], ["\\bA", "boundary", 1],
    ["a\\B", "boundary", 2], ["\\p{L}", "differ between hosts", 1], ["[\\P{Lu}]", "only Any", 2],
    ["(?i:a)", "of a kind", 1], ["(?>a)", "of a kind", 1], ["(?<1>a)", "of a kind", 1],
    ["(?<x>a)(?<x>b)", "one name", 8], ["a)", "closes nothing", 2], ["(a", "never closed", 1],
    ["[a", "never closed", 1], ["[a-", "never closed", 1], ["*a", "nothing to repeat", 1],
    ["a|+", "nothing to repeat", 3], ["a**", "repeated already", 3],
    ["a{2}{3}", "repeated already", 5], ["{", "of its own", 1], ["a}", "of its own", 2],
    ["]", "of its own", 1], ["a{x}", "begins no count", 2], ["a{,5}", "begins no count", 2],
    ["a{3,2}", "from 3 down to 2", 2], ["a{1000001}", "more than the 1000000", 2],
    [`a{2,${"9".repeat(400)}}`, "more than the 1000000", 2],
    ["a\ud800", "half a surrogate pair", 2], ["(\\udfff|b)", "half a surrogate pair", 2],
    ["[b-a]", "backwards", 2], ["[\\d-z]", "whole set", 2], ["[a-\\w]", "whole set", 2],
    ["\\", "ends with", 1], ["\\q", "means nothing", 1], ["\\é", "means nothing", 1],
    ["\\x4", "not finished", 1], ["\\u{}", "not finished", 1], ["\\u12", "not finished", 1],
    ["\\u{110000}", "beyond", 1], ["\\c1", "not finished", 1], ["\\07", "means nothing", 1],
    ["\\p", "not finished", 1], ["a^b", "cannot begin", 2], ["a$b", "cannot end", 2],
    ["(a^|b)", "cannot begin", 3], ["(^a)*", "cannot begin", 2], ["^*", "end of the text", 2],
  ])("%s", (source, words, place) => {
    expect(refusal(source)).toContain(words);
    expect(refusal(source)).toContain(`(character ${place}).`);
  });

  it("is what RegExp refuses too, unless it is only not supported, or punctuation", () => {
    const random = randomOf(5);
    const pieces = ["a", "(", ")", "[", "]", "{", "}", "1", ",", "*", "+", "?", "|", "^", "$", "\\",
      "d", "-", ".", "(?:", "x41", "u", "{1f600}", "0", "c"];
    for (let i = 0; i < 10000; i++) {
      const source = Array.from({ length: 1 + Math.floor(random() * 6) }, () => (
        pieces[Math.floor(random() * pieces.length)])).join("");
      let judge: RegExp | undefined;
      let own: unknown;
      try {
        judge = new RegExp(source, "u");
      } catch {
        judge = undefined;
      }
      try {
        own = parsePattern(source);
      } catch (error) {
        own = (error as Error).message;
      }
      if (typeof own === "string") {
        expect(judge === undefined || /cannot (begin|end)|repeats an end|refers/.test(own),
          `${source}: ${own}`).toBe(true);
      } else {
        expect(judge !== undefined || /\\[-,]/.test(source), source).toBe(true);
      }
    }
  });
});

it("hostile expressions end in a sentence, or are taken as they are", () => {
  expect(refusal("(".repeat(60000))).toContain("16384");
  expect(refusal("(".repeat(16000))).toContain("more than 200 groups");
  expect(refusal(`${"(".repeat(400)}a${")".repeat(400)}`)).toContain("more than 200 groups");
  expect(refusal("a".repeat(40000))).toContain("at most 16384");
  expect(refusal("[".repeat(16000))).toContain("never closed");
  for (const source of ["(((a{1,1000}){1,1000}){1,1000}){0,1000000}", "[^é]\\S".repeat(2500),
    `${"(".repeat(200)}a${")*".repeat(200)}`]) {
    expect(regexGrammar(source).rules).toHaveLength(1);
  }
});
