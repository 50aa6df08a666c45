// The models whose texts are kept to grammars, and the grammars: any JSON, and a form with texts of
// bounded length. Each has a judge that has nothing to do with automata.
// Does not know: how texts are kept to them.

import { existsSync, readFileSync } from "node:fs";
import { characters } from "../../host/grammar/spelling";
import {
  bytes, choice, literal, optional, repeat, rule, sequence, type Grammar, type Node,
} from "../../host/grammar/syntax";
import { byteModel, dice, withMetadata, wordModel } from "../host/library";
import { byteAlphabet } from "../reference/tokenizer";

const SAMPLE = "{\"name\": \"Zoë\", \"note\": \"漢字 🙂 ok\", \"is\": true, \"no\": [1, 22, null]}\n";

/** Byte-level pairs: tokens of up to some ten bytes, which may begin or end inside a character. */
export function pairModel(count = 120): Uint8Array {
  const roll = dice(5);
  const alphabet = byteAlphabet();
  const whole = Array.from(new TextEncoder().encode(SAMPLE), (byte) => alphabet[byte] as string);
  const known = new Set(alphabet);
  const merges: string[] = [];
  const made: string[] = [];
  let symbols = whole;
  for (let i = 0; i < 100_000 && made.length < count; i++) {
    const at = roll(symbols.length - 1);
    const [left = "", right = ""] = symbols.slice(at, at + 2);
    const token = left + right;
    if (token.length > 12) {
      symbols = whole;
      continue;
    }
    symbols = [...symbols.slice(0, at), token, ...symbols.slice(at + 2)];
    if (known.has(token)) continue;
    merges.push(`${left} ${right}`);
    made.push(token);
    known.add(token);
  }
  return withMetadata(byteModel({ vocabulary: 258 + made.length }), [
    ["tokenizer.ggml.tokens", "string[]",
      (tokens: string[]) => [...tokens.slice(0, 258), ...made]],
    ["tokenizer.ggml.token_type", "int32[]",
      (types: number[]) => [...types.slice(0, 258), ...made.map(() => 1)]],
    ["tokenizer.ggml.merges", "string[]", merges],
  ]);
}

/** Small models of every kind of vocabulary, with random weights, and one that was trained. */
export function models(): [name: string, file: Uint8Array][] {
  const trained = new URL("../../../shared/models/stories260K/stories260Ktok512.gguf",
    import.meta.url);
  return [
    ["bytes", byteModel()], ["pairs", pairModel()], ["words", wordModel()],
    ...(existsSync(trained) ? [["stories", readFileSync(trained)] as [string, Uint8Array]] : []),
  ];
}

const letter = choice(
  characters([0x20, 0x21], [0x23, 0x5b], [0x5d, 0x10ffff]),
  sequence(literal("\\"), choice(bytes(...[..."\"\\/bfnrt"].map((sign) => (
    [sign.charCodeAt(0), sign.charCodeAt(0)] as const))),
  sequence(literal("u"), repeat(bytes([0x30, 0x39], [0x41, 0x46], [0x61, 0x66]), 4, 4)))),
);
const text = (least: number, most: number): Node => (
  sequence(literal("\""), repeat(letter, least, most), literal("\"")));
const digit = bytes([0x30, 0x39]);
const space = repeat(bytes([0x20, 0x20], [0x0a, 0x0a]), 0, 2);
const listOf = (part: Node): Node => (
  optional(sequence(part, repeat(sequence(literal(","), part), 0, Infinity))));

/** Any JSON value, nested as it likes. */
export const JSON_TEXT: Grammar = { rules: [
  sequence(space, choice(rule(1), rule(2), text(0, Infinity), rule(3), literal("true"),
    literal("false"), literal("null")), space),
  sequence(literal("{"), choice(space, listOf(sequence(space, text(0, 20), space, literal(":"),
    rule(0)))), literal("}")),
  sequence(literal("["), choice(space, listOf(rule(0))), literal("]")),
  sequence(optional(literal("-")), choice(literal("0"), sequence(bytes([0x31, 0x39]),
    repeat(digit, 0, 12))), optional(sequence(literal("."), repeat(digit, 1, 3)))),
] };

/** Much that is forced, texts and lists of bounded length. */
export const FORM: Grammar = { rules: [sequence(
  literal("{\"name\": "), text(1, 12), literal(", \"is_known\": "),
  choice(literal("true"), literal("false")), literal(", \"note\": "), text(0, 40),
  literal(", \"numbers\": ["), repeat(digit, 1, 3),
  repeat(sequence(literal(", "), repeat(digit, 1, 3)), 0, 4), literal("]}"),
)] };

const SIGN = "(?:[ !#-[\\]-\\u{10ffff}]|\\\\[\"\\\\/bfnrt]|\\\\u[0-9A-Fa-f]{4})";
const FORM_PATTERN = new RegExp(`^\\{"name": "${SIGN}{1,12}", "is_known": (true|false), `
  + `"note": "${SIGN}{0,40}", "numbers": \\[[0-9]{1,3}(, [0-9]{1,3}){0,4}\\]\\}$`, "u");

/** Each with what throws, or gives false, on a text that does not match. */
export const GRAMMARS: [name: string, grammar: Grammar, judge: (text: string) => boolean][] = [
  ["JSON", JSON_TEXT, (whole) => JSON.parse(whole) !== undefined],
  ["form", FORM, (whole) => FORM_PATTERN.test(whole)],
];
