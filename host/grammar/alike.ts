// Continuations that differ in nothing but the rounds that are left of their loops, as few as say
// the same: each is a box, with a direction for every loop. Knows nothing of bytes or states.

import { joined } from "./boxes";
import type { Cells } from "./cells";

/** Continuations that can be followed by the same texts as `ready`, with none twice. */
export function joinedAlike(cells: Cells, ready: readonly number[]): number[] {
  const groups = new Map<number, number[]>();
  for (const cell of new Set(ready)) {
    const group = groups.get(cells.shapeOf(cell));
    if (group) group.push(cell);
    else groups.set(cells.shapeOf(cell), [cell]);
  }
  return [...groups.values()].flatMap((group) => (
    group.length === 1 ? group : joinedGroup(cells, group)));
}

/** Of continuations of one shape. */
function joinedGroup(cells: Cells, group: readonly number[]): readonly number[] {
  const ends = [...group];
  const boxes = group.map((): number[] => []);
  const chain: number[] = []; // the cells of the first, until all are the same
  while (ends.some((cell) => cell !== ends[0])) {
    const { rows } = cells;
    chain.push(ends[0] as number);
    ends.forEach((cell, i) => {
      const at = cell << 2;
      if ((rows[at] as number) < 0) boxes[i]?.push(rows[at + 1] as number, rows[at + 3] as number);
      ends[i] = rows[at + 2] as number;
    });
  }
  const fewer = joined(boxes);
  if (fewer.length === group.length) return group;
  return fewer.map((box) => {
    let side = box.length;
    return chain.reduceRight((next, cell) => {
      const part = cells.rows[cell << 2] as number;
      if (part >= 0) return cells.intern(part, 0, next, 0);
      side -= 2;
      return cells.intern(part, box[side] as number, next, box[side + 1] as number);
    }, ends[0] as number);
  });
}
