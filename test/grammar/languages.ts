// Grammars in GBNF with texts that they match and texts that they do not, listed by hand. Knows
// nothing of who judges by them.

/** A grammar, texts that it matches, and texts that it does not. */
export const LANGUAGES: readonly (readonly [
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
  ["repetition", 'root ::= "a"* "b"+ "c"? "d"{2} "e"{1,} "f"{0,2}',
    ["bdde", "aabbcddeeff"], ["dde", "bde", "bddefff", "bdd"]],
  ["repeated groups", 'root ::= ("a"{2})* ("b"?)+', ["", "aa", "aaaab", "bb"], ["a", "aaba"]],
  ["groups", 'root ::= ("a" | "b" "c")+ ( )', ["a", "bc", "abca"], ["", "b", "ac"]],
  ["spaces in counts", 'root ::= "a"{ 1 , 2 }', ["a", "aa"], ["aaa"]],
  ["rules in any order", "word ::= [a-z]+\nroot ::= word end\nend ::= [.!]", ["ab."], ["ab"]],
  ["names with everything that names have", 'root ::= A-1 b2\nA-1 ::= "x"\nb2 ::= "y"',
    ["xy"], ["x"]],
  ["recursion", 'root ::= "(" root ")" root | ""', ["", "()", "(())()"], ["(", "())"]],
  ["comments and newlines",
    '# first\nroot ::= # behind\n  "a" | # and here\n\n  "b" (\n"c" # inside\n| "d")\n\n# last',
    ["a", "bc", "bd"], ["b"]],
  ["Windows' newlines", 'root ::= x\r\nx ::= "a" |\r\n  "b"\r\n', ["a", "b"], ["ab"]],
];

/** Grammars like those that come with llama.cpp, written anew. */
export const WRITTEN: typeof LANGUAGES = [
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
