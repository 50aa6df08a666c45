// The beginning of a source, as much as the engine's parser asks for. Knows nothing of what comes
// behind it.

import { EMPTY_SOURCE, NEED_MORE, type Engine } from "./engine";
import type { Source } from "./source";
import { unlessAborted } from "./waiting";

/** First read; enough for small headers whole. Doubled until the header is complete. */
const FIRST_BYTES = 65536;
const HEADER_BYTES_MAX = 32 << 20;

/** Where a header lies in an engine, and how many bytes are there. */
export interface Head {
  readonly at: number;
  readonly length: number;
  /** Of the whole source; 0 while unknown. */
  readonly size: bigint;
}

/**
 * Reads until a header is whole.
 *   room    makes room in the engine, and says where
 *   parse   tries what has come: NEED_MORE, or another result
 */
export async function readHead(
  engine: Engine, source: Source, room: (bytes: number) => number,
  parse: (length: number, size: bigint) => number, signal: AbortSignal | undefined,
): Promise<Head> {
  const known = BigInt(source.size ?? 0);
  let length = 0;
  for (let wanted = FIRST_BYTES; ; wanted = Math.min(wanted * 2, HEADER_BYTES_MAX)) {
    const at = engine.call(() => room(wanted));
    let ended = false;
    while (length < wanted && !ended) {
      const count = await read(source, engine.bytes(at + length, wanted - length), signal);
      ended = count === 0;
      length += count;
    }
    if (ended && length === 0) throw engine.failure(EMPTY_SOURCE);
    const size = ended ? BigInt(length) : known;
    const status = parse(length, size);
    if (status === NEED_MORE) continue;
    engine.call(() => status);
    return { at, length, size };
  }
}

/** Reads a piece, but waits no longer than until the signal says so. */
export function read(
  source: Source, target: Uint8Array, signal: AbortSignal | undefined,
): Promise<number> {
  return unlessAborted(() => source.read(target), signal);
}

/** Bytes that are skipped at once. */
const SKIPPED_BYTES = 65536;

/** Reads `count` bytes and forgets them; fewer when the source ends. */
export async function skip(
  source: Source, count: number, signal: AbortSignal | undefined,
): Promise<void> {
  const waste = new Uint8Array(Math.min(count, SKIPPED_BYTES));
  for (let left = count; left > 0;) {
    const got = await read(source, waste.subarray(0, Math.min(left, waste.length)), signal);
    if (got === 0) return;
    left -= got;
  }
}
