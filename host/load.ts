// A source streamed through the engine: header, plan, tensor data. Nothing is held twice: pieces
// are read straight into the engine's memory. Knows nothing of files or addresses.

import type { Engine } from "./engine";
import { NibbleError } from "./errors";
import { read, readHead, skip, type Head } from "./head";
import type { LoadOptions } from "./options";
import { WEIGHT_TYPES, bytesOf } from "./options";
import type { Source } from "./source";
import { joinParts } from "./split";
import type { Plan } from "./threads";

/** Bytes of the engine's message buffer. */
const MESSAGE_BYTES = 1024;
/** Default context: longer ones are asked for, because the cache grows with them. */
const CONTEXT_DEFAULT = 2048;

/**
 * Loads a model and returns the engine that has it: the `reader`, a fresh one which reads the
 * header, or what `share` gives for the plan, a fresh engine of several threads. The source is
 * closed whatever happens. Throws the engine's failures, SHA256_MISMATCH and the signal's reason,
 * with the source's name in front.
 */
export async function loadInto(
  reader: Engine, source: Source, options: LoadOptions,
  share: (plan: Plan, limit: bigint) => Promise<Engine | undefined> = async () => undefined,
): Promise<Engine> {
  const { signal } = options;
  let shared: Engine | undefined;
  let data: Source | undefined;
  try {
    // What the user says of the file goes before what the source says of itself.
    const sha256 = options.sha256 ?? source.sha256;
    const digest = sha256 === undefined ? undefined : { sha256, engine: reader };
    let header: Header | undefined;
    if (source.parts) data = await joinParts(reader, source.parts, sha256, signal);
    else {
      data = digest ? hashed(reader, source) : source;
      header = await readHeader(reader, data, signal);
    }
    const plan = planOf(reader, options);
    const limit = options.memoryLimit === undefined ? 0n : BigInt(bytesOf(options.memoryLimit));
    shared = await share(plan, limit);
    if (shared && header) hand(header, reader, shared);
    else if (shared && source.parts) await joinParts(shared, source.parts, sha256, signal);
    const engine = shared ?? reader;
    engine.call((e) => e.plan(...plan, engine.threads, limit));
    await readData(engine, data, header?.rest ?? new Uint8Array(0), digest, options);
    return engine;
  } catch (error) {
    shared?.end();
    signal?.throwIfAborted();
    const { name } = source.parts && data ? data : source;
    if (error instanceof NibbleError && !error.message.startsWith(name)) {
      throw new NibbleError(error.code, `${name}: ${error.message}`, { cause: error });
    }
    throw error;
  } finally {
    await data?.close();
    if (data !== source) await source.close();
  }
}

/** A SHA-256 that is to be checked, and the engine that takes it. */
interface Digest {
  readonly sha256: string;
  readonly engine: Engine;
}

/** The header that an engine has read, and where it lies there. */
interface Header extends Head {
  /** What was read beyond it. */
  readonly rest: Uint8Array;
}

/** Has another engine read the header that the first one has read. */
function hand({ at, length, size }: Header, first: Engine, other: Engine): void {
  const room = other.call((e) => e.headerRoom(length));
  other.bytes(room, length).set(first.bytes(at, length));
  other.call((e) => e.open(length, size));
}

/** The source, each byte of it passing through the engine's SHA-256. */
function hashed(engine: Engine, source: Source): Source {
  engine.exports.hashBegin();
  return {
    ...source,
    async read(target) {
      const count = await source.read(target);
      const bytes = target.subarray(0, count);
      if (bytes.buffer === engine.exports.memory.buffer) {
        engine.call((e) => e.hashBytes(bytes.byteOffset, count));
        return count;
      }
      const window = engine.exports.messageAddress();
      for (let at = 0; at < count; at += MESSAGE_BYTES) {
        const piece = bytes.subarray(at, at + MESSAGE_BYTES);
        engine.bytes(window, piece.length).set(piece);
        engine.call((e) => e.hashBytes(window, piece.length));
      }
      return count;
    },
  };
}

/** Throws SHA256_MISMATCH. */
function checkDigest({ engine, sha256 }: Digest): void {
  engine.exports.hashEnd();
  const found = engine.text(engine.exports.messageAddress(), 64);
  const wanted = sha256.toLowerCase();
  if (found === wanted) return;
  throw new NibbleError("SHA256_MISMATCH", `The SHA-256 is ${found}, not ${wanted}; this is `
    + "another file than expected, or it was damaged on the way.");
}

/** Has the engine read the header. */
async function readHeader(
  engine: Engine, source: Source, signal: AbortSignal | undefined,
): Promise<Header> {
  const { headerRoom, open } = engine.exports;
  const head = await readHead(engine, source, headerRoom, open, signal);
  const bytes = Number(engine.exports.headerBytes());
  let rest = new Uint8Array(0);
  if (bytes <= head.length) rest = engine.bytes(head.at + bytes, head.length - bytes).slice();
  // The padding behind the directory has not come yet: it is skipped where data is read.
  else await skip(source, bytes - head.length, signal);
  return { ...head, rest };
}

/** Reads piece after piece into the engine's staging window; each call gives a piece's length. */
function stagedReader(
  engine: Engine, source: Source, signal: AbortSignal | undefined,
): () => Promise<number> {
  const window = (): Uint8Array<ArrayBuffer> =>
    engine.bytes(engine.exports.stagingAddress(), engine.exports.stagingBytes());
  if (engine.threads === 1) return () => read(source, window(), signal);
  // Not every reader takes memory that is shared.
  const piece = new Uint8Array(engine.exports.stagingBytes());
  return async () => {
    const count = await read(source, piece, signal);
    window().set(piece.subarray(0, count));
    return count;
  };
}

function planOf(engine: Engine, options: LoadOptions): Plan {
  const context = options.context ?? Math.min(engine.fact("contextMax"), CONTEXT_DEFAULT);
  const weights = options.weights ? WEIGHT_TYPES[options.weights] : -1;
  const cache = options.cache === undefined ? -1 : options.cache === "int8" ? 1 : 0;
  return [context, options.sessions ?? 1, weights, cache];
}

async function readData(
  engine: Engine, source: Source, rest: Uint8Array, digest: Digest | undefined,
  options: LoadOptions,
): Promise<void> {
  const staging = engine.exports.stagingAddress();
  const room = engine.exports.stagingBytes();
  const total = Number(engine.exports.modelBytes());
  let loaded = Number(engine.exports.headerBytes());
  const progress = (): void => options.onProgress?.({ loadedBytes: loaded, totalBytes: total });
  progress();
  for (let at = 0; at < rest.length; at += room) {
    const piece = rest.subarray(at, at + room);
    engine.bytes(staging, piece.length).set(piece);
    engine.call((e) => e.write(piece.length));
    loaded = Math.min(total, loaded + piece.length);
  }
  const readPiece = stagedReader(engine, source, options.signal);
  while (!engine.exports.hasAllData()) {
    const count = await readPiece();
    if (count === 0) break;
    engine.call((e) => e.write(count));
    loaded = Math.min(total, loaded + count);
    progress();
  }
  if (digest) {
    // What follows the last tensor belongs to the file, too.
    while (await readPiece() > 0);
    checkDigest(digest);
  }
  engine.call((e) => e.finish());
  progress();
}
