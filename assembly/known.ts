// A known answer: the product that engines have been seen to get wrong, against the same sum taken
// one by one. What answers differently must not be used on that engine (V8 11.3 multiplies relaxed
// vectors to twice the right sum). Knows nothing of models, nor of which form of the product is
// better (sums.ts).

import { ACTIVATION_STEP_BYTES } from "./blocks";
import {
  ONES, dotNibbles, endNibbles, loadPart, nibbleMask, startOf, storeSteps,
} from "./simd";

const steps = memory.data(64, 16); // one activation group
const activations = memory.data(64, 16); // i16[32]: its numbers, in order

/**
 * Whether a group of the largest and of mixed numbers is summed as it should be, in sums of the
 * type S (simd.ts). The strict build has no such product: its answers are fixed by the standard.
 */
export function isRight<S>(): bool {
  return !ASC_FEATURE_RELAXED_SIMD || (isRightFor<S>(0) && isRightFor<S>(1));
}

/** Activation i of a group: ±127, or anything. */
function activationAt(kind: i32, i: i32): i32 {
  if (kind == 0) return i & 1 ? -127 : 127;
  return (i * 53 + 29) % 255 - 127;
}

/** Byte i of each vector: two nibbles. */
function byteAt(kind: i32, i: i32): i32 {
  if (kind == 0) return i & 1 ? 0 : 255;
  return (i * 101 + 7) & 255;
}

function isRightFor<S>(kind: i32): bool {
  for (let i: i32 = 0; i < 32; i++) {
    store<i16>(activations + ((<usize>i) << 1), <i16>activationAt(kind, i));
  }
  const q0 = v128.load(activations);
  const q1 = v128.load(activations, 16);
  const q2 = v128.load(activations, 32);
  const q3 = v128.load(activations, 48);
  const ones = v128.load(ONES);
  storeSteps(steps, q0, q1, q2, q3, false, 4);
  let sums = i32x4.splat(startOf<S>(q0, q1, q2, q3));
  let wanted: i32 = 0;
  for (let j: i32 = 0; j < 4; j++) {
    const step = steps + <usize>j * ACTIVATION_STEP_BYTES;
    sums = dotNibbles<S>(sums, sixteen(kind, j), loadPart(step, 0), loadPart(step, 1),
      loadPart(step, 2), loadPart(step, 3), nibbleMask());
    wanted += sumOf(kind, j);
  }
  return i32x4.all_true(i32x4.eq(endNibbles<S>(sums, ones), i32x4.splat(wanted)));
}

/** Vector j of a band whose four rows are alike. */
function sixteen(kind: i32, j: i32): v128 {
  let word: i32 = 0;
  for (let i: i32 = 0; i < 4; i++) word |= byteAt(kind, j * 4 + i) << (i * 8);
  return i32x4.splat(word);
}

/** The step's share of the sum, one product after the other. */
function sumOf(kind: i32, j: i32): i32 {
  let sum: i32 = 0;
  for (let i: i32 = j * 4; i < j * 4 + 4; i++) {
    const byte = byteAt(kind, i);
    sum += ((byte & 15) - 8) * activationAt(kind, i);
    sum += ((byte >> 4) - 8) * activationAt(kind, i + 16);
  }
  return sum;
}
