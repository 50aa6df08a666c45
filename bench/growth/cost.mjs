// What one token reads of a shape, by counting: megabytes of weights and of the cache. Half of the
// cost model that growth.mjs fits; the other half is time.
// Does not know: how long anything takes.

import { BLOCK_BYTES, GROUP, tensorsOf } from "../models/tensors.mjs";

/** Bytes of the words that the bench feeds: five letters and a space, so a patch has six. */
export const WORD_BYTES = 6;

const MEGABYTE = 1e6;
/** Two scales, of a key and of a value. */
const SCALE_BYTES = 8;

/** Megabytes of weights that a token reads: what runs once a patch counts a sixth. */
export function weightsOf(shape) {
  const bytes = tensorsOf(shape).reduce((sum, { name, rows, columns }) => {
    if (name.startsWith("ngram")) return sum; // a row of each
    const own = rows === undefined ? columns * 4 : ((rows * columns) / GROUP) * BLOCK_BYTES;
    const isOfPatches = shape.architecture === "bytepool" && /^(blk|pool|unpool)/.test(name);
    return sum + (isOfPatches ? own / WORD_BYTES : own);
  }, 0);
  return bytes / MEGABYTE;
}

/** Megabytes of int8 keys and values that a token at a position looks back on. */
export function cacheOf(shape, position) {
  const read = ({ width, heads, kvHeads }, blocks, positions) =>
    blocks * kvHeads * positions * ((2 * width) / heads + SCALE_BYTES);
  if (shape.architecture === "llama") return read(shape.stack, shape.blocks, position) / MEGABYTE;
  const local = read(shape.local, shape.encoders + shape.decoders,
    Math.min(position, shape.window));
  const trunk = read(shape.trunk, shape.blocks, position / WORD_BYTES) / WORD_BYTES;
  return (local + trunk) / MEGABYTE;
}
