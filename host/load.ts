// A source streamed through the engine: header, plan, tensor data. Nothing is held twice: pieces
// are read straight into the engine's memory. Knows nothing of files or addresses.

import type { Engine } from "./engine";
import { NibbleError } from "./errors";
import { read, readHead, skip } from "./head";
import type { LoadOptions } from "./options";
import { WEIGHT_TYPES, bytesOf } from "./options";
import type { Source } from "./source";
import { joinParts } from "./split";

/** Bytes of the engine's message buffer. */
const MESSAGE_BYTES = 1024;
/** Default context: longer ones are asked for, because the cache grows with them. */
const CONTEXT_DEFAULT = 2048;

/**
 * Loads a model into a fresh engine. The source is closed whatever happens.
 * Throws the engine's failures, SHA256_MISMATCH and the signal's reason, with the source's name in
 * front.
 */
export async function loadInto(
  engine: Engine, source: Source, options: LoadOptions,
): Promise<void> {
  let data: Source | undefined;
  try {
    // What the user says of the file goes before what the source says of itself.
    const sha256 = options.sha256 ?? source.sha256;
    let rest = new Uint8Array(0);
    if (source.parts) data = await joinParts(engine, source.parts, sha256, options.signal);
    else {
      data = sha256 === undefined ? source : hashed(engine, source);
      rest = await openHeader(engine, data, options.signal);
    }
    plan(engine, options);
    await readData(engine, data, rest, { ...options, sha256 });
  } catch (error) {
    options.signal?.throwIfAborted();
    const { name } = source.parts && data ? data : source;
    if (error instanceof NibbleError && !error.message.startsWith(name)) {
      throw new NibbleError(error.code, `${name}: ${error.message}`, { cause: error });
    }
    throw error;
  } finally {
    await data?.close();
    await source.close();
  }
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
function checkDigest(engine: Engine, wanted: string): void {
  engine.exports.hashEnd();
  const found = new TextDecoder().decode(engine.bytes(engine.exports.messageAddress(), 64));
  if (found === wanted.toLowerCase()) return;
  throw new NibbleError("SHA256_MISMATCH", `The SHA-256 is ${found}, not ${wanted.toLowerCase()}; `
    + "this is another file than expected, or it was damaged on the way.");
}

/** Reads the header into the engine; returns what was read beyond it. */
async function openHeader(
  engine: Engine, source: Source, signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const { headerRoom, open } = engine.exports;
  const { at, length } = await readHead(engine, source, headerRoom, open, signal);
  const header = Number(engine.exports.headerBytes());
  if (header <= length) return engine.bytes(at + header, length - header).slice();
  // The padding behind the directory has not come yet: it is skipped where data is read.
  await skip(source, header - length, signal);
  return new Uint8Array(0);
}

function plan(engine: Engine, options: LoadOptions): void {
  const context = options.context ?? Math.min(engine.fact("contextMax"), CONTEXT_DEFAULT);
  const weights = options.weights ? WEIGHT_TYPES[options.weights] : -1;
  const cache = options.cache === undefined ? -1 : options.cache === "int8" ? 1 : 0;
  const limit = options.memoryLimit === undefined ? 0n : BigInt(bytesOf(options.memoryLimit));
  engine.call((e) => e.plan(context, options.sessions ?? 1, weights, cache, 1, limit));
}

async function readData(
  engine: Engine, source: Source, rest: Uint8Array, options: LoadOptions,
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
  while (!engine.exports.hasAllData()) {
    const count = await read(source, engine.bytes(staging, room), options.signal);
    if (count === 0) break;
    engine.call((e) => e.write(count));
    loaded = Math.min(total, loaded + count);
    progress();
  }
  if (options.sha256 !== undefined) {
    // What follows the last tensor belongs to the file, too.
    while (await read(source, engine.bytes(staging, room), options.signal) > 0);
    checkDigest(engine, options.sha256);
  }
  engine.call((e) => e.finish());
  progress();
}
