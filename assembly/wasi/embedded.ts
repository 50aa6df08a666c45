// The model that a build with a story inside carries (scripts/story.mjs puts it there, in a segment
// of data that takes no memory until it is read). Knows nothing of what its bytes mean.

// @ts-ignore: decorator
@external("story", "size")
declare function storySize(): i32;
// @ts-ignore: decorator
@external("story", "read")
declare function storyRead(target: usize, offset: i32, length: i32): void;

let taken: i32 = 0;

/** Whether this build carries a model; decided when it is compiled. */
// @ts-ignore: decorator
@inline export function isEmbedded(): bool {
  return isDefined(NIBBLE_STORY);
}

/** Bytes of the model. */
export function embeddedBytes(): i32 {
  return isDefined(NIBBLE_STORY) ? storySize() : 0;
}

/** Copies the next bytes to `target`; returns how many, 0 at the end. */
export function readEmbedded(target: usize, length: i32): i32 {
  const count = min<i32>(length, embeddedBytes() - taken);
  if (isDefined(NIBBLE_STORY)) storyRead(target, taken, count);
  taken += count;
  return count;
}

/** Continues reading at `offset`. */
export function seekEmbedded(offset: i64): void {
  taken = <i32>min<i64>(offset, embeddedBytes());
}
