// A source streamed through the engine: header, plan, tensor data. Nothing is held twice: pieces
// are read straight into the engine's memory. Knows nothing of files or addresses.

import type { Engine } from "./engine";
import { NibbleError } from "./errors";
import { read, readHead, skip, type Head } from "./head";
import type { LoadOptions } from "./options";
import { WEIGHT_TYPES, bytesOf } from "./options";
import type { Source, Stretch } from "./source";
import { joinParts } from "./split";
import type { Plan, Shared } from "./threads";

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
  share: (plan: Plan, limit: bigint) => Promise<Shared | undefined> = async () => undefined,
): Promise<Engine> {
  const { signal } = options;
  let shared: Shared | undefined;
  let data: Source | undefined;
  try {
    // What the user says of the file goes before what the source says of itself.
    const sha256 = options.sha256 ?? source.sha256;
    const digest = sha256 !== undefined ? new Digest(reader, [{ sha256, size: Infinity }])
      : source.stretches && new Digest(reader, source.stretches);
    let header: Header | undefined;
    if (source.parts) data = await joinParts(reader, source.parts, sha256, signal);
    else {
      data = digest ? hashed(digest, source) : source;
      header = await readHeader(reader, data, signal);
    }
    const plan = planOf(reader, options);
    const limit = options.memoryLimit === undefined ? 0n : BigInt(bytesOf(options.memoryLimit));
    shared = await share(plan, limit);
    // It is waited for below; should the load fail before, nobody hears of it.
    shared?.started.catch(() => undefined);
    signal?.throwIfAborted();
    const engine = shared?.engine ?? reader;
    if (shared && header) hand(header, reader, engine);
    else if (shared && source.parts) await joinParts(engine, source.parts, sha256, signal);
    engine.call((e) => e.plan(...plan, engine.threads, limit));
    await readData(engine, data, header?.rest ?? new Uint8Array(0), digest, options);
    await shared?.started;
    return engine;
  } catch (error) {
    shared?.engine.end();
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

/** The SHA-256 of stretches of a source, one after the other, taken by an engine. */
class Digest {
  readonly #engine: Engine;
  readonly #stretches: Stretch[];
  #left = 0;

  constructor(engine: Engine, stretches: readonly Stretch[]) {
    this.#engine = engine;
    this.#stretches = [...stretches];
    this.#begin();
  }

  #begin(): void {
    this.#left = this.#stretches[0]?.size ?? Infinity;
    this.#engine.exports.hashBegin();
  }

  /** Adds bytes of one stretch, which is checked with its last byte. Throws SHA256_MISMATCH. */
  add(bytes: Uint8Array): void {
    const engine = this.#engine;
    if (bytes.buffer === engine.exports.memory.buffer) {
      engine.call((e) => e.hashBytes(bytes.byteOffset, bytes.length));
    } else {
      const window = engine.exports.messageAddress();
      for (let at = 0; at < bytes.length; at += MESSAGE_BYTES) {
        const piece = bytes.subarray(at, at + MESSAGE_BYTES);
        engine.bytes(window, piece.length).set(piece);
        engine.call((e) => e.hashBytes(window, piece.length));
      }
    }
    this.#left -= bytes.length;
    if (this.#left > 0) return;
    this.end();
    this.#begin();
  }

  /** Checks the stretch that ends here, if any has begun. Throws SHA256_MISMATCH. */
  end(): void {
    const wanted = this.#stretches.shift()?.sha256.toLowerCase();
    if (wanted === undefined) return;
    this.#engine.exports.hashEnd();
    const found = this.#engine.text(this.#engine.exports.messageAddress(), 64);
    if (found === wanted) return;
    throw new NibbleError("SHA256_MISMATCH", `The SHA-256 is ${found}, not ${wanted}; this is `
      + "another file than expected, or it was damaged on the way.");
  }
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

/** The source, each byte of it passing through the digest. */
function hashed(digest: Digest, source: Source): Source {
  return {
    ...source,
    // As it is when it is asked for: of shards it changes.
    get name() {
      return source.name;
    },
    async read(target) {
      const count = await source.read(target);
      if (count > 0) digest.add(target.subarray(0, count));
      return count;
    },
  };
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
  const isDirect = engine.threads === 1 || source.takesShared === true;
  if (isDirect) return () => read(source, window(), signal);
  // Streams and the like take no memory that is shared.
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
    digest.end();
  }
  engine.call((e) => e.finish());
  progress();
}
