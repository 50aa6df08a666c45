// GBNF as grammars: languages that were listed by hand, grammars of the kind that people write, and
// every way to be wrong with its line and column. Knows nothing of automata.

import { describe, expect, it } from "vitest";
import { NibbleError } from "../../host/errors";
import { gbnfGrammar } from "../../host/grammar/gbnf";
import { matches } from "./library";

/** A grammar, texts that it matches, and texts that it does not. */
const LANGUAGES: readonly (readonly [
  name: string, source: string, inside: readonly string[], outside: readonly string[],
])[] = [
  ["a literal", 'root ::= "yes"', ["yes"], ["", "ye", "yess", "Yes"]],
  ["options", 'root ::= "yes" | "no" | "maybe"', ["yes", "no", "maybe"], ["yesno", ""]],
  ["an option of nothing", 'root ::= "a" |', ["a", ""], ["aa"]],
  ["an empty literal", 'root ::= "" "a" ""', ["a"], [""]],
  ["escapes", String.raw`root ::= "\n\r\t\\\"\[\]\x41\u00e9\U0001F600"`,
    ["\n\r\t\\\"[]Aé😀"], ["nrt"]],
  ["characters beyond ASCII", 'root ::= "é😀" [à-ü中]', ["é😀é", "é😀中"], ["é😀a"]],
  ["classes", String.raw`root ::= [a-c_\]\\-] [^a-c\n]`,
    ["ad", "] ", "\\é", "-😀", "_\r"], ["aa", "a\n", "d ", "a"]],
  ["any character", "root ::= . .", ["a\n", "é😀"], ["a", "abc"]],
  ["an empty class", "root ::= [] | [^]", ["a", "\n"], [""]],
  ["repetition", 'root ::= "a"* "b"+ "c"? "d"{2} "e"{1,} "f"{0,2}',
    ["bdde", "aabbcddeeff"], ["dde", "bde", "bddefff", "bdd"]],
  ["repeated repetition", 'root ::= "a"{2}* "b"?+', ["", "aa", "aaaab", "bb"], ["a", "aab a"]],
  ["groups", 'root ::= ("a" | "b" "c")+ ( )', ["a", "bc", "abca"], ["", "b", "ac"]],
  ["spaces in counts", 'root ::= "a"{ 1 , 2 }', ["a", "aa"], ["aaa"]],
  ["rules in any order", "word ::= [a-z]+\nroot ::= word end\nend ::= [.!]", ["ab."], ["ab"]],
  ["names with everything that names have", 'root ::= A-1 b_2\nA-1 ::= "x"\nb_2 ::= "y"',
    ["xy"], ["x"]],
  ["recursion", 'root ::= "(" root ")" root | ""', ["", "()", "(())()"], ["(", "())"]],
  ["comments and newlines",
    '# first\nroot ::= # behind\n  "a" | # and here\n\n  "b" (\n"c" # inside\n| "d")\n\n# last',
    ["a", "bc", "bd"], ["b"]],
  ["Windows' newlines", 'root ::= x\r\nx ::= "a" |\r\n  "b"\r\n', ["a", "b"], ["ab"]],
];

describe("GBNF", () => {
  it.each(LANGUAGES)("has %s", (_, source, inside, outside) => {
    const grammar = gbnfGrammar(source);
    expect(inside.filter((text) => !matches(grammar, text))).toEqual([]);
    expect(outside.filter((text) => matches(grammar, text))).toEqual([]);
  });
});

/** Grammars like those that come with llama.cpp, written anew. */
const WRITTEN: typeof LANGUAGES = [
  ["JSON", String.raw`
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") space
object ::= "{" space (member ("," space member)*)? "}" space
member ::= string ":" space value
array  ::= "[" space (
             value ("," space value)*
           )? "]" space
string ::= "\"" (
    [^"\\\x7F\x00-\x1F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4}) # an escape
  )* "\"" space
number ::= "-"? ("0" | [1-9] [0-9]{0,15}) ("." [0-9]+)? ([eE] [-+]? [1-9] [0-9]{0,3})? space
space  ::= [ \t\n]*`,
    ["{}", '{"a": [1, -2.5e3, "\\u00e9\\n", {"b":\nnull}], "c": true }', '{"é":"😀"}'],
    ["", "[]", '{"a":01}', '{"a":"\n"}', '{"a" 1}', '{"a":1,}']],
  ["arithmetic", String.raw`
root  ::= (sum "=" blank number "\n")+
sum   ::= term ([-+*/] blank term)*
term  ::= name | number | "(" blank sum ")" blank
name  ::= [a-z] [a-z0-9_]* blank
number ::= [0-9]+ blank
blank ::= [ \t\n]*`,
    ["1 + 2 = 3\n", "(a*(b - 1)) / c_2=7\nx=1\n"], ["1+2=3", "1+=2\n", "(1=1\n"]],
  ["chess", String.raw`
root  ::= "1. " move " " move "\n" ([2-9] [0-9]? ". " move " " move "\n")*
move  ::= (piece | pawn | castle) [+#]?
piece ::= [NBKQR] [a-h]? [1-8]? "x"? [a-h] [1-8]
pawn  ::= ([a-h] "x")? [a-h] [1-8] ("=" [NBQR])?
castle ::= "O-O" "-O"?`,
    ["1. e4 e5\n", "1. Nf3 dxe4\n2. O-O-O Qh4#\n"], ["1. e9 e5\n", "1. e4\n", "2. e4 e5\n"]],
  ["a list", String.raw`
root ::= item+
item ::= "- " [^\r\n\x0b\x0c\x85\u2028\u2029]+ "\n"`,
    ["- a\n", "- one é\n- two\n"], ["", "- \n", "-a\n", "- a\u2028b\n"]],
  ["C", String.raw`
root  ::= declaration*
declaration ::= type " " name "(" (type " " name ("," space type " " name)*)? ")" block
type  ::= "int" | "float" | "char"
name  ::= [a-zA-Z_] [a-zA-Z_0-9]*
block ::= space "{" space statement* "}" space
statement ::= (
    type " " name space "=" space value ";" |
    name space "=" space value ";" |
    "return " value ";" |
    "while" space "(" value [<>=] value ")" block
  ) space
value ::= unary (space [-+*/] space unary)*
unary ::= (name | [0-9]+) | "-" unary | "(" value ")"
space ::= [ \t\n]*`,
    ["", "int f(int a, char b) {\n  int c = a + -1;\n  while (c<9) { c = (c*2); }\n  return c;\n}"],
    ["int f()", "int f(a){}", "int f(){return}"]],
  ["Japanese", String.raw`
root ::= (kana | kanji | [、。！？ー])+ | "はい" | "いいえ"
kana ::= [ぁ-ゟァ-ヿ]
kanji ::= [一-鿿]`,
    ["はい", "日本語です。", "カタカナー"], ["", "abc", "日本 語"]],
];

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
    ['root ::= "a"{1000001}', "more than 1000000", "line 1, column 13"],
    ["root ::= [b-a]", "backwards", "line 1, column 11"],
    [String.raw`root ::= "\q"`, "means nothing", "line 1, column 11"],
    [String.raw`root ::= "\x4"`, "needs 2 hex", "line 1, column 11"],
    [String.raw`root ::= [\u12]`, "needs 4 hex", "line 1, column 11"],
    [String.raw`root ::= "\U00110000"`, "beyond U+10FFFF", "line 1, column 11"],
    ["root ::= <think>", "a single token", "line 1, column 10"],
    ['root ::= "a" !<[7]>', "a single token", "line 1, column 14"],
    [`root ::= ${"(".repeat(60000)}`, "more than 200 groups", "line 1, column 210"],
    ["x".repeat(2 ** 18 + 1), "at most 262144", ""],
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
