// Arrays: `[`, items with `, ` between them, `]`. Where a prefix stands without `items`, nothing
// follows it, unless minItems asks for more. Knows nothing of what items are.

import { EMPTY, NOTHING, choice, literal, optional, repeat, rule, sequence, type Node }
  from "../syntax";
import { finiteValues } from "./finite";
import { COUNT_MAX, unsupported } from "./limits";
import { Chain, type Maker } from "./maker";
import type { Merged } from "./merged";
import type { Schema } from "./schema";
import { COMMA, textOf } from "./values";

/** So many different items come in any order; more only in that of the schema. */
const ORDERS_MAX = 8;

const OPEN = literal("[");
const CLOSE = literal("]");
const BETWEEN = literal(COMMA);

/** The arrays that meet a condition. */
export function arrayNode(part: Merged, maker: Maker): Node {
  const { schemas, place, minItems, unlike } = part;
  if (unlike.some((value) => Array.isArray(value) && value.length > 0)) {
    throw unsupported(place, "excludes an array by its value, which is not supported");
  }
  const prefix = Math.max(0, ...schemas.map((it) => (it.prefixItems ?? []).length));
  const isClosed = prefix > 0 && minItems <= prefix && !schemas.some((it) => it.items);
  const most = Math.min(part.maxItems, isClosed ? prefix : Infinity);
  const isUnique = schemas.some((it) => it.isUnique) && most > 1;
  const counted = schemas.filter(({ contains, minContains = 1, maxContains }) => (
    contains && (minContains > 0 || maxContains !== undefined)));
  if (counted.length > 1 || counted.length > 0 && isUnique) {
    throw unsupported(place, `has contains beside ${isUnique ? "uniqueItems" : "another contains"}`
      + ", which is not supported");
  }
  if (isUnique) return uniqueItems(part, prefix, most, maker);
  const [counting] = counted;
  if (counting) return countedItems(part, counting, prefix, most, maker);
  return sequence(OPEN, items(part, prefix, most, maker), CLOSE);
}

function items(part: Merged, prefix: number, most: number, maker: Maker): Node {
  const { branches, budget } = maker;
  const { minItems } = part;
  const item = (index: number): Node => maker.value(branches.itemsAt(part, index));
  budget.spend(prefix, part.place, "items");
  if (prefix === 0) {
    if (most === 0) return EMPTY;
    const one = item(0);
    const some = sequence(one, repeat(sequence(BETWEEN, one), Math.max(0, minItems - 1), most - 1));
    return minItems === 0 ? optional(some) : some;
  }
  // From the last of the prefix to the first, each with what follows it.
  const last = Math.min(prefix, most);
  let rest: Node = last === most ? EMPTY : repeat(sequence(BETWEEN, item(prefix)),
    Math.max(0, minItems - prefix), most - prefix);
  for (let i = last - 1; i >= 0; i--) {
    const index = maker.rules.reserve();
    const some = sequence(...(i > 0 ? [BETWEEN] : []), item(i), rest);
    maker.rules.set(index, i < minItems ? some : optional(some));
    rest = rule(index);
  }
  return rest;
}

/** Arrays of which a number of items is of a kind. */
function countedItems(
  part: Merged, counting: Schema, prefix: number, most: number, maker: Maker,
): Node {
  const { place, minItems } = part;
  const { contains, minContains = 1, maxContains = Infinity } = counting;
  const kind = contains as Schema;
  // Beyond these nothing differs.
  const countMax = maxContains === Infinity ? minContains : maxContains;
  const indexMax = most === Infinity ? Math.max(prefix, minItems) : most;
  const opposite = maker.branches.opposite(kind);
  const chain = new Chain<readonly [index: number, count: number, isFirst: boolean]>(
    maker, place, "items", rule, ([index, count, isFirst]) => {
      const options: Node[] = index >= minItems && count >= minContains ? [CLOSE] : [];
      if (index < most) {
        const asked = maker.branches.itemsAt(part, index);
        const then = (schemas: readonly Schema[], counts: number): Node => sequence(
          ...(isFirst ? [] : [BETWEEN]), maker.value(schemas),
          chain.at([Math.min(index + 1, indexMax), Math.min(count + counts, countMax), false]));
        if (count < maxContains) options.push(then([...asked, kind], 1));
        // Without an upper bound, an item of the kind need not be counted.
        options.push(then(maxContains === Infinity ? asked : [...asked, opposite], 0));
      }
      return choice(...options);
    });
  const first = chain.at([0, 0, true]);
  chain.finish();
  return sequence(OPEN, first);
}

/** Arrays of different items, out of a list of values. */
function uniqueItems(part: Merged, prefix: number, most: number, maker: Maker): Node {
  const { place, minItems } = part;
  const values = prefix === 0 ? finiteValues(maker.branches.itemsAt(part, 0), maker.branches)
    : undefined;
  if (!values) {
    throw unsupported(place, "has uniqueItems, which can be kept only where all items are out of "
      + "one list of values");
  }
  const literals = values.map((value) => literal(textOf(value)));
  const isInOrder = values.length > ORDERS_MAX;
  const countMax = most === Infinity ? Math.max(minItems, 1) : Math.min(most, COUNT_MAX);
  const chain = new Chain<{ readonly used: readonly number[]; readonly count: number }>(
    maker, place, "items", rule, ({ used, count }) => {
      maker.budget.spend(1 + (values.length >> 1), place, "items");
      const from = isInOrder ? (used[0] ?? -1) + 1 : 0;
      const options: Node[] = count >= minItems ? [CLOSE] : [];
      for (let i = from; i < values.length && count < most; i++) {
        if (!isInOrder && used.includes(i)) continue;
        options.push(sequence(...(count > 0 ? [BETWEEN] : []), literals[i] as Node,
          chain.at({ used: isInOrder ? [i] : [...used, i].sort((a, b) => a - b),
            count: Math.min(count + 1, countMax) })));
      }
      return options.length > 0 ? choice(...options) : NOTHING;
    });
  const first = chain.at({ used: [], count: 0 });
  chain.finish();
  return sequence(OPEN, first);
}
