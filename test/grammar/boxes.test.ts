// Boxes against the points in them, counted one by one. Does not know: what boxes are for.

import { expect, it } from "vitest";
import { joined } from "../../host/grammar/boxes";
import { Random } from "../kernels";

const SIDE = 5;

function pointsOf(box: readonly number[]): string[] {
  let points = [""];
  for (let i = 0; i < box.length; i += 2) {
    const [low = 0, high = 0] = [box[i], box[i + 1]];
    points = points.flatMap((point) => Array.from({ length: high - low + 1 },
      (_, more) => `${point} ${low + more}`));
  }
  return points;
}

it("covers the same points with boxes of which none is in another", () => {
  const random = new Random(3);
  let fewer = 0;
  for (let round = 0; round < 3000; round++) {
    const sides = random.whole(0, 4);
    const boxes = Array.from({ length: random.whole(1, 9) }, () => (
      Array.from({ length: sides }, () => {
        const low = random.whole(0, SIDE);
        return [low, random.whole(low, SIDE)];
      }).flat()));
    const found = joined(boxes);
    const inside = new Set(boxes.flatMap(pointsOf));
    expect(new Set(found.flatMap(pointsOf)), JSON.stringify(boxes)).toEqual(inside);
    for (const [i, box] of found.entries()) {
      for (const other of found.slice(i + 1)) {
        expect([box, other].map((it) => pointsOf(it).length).sort(), JSON.stringify(boxes))
          .not.toContain(new Set([...pointsOf(box), ...pointsOf(other)]).size);
      }
    }
    expect(joined([...boxes].reverse())).toEqual(found);
    if (found.length < boxes.length) fewer++;
  }
  expect(fewer).toBeGreaterThan(1000);
});

it("makes one of ranges that touch, and keeps those that do not", () => {
  expect(joined([[0, 2], [3, 4]])).toEqual([[0, 4]]);
  expect(joined([[0, 2], [4, 4]])).toHaveLength(2);
  expect(joined([[0, 9, 0, 1, 0, 0], [0, 9, 2, 3, 0, 0], [0, 9, 0, 3, 1, 1]]))
    .toEqual([[0, 9, 0, 3, 0, 1]]);
  expect(joined([[0, 1, 0, 2, 0, 3], [1, 2, 1, 3, 1, 4]])).toHaveLength(2);
});
