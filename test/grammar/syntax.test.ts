// UTF-8 out of ranges of code points, compared with TextEncoder on every character there is. Knows
// nothing of automata: a node without recursion is matched by trying.

import { expect, it } from "vitest";
import { characters } from "../../host/grammar/spelling";
import { literal, repeat, type Node } from "../../host/grammar/syntax";

/** The ends of all beginnings of `bytes` from `at` on that the node matches. */
function ends(node: Node, bytes: Uint8Array, at: number): number[] {
  switch (node.kind) {
    case "bytes": {
      const byte = bytes[at];
      const isIn = byte !== undefined && (((node.set[byte >> 5] ?? 0) >> (byte & 31)) & 1) === 1;
      return isIn ? [at + 1] : [];
    }
    case "sequence":
      return node.parts.reduce((starts, part) => (
        starts.flatMap((start) => ends(part, bytes, start))), [at]);
    case "choice":
      return node.options.flatMap((option) => ends(option, bytes, at));
    default:
      throw new Error(`${node.kind} is not expected here`);
  }
}

const RANGES: readonly (readonly [number, number])[][] = [
  [[0, 0x10ffff]],
  [[0x41, 0x5a], [0xc0, 0x24f]],
  [[0x7f, 0x80]],
  [[0x7ff, 0x800], [0xd7ff, 0xe000]],
  [[0xd800, 0xdfff]],
  [[0xffff, 0x10000]],
  [[0x1f601, 0x1f64e]],
  [[0x10ffff, 0x10ffff], [0x3b1, 0x3b1]],
  [[0x812, 0x1fab]],
  [[0x123, 0xabcde]],
];

it.each(RANGES.map((ranges) => [JSON.stringify(ranges), ranges] as const))(
  "spells %s as UTF-8 does", (_, ranges) => {
    const node = characters(...ranges);
    const wrong: number[] = [];
    for (let point = 0; point <= 0x10ffff; point += point < 0x11000 ? 1 : 61) {
      const isSurrogate = point >= 0xd800 && point <= 0xdfff;
      const bytes = isSurrogate
        ? Uint8Array.of(0xed, 0x80 | ((point >> 6) & 63), 0x80 | (point & 63))
        : new TextEncoder().encode(String.fromCodePoint(point));
      const isIn = !isSurrogate && ranges.some(([first, last]) => first <= point && point <= last);
      const found = ends(node, bytes, 0);
      if (found.length !== (isIn ? 1 : 0) || (isIn && found[0] !== bytes.length)) wrong.push(point);
    }
    expect(wrong).toEqual([]);
  });

it("makes one repetition of two where no count is left out, and only there", () => {
  const a = literal("a");
  for (let inner = 0; inner < 4; inner++) {
    for (let outer = inner; outer < 6; outer++) {
      for (let least = 0; least < 4; least++) {
        for (let most = least; most < 5; most++) {
          const counts = new Set<number>();
          for (let times = least; times <= most; times++) {
            for (let n = inner * times; n <= outer * times; n++) counts.add(n);
          }
          const node = repeat(repeat(a, inner, outer), least, most);
          if (node.kind !== "repeat" || node.part !== a) continue;
          const merged = Array.from({ length: node.most - node.least + 1 },
            (_, i) => node.least + i);
          expect([...counts].sort((x, y) => x - y)).toEqual(merged);
        }
      }
    }
  }
  expect(repeat(repeat(repeat(a, 1, 1000), 1, 1000), 1, 1000)).toEqual(repeat(a, 1, 1e9));
  expect(repeat(repeat(a, 1, 1e9), 1, 1000)).toEqual(repeat(a, 1, Infinity));
  expect(repeat(repeat(a, 0, Infinity), 1, Infinity)).toEqual(repeat(a, 0, Infinity));
  expect(repeat(repeat(a, 2, 2), 0, 3)).toEqual({ kind: "repeat", part: repeat(a, 2, 2),
    least: 0, most: 3 });
});
