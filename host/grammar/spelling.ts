// Sets of characters as nodes of a grammar, in UTF-8. Equal sets, and equal parts of sets, share
// their nodes: a long text with a class in every place costs the memory of one. Knows nothing of
// where the sets come from.

import { POINT_MAX, type Points } from "./points";
import { bytes, characters, choice, type Node } from "./syntax";

/** One character out of a set, as the bytes that spell it. */
export type Spell = (points: Points) => Node;

/** The first code points that take 1, 2, 3 and 4 bytes, without surrogates, and what is behind. */
const BORDERS = [0x80, 0x800, 0xd800, 0xe000, 0x10000, POINT_MAX + 1];

/** A spelling of its own memory, for one grammar. */
export function inUtf8(): Spell {
  const nodes = new Map<string, Node>();
  const once = (key: string, make: () => Node): Node => {
    const known = nodes.get(key);
    if (known) return known;
    const node = make();
    nodes.set(key, node);
    return node;
  };
  return (points) => once(points.join(";"), () => {
    const short = points.filter(([first]) => first < 0x80)
      .map(([first, last]) => [first, Math.min(last, 0x7f)] as const);
    const long = points.flatMap(([first, last]) => BORDERS.slice(1).flatMap((border, i) => {
      const from = Math.max(first, BORDERS[i] as number);
      const to = Math.min(last, border - 1);
      if (from > to || border === 0xe000) return []; // UTF-8 spells no surrogates
      return [once(`part ${from},${to}`, () => characters([from, to]))];
    }));
    return choice(...(short.length > 0 ? [bytes(...short)] : []), ...long);
  });
}
