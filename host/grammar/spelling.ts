// Sets of characters as nodes of a grammar, in UTF-8: characters whose first bytes go on alike are
// one alternative, so that a state has few ways on, however many characters there are. Equal sets,
// and equal ends of characters, share their nodes: a long text with a class in every place costs
// the memory of one. Knows nothing of where the sets come from.

import { pointsIn, type Points, type Range } from "./points";
import { bytes, choice, sequence, single, type Node } from "./syntax";

/** One character out of a set, as the bytes that spell it. */
export type Spell = (points: Points) => Node;

/**
 * The code points whose UTF-8 has so many bytes behind the first, and the high bits of that one.
 * Surrogates, which UTF-8 cannot spell, are left out.
 */
const LENGTHS: readonly { readonly spans: Points; readonly tails: number; readonly lead: number }[]
  = [
    { spans: [[0, 0x7f]], tails: 0, lead: 0 },
    { spans: [[0x80, 0x7ff]], tails: 1, lead: 0xc0 },
    { spans: [[0x800, 0xd7ff], [0xe000, 0xffff]], tails: 2, lead: 0xe0 },
    { spans: [[0x10000, 0x10ffff]], tails: 3, lead: 0xf0 },
  ];
/** A byte behind the first has its high bits from here, and 6 of the character's. */
const TAIL_LEAD = 0x80;
const TAIL = bytes([TAIL_LEAD, 0xbf]);

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
  return (points) => {
    const [range] = points;
    if (range && points.length === 1 && range[0] === range[1] && range[0] < 0x80) {
      return single(range[0]);
    }
    return once(points.join(";"), () => choice(...LENGTHS.flatMap(({ spans, tails, lead }) => (
      spelled(common(points, spans), tails, lead, once)))));
  };
}

/** One character out of ranges of code points, both ends included, which may overlap. */
export function characters(...ranges: readonly Range[]): Node {
  return inUtf8()(pointsIn(ranges));
}

/** What is in both sets. */
export function common(a: Points, b: Points): Points {
  return b.flatMap(([from, to]) => a.flatMap(([first, last]) => {
    const low = Math.max(first, from);
    const high = Math.min(last, to);
    return low > high ? [] : [[low, high] as const];
  }));
}

/** The alternatives of a first byte, and what follows it: numbers of 6 bits a byte behind it. */
function spelled(
  numbers: Points, tails: number, lead: number, once: (key: string, make: () => Node) => Node,
): Node[] {
  if (numbers.length === 0) return [];
  if (tails === 0) return [bytes(...numbers.map(([a, z]) => [lead | a, lead | z] as const))];
  const { whole, partly } = blocksOf(numbers, 64 ** tails);
  const withLead = (blocks: readonly Range[]): Node => (
    bytes(...blocks.map(([a, z]) => [lead | a, lead | z] as const)));
  const options: Node[] = [];
  if (whole.length > 0) {
    options.push(sequence(withLead(whole), ...Array.from({ length: tails }, () => TAIL)));
  }
  for (const [key, { rest, blocks }] of partly) {
    options.push(sequence(withLead(blocks), once(`${tails - 1} behind: ${key}`, () => (
      choice(...spelled(rest, tails - 1, TAIL_LEAD, once))))));
  }
  return options;
}

/** Blocks of some size that are in a set as a whole, and those in part, by which part of them. */
function blocksOf(numbers: Points, size: number): {
  whole: Range[]; partly: ReadonlyMap<string, { rest: Points; blocks: Range[] }>;
} {
  const whole: Range[] = [];
  const parts = new Map<number, Range[]>();
  const add = (block: number, first: number, last: number): void => {
    const part = parts.get(block);
    if (part) part.push([first, last]);
    else parts.set(block, [[first, last]]);
  };
  for (const [first, last] of numbers) {
    const [from, to] = [Math.floor(first / size), Math.floor(last / size)];
    const [low, high] = [first - from * size, last - to * size];
    const isFirstWhole = low === 0 && (to > from || high === size - 1);
    const isLastWhole = high === size - 1 && (to > from || low === 0);
    if (!isFirstWhole) add(from, low, to > from ? size - 1 : high);
    if (!isLastWhole && to > from) add(to, 0, high);
    const wholes: Range = [isFirstWhole ? from : from + 1, isLastWhole ? to : to - 1];
    if (wholes[0] <= wholes[1]) whole.push(wholes);
  }
  const partly = new Map<string, { rest: Points; blocks: Range[] }>();
  for (const [block, rest] of parts) {
    const key = rest.join(";");
    const alike = partly.get(key);
    if (alike) alike.blocks.push([block, block]);
    else partly.set(key, { rest, blocks: [[block, block]] });
  }
  return { whole, partly };
}
