// Continuations written again: as near as a look ahead reaches, or for another automaton. Knows
// nothing of states.

import { END, type Cells } from "./cells";
import { NULLABLE } from "./facts";

/** A continuation as far as `depth` bytes can reach into it. */
export function near(cells: Cells, cell: number, facts: Uint8Array, depth: number): number {
  const chain: number[] = [];
  // Every part that is not nullable takes a byte at least.
  for (let bytes = 0; cell !== END && bytes <= depth;) {
    chain.push(cell);
    const at = cell << 2;
    const part = cells.rows[at] as number;
    if (part < 0) bytes += cells.rows[at + 1] as number;
    else if (((facts[part] as number) & NULLABLE) === 0) bytes++;
    cell = cells.rows[at + 2] as number;
  }
  let copy = END;
  for (let i = chain.length - 1; i >= 0; i--) {
    const at = (chain[i] as number) << 2;
    const [part = 0, least = 0, , most = 0] = cells.rows.subarray(at, at + 4);
    copy = cells.intern(part, Math.min(least, depth + 1), copy, Math.min(most, depth + 1));
  }
  return copy;
}

/** A continuation among other cells. `known` has those that were copied there before. */
export function copied(
  from: Cells, cell: number, to: Cells, known: Map<number, number>,
): number {
  const chain: number[] = [];
  for (; cell !== END && !known.has(cell); cell = from.rows[(cell << 2) + 2] as number) {
    chain.push(cell);
  }
  let copy = known.get(cell) ?? END;
  for (let i = chain.length - 1; i >= 0; i--) {
    const own = chain[i] as number;
    const [part = 0, least = 0, , most = 0] = from.rows.subarray(own << 2, (own << 2) + 4);
    copy = to.intern(part, least, copy, most);
    known.set(own, copy);
  }
  return copy;
}
