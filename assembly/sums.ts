// Which form the relaxed build's products of nibbles take here: sums of 16 or of 32 bits (simd.ts).
// Both give the same integers; which is faster depends on what an engine makes of the dot product
// with 32-bit sums, and nobody tells: there are no names of processors, Workers have no clock, and
// elsewhere clocks mislead. But the result of operands that the standard leaves open shows how it
// was computed, here of activations 127, 127, -128, -128 and weights 255, 255, 128, 128:
//
//   32,514   signed bytes, four products summed at once: sdot (arm64 with dot products)
//   32,002   weights without a sign, at once: vpdpbusd (x86 with AVX-VNNI)
//       -1   the same, pairs saturate at 16 bits: vpmaddubsw, vpmaddwd, vpaddd (other x86)
//  -33,022   signed bytes, pairs wrap at 16 bits: smull, smull2, addp, saddlp, add (other arm64)
//
// At once means one instruction. On arm64 V8 and JavaScriptCore compute pairs in their first tier
// whatever the processor has, so the question is made hot once, and asked again before each pass
// until the answer is one of the first two. Knows nothing of what is multiplied.

import { isRight } from "./known";
import { setWide, sumsAreWide } from "./simd";

/** The answer that may change once engines compile the question well. */
const WRAPPED: i32 = -33022;
/**
 * Turns after which engines compile a loop well, in the background: twice what V8 wants (13,000,000
 * bytes of code, of which a turn has 108), and more than JavaScriptCore does. Seven million
 * instructions, once.
 */
const TURNS: i32 = 250_000;

/** Four activations, then four weights: in memory, so that no compiler computes with them. */
const operands = memory.data<u8>([127, 127, 128, 128, 255, 255, 128, 128], 4);

/** Whether somebody has said which form: then nothing is asked. The first thread's alone. */
let isSettled: bool = false;

/** Whether a result of `probe` tells of four products that are summed at once. */
export function isExact(result: i32): bool {
  return result == 32514 || result == 32002;
}

/** What the dot product with 32-bit sums gives for the operands, computed so many times. */
function probe(turns: i32): i32 {
  if (!ASC_FEATURE_RELAXED_SIMD) return 0; // there is no such instruction
  let result: i32 = 0;
  for (let i: i32 = 0; i < turns; i++) {
    result = i32x4.extract_lane(i32x4.relaxed_dot_i8x16_i7x16_add_s(
      v128.load32_splat(operands), v128.load32_splat(operands, 4), i32x4.splat(0)), 0);
  }
  return result;
}

/** Takes the form of 32-bit sums once it is the better one here; between passes only. */
export function chooseSums(): void {
  if (sumsAreWide() || isSettled) return;
  if (isExact(probe(1)) && isRight<i32>()) setWide(true);
}

/** Chooses, and says whether what is chosen computes rightly. */
export function areSumsRight(): bool {
  if (!ASC_FEATURE_RELAXED_SIMD) return true;
  chooseSums();
  if (sumsAreWide()) return isRight<i32>();
  if (probe(1) == WRAPPED) probe(TURNS);
  return isRight<i16>();
}

/**
 * Bits of the sums, 16 or 32: those in use, which are the ones that are asked for from now on when
 * it is either; between passes only. For those who measure or test, since nothing else changes.
 */
export function sumBits(asked: i32): i32 {
  if (!ASC_FEATURE_RELAXED_SIMD) return 32;
  if (asked == 16 || asked == 32) {
    isSettled = true;
    setWide(asked == 32);
  }
  return sumsAreWide() ? 32 : 16;
}
