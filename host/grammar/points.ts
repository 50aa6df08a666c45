// Sets of characters, as ranges of code points. Knows nothing of bytes, nor of who asks for which.

/** Code points from one to another, both included. */
export type Range = readonly [first: number, last: number];

/** A set: ranges in ascending order that neither overlap nor touch. */
export type Points = readonly Range[];

export const POINT_MAX = 0x10ffff;
/** Every character there is. */
export const ALL: Points = [[0, POINT_MAX]];

/** The set of all code points in some ranges, in whatever order they come. */
export function pointsIn(ranges: readonly Range[]): Points {
  const sorted = [...ranges].sort(([a], [b]) => a - b);
  const merged: [number, number][] = [];
  for (const [first, last] of sorted) {
    const previous = merged[merged.length - 1];
    if (previous && first <= previous[1] + 1) previous[1] = Math.max(previous[1], last);
    else merged.push([first, last]);
  }
  return merged;
}

/** The set of all code points that are not in a set. */
export function pointsOutside(points: Points): Points {
  const outside: Range[] = [];
  let next = 0;
  for (const [first, last] of points) {
    if (first > next) outside.push([next, first - 1]);
    next = last + 1;
  }
  if (next <= POINT_MAX) outside.push([next, POINT_MAX]);
  return outside;
}
