// The tokens that may come next: their chances by id, and those that are left as a heap, which a
// sort turns into a list, the likeliest first; among equals the lower id comes first. Knows nothing
// of why any of them is left out.

import { vocabulary } from "./config";
import { lendGates, lendUps } from "./idle";

/** f32[vocabulary rounded up to 4]: logits, then probabilities that are not normalised. */
export let chances: usize = 0;
/** u32[vocabulary]: a number for each recent token; then the ids that are left. */
let chosen: usize = 0;

export function layoutCandidates(): void {
  chances = lendGates(((<u64>vocabulary + 3) & ~3) * 4);
  chosen = lendUps(<u64>vocabulary * 4);
}

// @ts-ignore: decorator
@inline export function chance(token: u32): f32 {
  return load<f32>(chances + ((<usize>token) << 2));
}

// @ts-ignore: decorator
@inline export function chosenAt(index: i32): u32 {
  return load<u32>(chosen + ((<usize>index) << 2));
}

// @ts-ignore: decorator
@inline export function setChosen(index: i32, token: u32): void {
  store<u32>(chosen + ((<usize>index) << 2), token);
}

/** Whether `a` comes after `b` in the order of the sampler: less likely, or equal and higher. */
// @ts-ignore: decorator
@inline export function isAfter(a: u32, b: u32): bool {
  const p = chance(a);
  const q = chance(b);
  return p < q || (p == q && a > b);
}

/** Whether all of the four from the i-th on are below a bound. */
// @ts-ignore: decorator
@inline export function isBelow(i: i32, bounds: v128): bool {
  return !v128.any_true(f32x4.ge(v128.load(chances + ((<usize>i) << 2)), bounds));
}

/** The `wanted` largest of at least `least`, as a heap with the last of them on top. */
export function select(wanted: i32, least: f64): i32 {
  // Rounded down, so that whatever is below it is below `least`, too.
  const lowest = f32x4.splat(<f32>(least * (1 - 0.000001)));
  let count: i32 = 0;
  let i: i32 = 0;
  while (i < vocabulary) {
    const bounds = count < wanted ? lowest : f32x4.splat(chance(chosenAt(0)));
    if ((i & 3) == 0 && isBelow(i, bounds)) {
      i += 4;
      continue;
    }
    if (<f64>chance(i) >= least) count = offer(i, count, wanted);
    i++;
  }
  return count;
}

/** Puts a token into a heap of at most `wanted`, if it belongs there; returns its new size. */
export function offer(token: i32, count: i32, wanted: i32): i32 {
  if (count < wanted) {
    setChosen(count, token);
    siftUp(count);
    return count + 1;
  }
  if (isAfter(chosenAt(0), token)) {
    setChosen(0, token);
    siftDown(0, count);
  }
  return count;
}

function siftUp(index: i32): void {
  const token = chosenAt(index);
  while (index > 0) {
    const parent = (index - 1) >> 1;
    if (!isAfter(token, chosenAt(parent))) break;
    setChosen(index, chosenAt(parent));
    index = parent;
  }
  setChosen(index, token);
}

function siftDown(index: i32, count: i32): void {
  const token = chosenAt(index);
  while (true) {
    let child = 2 * index + 1;
    if (child >= count) break;
    if (child + 1 < count && isAfter(chosenAt(child + 1), chosenAt(child))) child++;
    if (!isAfter(chosenAt(child), token)) break;
    setChosen(index, chosenAt(child));
    index = child;
  }
  setChosen(index, token);
}

/** The second half of a heap sort: the last goes to the end, again and again. */
export function sortDescending(count: i32): void {
  for (let end = count - 1; end > 0; end--) {
    const last = chosenAt(0);
    setChosen(0, chosenAt(end));
    setChosen(end, last);
    siftDown(0, end);
  }
}
