// A model in several GGUF files, as llama.cpp's gguf-split cuts it: NAME-00001-of-00003.gguf and so
// on. Every part's header is read before the memory is planned; then their data, one part after the
// other. Knows nothing of what is in the headers: the engine joins them (assembly/parts.ts).

import type { Engine } from "./engine";
import { NibbleError } from "./errors";
import { read, readHead, skip } from "./head";
import type { Source } from "./source";

/** The engine's limit. */
const PARTS_MAX = 1024;

/** Paths or addresses of all parts, when a place is that of the first; undefined when of none. */
export function partsOf(place: string): string[] | undefined {
  const found = /^(.*-)(\d{5})-of-(\d{5})(\.gguf(?:[?#].*)?)$/is.exec(place);
  const count = Number(found?.[3]);
  if (!found || count < 2) return undefined;
  if (Number(found[2]) !== 1 || count > PARTS_MAX) {
    throw new NibbleError("SPLIT_FILE", `${place} is one of ${count} parts of a model; name the `
      + `first one (-00001-of-${found[3]}), of at most ${PARTS_MAX}.`);
  }
  return Array.from({ length: count }, (_, i) => (
    `${found[1]}${String(i + 1).padStart(5, "0")}-of-${found[3]}${found[4]}`));
}

/** A source of parts, each of which can be opened more than once. */
export function splitSource(
  name: string, parts: readonly (() => Promise<Source>)[],
): Source {
  return {
    name, parts,
    read: () => Promise.reject(new Error("parts are read one by one")),
    close: async () => undefined,
  };
}

/** Where the data of a part lies in its file, and how many zeros follow it. */
interface Place {
  open: () => Promise<Source>;
  start: number;
  bytes: number;
  padding: number;
}

/**
 * Gives the engine all headers; returns the data behind them as one source. Throws the engine's
 * failures with a part's name in front, and SPLIT_HASH.
 */
export async function joinParts(
  engine: Engine, parts: readonly (() => Promise<Source>)[], sha256: string | undefined,
  signal: AbortSignal | undefined,
): Promise<Source> {
  if (sha256 !== undefined) {
    throw new NibbleError("SPLIT_HASH", "A sha256 belongs to one file, and this model is in "
      + `${parts.length}; join them (llama-gguf-split --merge) or leave the hash out.`);
  }
  const { partRoom, join } = engine.exports;
  const places: Place[] = [];
  for (const open of parts) {
    await named(await open(), async (source) => {
      await readHead(engine, source, partRoom, join, signal);
    });
    const bytes = Number(engine.exports.partBytes());
    const padding = Number(engine.exports.partPadded()) - bytes;
    places.push({ open, start: Number(engine.exports.partStart()), bytes, padding });
  }
  const size = engine.exports.joinedBytes();
  engine.call((e) => e.open(Number(e.joinedHeader()), size));
  return dataOf(places, signal);
}

/** Works with a part and closes it; failures get its name. */
async function named(source: Source, work: (source: Source) => Promise<void>): Promise<void> {
  try {
    await work(source);
  } catch (cause) {
    if (!(cause instanceof NibbleError) || cause.message.startsWith(source.name)) throw cause;
    throw new NibbleError(cause.code, `${source.name}: ${cause.message}`, { cause });
  } finally {
    await source.close();
  }
}

/** The data of all parts, each opened again when its turn comes. */
function dataOf(places: readonly Place[], signal: AbortSignal | undefined): Source {
  const waiting = [...places];
  let current: Source | undefined;
  let left = 0;
  let zeros = 0;
  return {
    get name() {
      return current?.name ?? "the parts";
    },
    async read(target) {
      while (left === 0 && zeros === 0) {
        await current?.close();
        current = undefined;
        const place = waiting.shift();
        if (!place) return 0;
        current = await place.open();
        await skip(current, place.start, signal);
        left = place.bytes;
        zeros = place.padding;
      }
      if (left > 0) {
        const count = await read(current as Source, target.subarray(0, left), signal);
        left -= count;
        return count;
      }
      const count = Math.min(zeros, target.length);
      target.fill(0, 0, count);
      zeros -= count;
      return count;
    },
    async close() {
      await current?.close();
    },
  };
}
