// Lists of texts as trees: what they match, what they force, and what is no list. Knows nothing of
// automata.

import { expect, it } from "vitest";
import { choicesGrammar } from "../../host/grammar/choices";
import type { Node } from "../../host/grammar/syntax";
import { isMember, matches, randomOf } from "./library";

it.each([
  [["yes"]], [["yes", "no"]], [["a", "ab", "abc", "b"]], [["b", "a", "b"]], [["é", "è", "😀", "😁"]],
  [["positive", "negative", "neutral", "poor"]], [["A\n", "A\0"]],
])("%j are all that is matched", (choices) => {
  const grammar = choicesGrammar(choices);
  for (const choice of choices) {
    expect(matches(grammar, choice)).toBe(true);
    for (const other of [choice.slice(0, -1), `${choice}x`, choice + choice, ""]) {
      expect(matches(grammar, other)).toBe(choices.includes(other));
    }
  }
});

/** Every text of a tree, with how many bytes had an alternative. */
function textsOf(node: Node): { bytes: number[]; decisions: number }[] {
  switch (node.kind) {
    case "bytes":
      return Array.from({ length: 256 }, (_, byte) => byte).filter((it) => isMember(node.set, it))
        .map((byte) => ({ bytes: [byte], decisions: 0 }));
    case "sequence":
      return node.parts.reduce((all, part) => all.flatMap((before) => (
        textsOf(part).map((after) => ({
          bytes: [...before.bytes, ...after.bytes], decisions: before.decisions + after.decisions,
        })))), [{ bytes: [] as number[], decisions: 0 }]);
    case "choice":
      return node.options.flatMap(textsOf).map(({ bytes, decisions }) => (
        { bytes, decisions: decisions + 1 }));
    default:
      throw new Error(`${node.kind} is not expected here`);
  }
}

it("random lists: each text once, and one decision where texts part", () => {
  const random = randomOf(3);
  for (let i = 0; i < 200; i++) {
    const choices = Array.from({ length: 1 + Math.floor(random() * 12) }, () => (
      Array.from({ length: 1 + Math.floor(random() * 5) }, () => "abé"[Math.floor(random() * 3)])
        .join("")));
    const found = textsOf(choicesGrammar(choices).rules[0] as Node);
    const texts = found.map(({ bytes }) => new TextDecoder().decode(Uint8Array.from(bytes)));
    expect([...texts].sort()).toEqual([...new Set(choices)].sort());
    for (const { bytes, decisions } of found) {
      // Where another text goes on otherwise, or ends.
      const own = Buffer.from(bytes);
      const partings = new Set(choices.map((choice) => Buffer.from(choice))
        .filter((other) => !other.equals(own))
        .map((other) => own.findIndex((byte, at) => other[at] !== byte))
        .map((at) => (at < 0 ? own.length : at)));
      expect(decisions).toBe(partings.size);
    }
  }
});

it.each([
  ["no list", "yes" as unknown as string[]], ["an empty list", []], ["an empty text", ["a", ""]],
  ["what is no text", [1 as unknown as string]], ["half a surrogate pair", ["a\ud800"]],
  ["too many", Array.from({ length: 16385 }, (_, i) => String(i))],
  ["too long ones", ["a".repeat(2 ** 17 + 1)]], ["too many bytes", ["é".repeat(2 ** 16 + 1)]],
])("refuses %s", (_, choices) => {
  expect(() => choicesGrammar(choices)).toThrow(/^Option choices takes [^\n]+\.$/);
});

it("takes what is large", () => {
  const many = Array.from({ length: 16384 }, (_, i) => i.toString(36));
  expect(matches(choicesGrammar(many), (16383).toString(36))).toBe(true);
  expect(matches(choicesGrammar(["a".repeat(2 ** 17)]), "a")).toBe(false);
  const nested = choicesGrammar(Array.from({ length: 500 }, (_, i) => "a".repeat(i + 1)));
  expect(matches(nested, "a".repeat(100))).toBe(true);
  expect(matches(nested, `${"a".repeat(100)}b`)).toBe(false);
  const levels = (node: Node): number => 1 + Math.max(0, ...(node.kind === "sequence" ? node.parts
    : node.kind === "choice" ? node.options : []).map(levels));
  expect(Math.max(...nested.rules.map(levels))).toBeLessThan(200);
});
