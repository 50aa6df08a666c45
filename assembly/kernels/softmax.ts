// Softmax over the attended positions, without the division: the values are summed first.
//
//   p[t] = exp(score[t] - max),  returns Σ p
//
// The maximum is taken over everything first. The sum goes in ascending blocks of 32 absolute
// positions; within a block four lanes of eight vectors, then the normative lane sum. So a result
// does not depend on how many rows are computed together, or by whom.

import { POSITION_BLOCK } from "../blocks";
import { exp4 } from "../math";
import { maxLanes, sumLanes } from "../simd";

/**
 *   scores      f32[last + 1 rounded up to 32], 16-byte aligned; becomes p
 *   first       the oldest position attended to
 *   last        the newest; whatever lies outside first..last in their blocks becomes zero
 */
export function softmax(scores: usize, first: i32, last: i32): f32 {
  assert(first <= last && (scores & 15) == 0);
  const begin = scores + ((<usize>(first & ~(POSITION_BLOCK - 1))) << 2);
  const end = scores + ((<usize>((last + POSITION_BLOCK) & ~(POSITION_BLOCK - 1))) << 2);
  for (let at = begin; at < scores + ((<usize>first) << 2); at += 4) store<f32>(at, -Infinity);
  for (let at = scores + ((<usize>(last + 1)) << 2); at < end; at += 4) store<f32>(at, -Infinity);

  // A NaN may be passed over here: its own exponential brings it back into the sum.
  let most = v128.load(begin);
  for (let at = begin; at < end; at += 16) most = f32x4.pmax(most, v128.load(at));
  const largest = f32x4.splat(maxLanes(most));

  let total: f32 = 0;
  for (let block = begin; block < end; block += POSITION_BLOCK << 2) {
    let sum = f32x4.splat(0);
    for (let at = block; at < block + (POSITION_BLOCK << 2); at += 16) {
      const p = exp4(f32x4.sub(v128.load(at), largest));
      v128.store(at, p);
      sum = f32x4.add(sum, p);
    }
    total += sumLanes(sum);
  }
  return total;
}
