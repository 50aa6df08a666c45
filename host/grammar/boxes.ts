// Sets of boxes, made smaller without changing what is in them. A box is one range of whole numbers
// in each of its directions: [low, high, low, high, ...], both ends included. Knows nothing of what
// the numbers count.

/** So many are compared with each other; more are kept as they come. */
const COMPARED_MAX = 512;

/**
 * Boxes that cover the same points: none lies inside another, and none makes one box with another.
 * The same for the same boxes in whatever order they come.
 */
export function joined(boxes: readonly (readonly number[])[]): readonly (readonly number[])[] {
  const waiting = [...boxes].sort(order).reverse();
  const kept: (readonly number[])[] = [];
  const rest: (readonly number[])[] = [];
  for (let box = waiting.pop(); box; box = waiting.pop()) {
    if (kept.length >= COMPARED_MAX) {
      rest.push(box);
      continue;
    }
    let whole: readonly number[] | undefined = box;
    for (let i = kept.length - 1; i >= 0 && whole === box; i--) {
      const other = kept[i] as readonly number[];
      const both = union(box, other);
      if (!both) continue;
      if (isSame(both, other)) {
        whole = undefined; // it lies inside
        break;
      }
      kept.splice(i, 1);
      if (isSame(both, box)) continue; // the other does
      whole = both;
    }
    if (whole === box) kept.push(box);
    else if (whole) waiting.push(whole);
  }
  return [...kept, ...rest];
}

/** The box that is two boxes together; undefined if they make none. */
function union(a: readonly number[], b: readonly number[]): readonly number[] | undefined {
  let different = 0; // the last direction in which they differ
  let differences = 0;
  let isInA = true;
  let isInB = true;
  for (let i = 0; i < a.length; i += 2) {
    const [low = 0, high = 0, least = 0, most = 0] = [a[i], a[i + 1], b[i], b[i + 1]];
    if (low === least && high === most) continue;
    isInA &&= low <= least && most <= high;
    isInB &&= least <= low && high <= most;
    different = i;
    differences++;
    if (!isInA && !isInB && differences > 1) return undefined;
  }
  if (isInA) return a;
  if (isInB) return b;
  if (differences > 1) return undefined;
  const [low = 0, high = 0, least = 0, most = 0] =
    [a[different], a[different + 1], b[different], b[different + 1]];
  if (Math.max(low, least) > Math.min(high, most) + 1) return undefined;
  const both = [...a];
  both[different] = Math.min(low, least);
  both[different + 1] = Math.max(high, most);
  return both;
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a === b || a.every((number, i) => number === b[i]);
}

function order(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}
