// Bytes as a stream that does not say how many there are.
// Does not know: what the bytes mean.

/** A stream of `bytes` in pieces of `size`; `end` may break it off instead of closing it. */
export function streamOf(
  bytes: Uint8Array, size: number, end?: Error,
): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at < bytes.length) {
        controller.enqueue(bytes.slice(at, at + size));
        at += size;
      } else if (end) {
        controller.error(end);
      } else {
        controller.close();
      }
    },
  });
}
