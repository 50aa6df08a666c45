// GBNF as grammars: languages that were listed by hand, grammars of the kind that people write, and
// every way to be wrong with its line and column. Knows nothing of automata.

import { describe, expect, it } from "vitest";
import { NibbleError } from "../../host/errors";
import { gbnfGrammar } from "../../host/grammar/gbnf";
import { LANGUAGES, WRITTEN } from "./languages";
import { matches } from "./library";

describe("GBNF", () => {
  it.each(LANGUAGES)("has %s", (_, source, inside, outside) => {
    const grammar = gbnfGrammar(source);
    expect(inside.filter((text) => !matches(grammar, text))).toEqual([]);
    expect(outside.filter((text) => matches(grammar, text))).toEqual([]);
  });

  it("lets names have _, which llama.cpp's have not", () => {
    expect(matches(gbnfGrammar('root ::= a_b\na_b ::= "x"'), "x")).toBe(true);
  });
});

describe("grammars that people write", () => {
  it.each(WRITTEN)("%s", (_, source, inside, outside) => {
    const grammar = gbnfGrammar(source);
    expect(inside.filter((text) => !matches(grammar, text))).toEqual([]);
    expect(outside.filter((text) => matches(grammar, text))).toEqual([]);
  });
});

function refusal(source: string): string {
  try {
    gbnfGrammar(source);
  } catch (error) {
    expect(error).toBeInstanceOf(NibbleError);
    expect((error as NibbleError).code).toBe("BAD_GRAMMAR");
    expect((error as NibbleError).message).toMatch(/^The grammar [^\n]+\.$/);
    return (error as NibbleError).message;
  }
  throw new Error(`${source} is taken`);
}

describe("what is refused, with a sentence and the place", () => {
  it.each([
    ["", 'no rule "root"', ""], ["# nothing\n", 'no rule "root"', ""],
    ['a ::= "a"', 'no rule "root"', ""],
    ["root ::= a b\na ::= c", '"b", which is nowhere defined', "line 1, column 12"],
    ['root ::= "a"\n\nroot ::= "b"', '"root" twice', "line 3, column 1"],
    ['root ::= "a', '" that is never closed', "line 1, column 10"],
    ["root ::= [a", "[ that is never closed", "line 1, column 10"],
    ["root ::= [a-", "[ that is never closed", "line 1, column 10"],
    ['root ::= ("a" | "b"', "( that is never closed", "line 1, column 10"],
    ['root ::= ("a" ]', "has ] where a group", "line 1, column 15"],
    ['root ::= "a")', ") that closes nothing", "line 1, column 13"],
    ['root ::= "a" ]', 'has ] where the rule "root"', "line 1, column 14"],
    ['root := "a"', "no ::= behind", "line 1, column 6"],
    ['root\n::= "a"', "no ::= behind", "line 1, column 5"],
    ['"a" ::= "b"', 'has " where a rule', "line 1, column 1"],
    ['root ::= "a"\n| "b"', "has | where a rule", "line 2, column 1"],
    ['root ::= "é😀" a', '"a", which is nowhere', "line 1, column 15"],
    ['root ::=\na ::= "a"', 'begins the rule "a" inside another', "line 2, column 1"],
    ["root ::= * ", "a * with nothing to repeat", "line 1, column 10"],
    ['root ::= "a" | {2}', "a { with nothing to repeat", "line 1, column 16"],
    ['root ::= "a"{x}', "begins no count", "line 1, column 13"],
    ['root ::= "a"{2', "begins no count", "line 1, column 13"],
    ['root ::= "a"{,2}', "begins no count", "line 1, column 13"],
    ['root ::= "a"{3,2}', "from 3 down to 2", "line 1, column 13"],
    ['root ::= "a"{1000001}', "more than the 1000000", "line 1, column 13"],
    ['root ::= "a"{2,12345678901}', 'for "12345678901" rounds', "line 1, column 13"],
    [`root ::= "a"{1,${"9".repeat(400)}}`, "more than the 1000000", "line 1, column 13"],
    ['root ::= "a\\uD800"', "half a surrogate pair", "line 1, column 12"],
    ['root ::= "a"?*', "repeated already", "line 1, column 14"],
    ['root ::= "a"{2} {3}', "repeated already", "line 1, column 17"],
    ["root ::= []", "without characters", "line 1, column 10"],
    ["root ::= [^]", "without characters", "line 1, column 10"],
    ["root ::= [b-a]", "backwards", "line 1, column 11"],
    [String.raw`root ::= "\q"`, "means nothing", "line 1, column 11"],
    [String.raw`root ::= "\x4"`, "needs 2 hex", "line 1, column 11"],
    [String.raw`root ::= [\u12]`, "needs 4 hex", "line 1, column 11"],
    [String.raw`root ::= "\U00110000"`, "beyond U+10FFFF", "line 1, column 11"],
    ["root ::= <think>", "a single token", "line 1, column 10"],
    ['root ::= "a" !<[7]>', "a single token", "line 1, column 14"],
    [`root ::= ${"(".repeat(60000)}`, "more than 200 groups", "line 1, column 210"],
    ["x".repeat(2 ** 16 + 1), "at most 65536", ""],
  ])("%.40s", (source, words, place) => {
    expect(refusal(source)).toContain(words);
    expect(refusal(source)).toContain(place);
  });

  it("whatever the text: a grammar or a sentence", () => {
    const pieces = ["root", " ", "::=", "\n", '"', "[", "]", "(", ")", "|", "*", "{", "}", "1", ",",
      "\\", "n", "#", "-", "^", "<", ".", "é", "\ud800"];
    let state = 1;
    const random = (): number => (state = (state * 48271) % 2147483647);
    for (let i = 0; i < 5000; i++) {
      const source = Array.from({ length: random() % 12 }, () => (
        pieces[random() % pieces.length])).join("");
      for (const text of [source, `root ::= ${source}`]) {
        try {
          expect(gbnfGrammar(text).rules.length).toBeGreaterThan(0);
        } catch (error) {
          expect((error as NibbleError).code, text).toBe("BAD_GRAMMAR");
        }
      }
    }
  });
});
