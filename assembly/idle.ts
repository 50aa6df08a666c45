// Scratch of the forward pass, lent to what runs between passes and leaves nothing behind: the
// sampler and the tokenizer. Knows nothing of what they do with it.

import { ROWS_MAX } from "./blocks";
import { scratch } from "./batch";
import { SCRATCH, reserve } from "./plan";

/** Room for `bytes`: where a pass has its gates, if these take as much. */
export function lendGates(bytes: u64): usize {
  return bytes <= hiddenBytes() ? scratch.gates : reserve(SCRATCH, bytes);
}

/** Room for `bytes` more: where a pass has its ups. */
export function lendUps(bytes: u64): usize {
  return bytes <= hiddenBytes() ? scratch.ups : reserve(SCRATCH, bytes);
}

function hiddenBytes(): u64 {
  return <u64>scratch.hiddenStride * ROWS_MAX;
}
