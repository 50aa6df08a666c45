// Bytes of a model, from wherever they come, one piece after the other. Knows nothing of what the
// bytes mean, nor of file systems (platform/).

import { NibbleError } from "./errors";
import type { FetchFunction } from "./options";

/** Bytes that have a hash of their own. */
export interface Stretch {
  readonly size: number;
  readonly sha256: string;
}

/** Something that can be read once from front to back. */
export interface Source {
  /** For messages: a path, an address, or what kind of thing it is. */
  readonly name: string;
  /** Bytes in all, where that is known. */
  readonly size?: number;
  /** What the bytes must hash to, where the source says so itself. */
  readonly sha256?: string;
  /** Or what stretches of them must, one after the other; no read reaches into the next. */
  readonly stretches?: readonly Stretch[];
  /** Of a model in several GGUF files: each of them, as often as it is asked for. */
  readonly parts?: readonly (() => Promise<Source>)[];
  /** Whether what `read` fills may lie in memory that threads share. */
  readonly takesShared?: boolean;
  /** Fills the beginning of `target`; returns how many bytes, 0 at the end. */
  read(target: Uint8Array): Promise<number>;
  close(): Promise<void>;
}

/** A stream whose length is known, such as an object of Cloudflare's R2. */
export interface StoredObject {
  readonly body: ReadableStream<Uint8Array>;
  readonly size: number;
  /** Its name in the store. */
  readonly key?: string;
}

/** What `load` takes; strings are paths or addresses. */
export type SourceInput =
  | string | URL | Response | Blob | StoredObject | ReadableStream<Uint8Array> | ArrayBuffer
  | Uint8Array;

/** Opens a path of the host's file system, where there is one. */
export type OpenPath = (path: string) => Promise<Source>;

/** What sources may need besides themselves. */
export interface Means {
  openPath?: OpenPath | undefined;
  /** Default the global one. */
  fetch?: FetchFunction | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * A source from any input. Strings are addresses when they begin with http://, https:// or file://,
 * else paths. Throws BAD_SOURCE, FETCH_FAILED, HTTP_STATUS, SOURCE_USED or what `openPath` throws.
 */
export async function openSource(input: SourceInput, means: Means): Promise<Source> {
  const { openPath } = means;
  if (typeof input === "string") {
    if (/^https?:\/\//i.test(input)) return fetchSource(input, means);
    if (/^file:\/\//i.test(input) && URL.canParse(input)) input = new URL(input);
    else if (openPath) return openPath(input);
  }
  if (typeof input === "string") {
    throw new NibbleError("BAD_SOURCE",
      "This platform has no file system; give a URL, a Response, a stream or bytes.");
  }
  if (input instanceof URL) {
    if (input.protocol === "file:" && openPath) return openPath(pathOf(input));
    return fetchSource(input.href, means);
  }
  if (input instanceof Uint8Array) return bytesSource(input);
  if (input instanceof ArrayBuffer) {
    // A buffer that was given to a worker has no bytes left and refuses to be looked at.
    return bytesSource(input.byteLength === 0 ? new Uint8Array(0) : new Uint8Array(input));
  }
  if (input instanceof Response) return responseSource(input, input.url || "response");
  if (input instanceof Blob) return streamSource(input.stream(), "blob", input.size);
  if (input instanceof ReadableStream) return streamSource(input, "stream");
  if (isStored(input)) {
    const name = typeof input.key === "string" ? printable(input.key) : "object";
    return streamSource(input.body, name, input.size);
  }
  throw new NibbleError("BAD_SOURCE",
    "A model is a path, a URL, a Response, a Blob, a ReadableStream or bytes.");
}

function isStored(input: unknown): input is StoredObject {
  const { body, size } = (input ?? {}) as Partial<StoredObject>;
  return body instanceof ReadableStream && typeof size === "number";
}

/** A name as messages show it: without the control characters that would break a line. */
export function printable(name: string): string {
  return name.replace(/[\x00-\x1f\x7f]/g, "?");
}

function pathOf(address: URL): string {
  try {
    return decodeURIComponent(address.pathname);
  } catch (cause) {
    throw new NibbleError("BAD_SOURCE",
      `${address.href} has a % that is no escape; write it as %25.`, { cause });
  }
}

/** Bytes that are in memory already. */
export function bytesSource(bytes: Uint8Array, name = "bytes"): Source {
  let at = 0;
  return {
    name,
    size: bytes.length,
    async read(target) {
      const piece = bytes.subarray(at, at + target.length);
      target.set(piece);
      at += piece.length;
      return piece.length;
    },
    async close() {},
  };
}

async function fetchSource(address: string, means: Means): Promise<Source> {
  const { signal, fetch = globalThis.fetch } = means;
  const name = printable(address);
  let response: Response;
  try {
    response = await fetch(address, signal ? { signal } : {});
  } catch (cause) {
    signal?.throwIfAborted();
    throw new NibbleError("FETCH_FAILED",
      `${name} could not be fetched: ${reasonOf(cause)}.`, { cause });
  }
  return responseSource(response, name);
}

/** The innermost reason of a failed fetch, which is where runtimes put the useful words. */
export function reasonOf(cause: unknown): string {
  let reason = cause;
  while (reason instanceof Error && reason.cause !== undefined) reason = reason.cause;
  const words = reason instanceof Error ? reason.message || reason.name : String(reason);
  return words.replace(/\s+/g, " ").replace(/\.$/, "");
}

export async function responseSource(response: Response, name: string): Promise<Source> {
  if (!response.ok) {
    await response.body?.cancel().catch(() => undefined); // nobody reads the page of the failure
    const answer = `${response.status} ${response.statusText}`.trimEnd();
    throw new NibbleError("HTTP_STATUS", `${name} answered ${answer}; check the address.`);
  }
  if (response.bodyUsed) {
    throw new NibbleError("SOURCE_USED", `The body of ${name} has been read already.`);
  }
  if (!response.body) return bytesSource(new Uint8Array(0), name);
  const length = Number(response.headers.get("content-length") ?? "");
  // With a content encoding the length counts packed bytes, not those that arrive here.
  const isPlain = !response.headers.get("content-encoding");
  return streamSource(response.body, name, isPlain && length > 0 ? length : undefined);
}

function streamSource(stream: ReadableStream<Uint8Array>, name: string, size?: number): Source {
  if (stream.locked) {
    throw new NibbleError("SOURCE_USED", `The ${name} is being read by something else already.`);
  }
  const reader = stream.getReader();
  let rest = new Uint8Array(0);
  return {
    name,
    ...(size === undefined ? {} : { size }),
    async read(target) {
      while (rest.length === 0) {
        const { done, value } = await readPiece(reader, name);
        if (done) return 0;
        if (!(value instanceof Uint8Array)) {
          throw new NibbleError("BAD_SOURCE", `The ${name} gives ${typeof value}s, not bytes.`);
        }
        rest = value as Uint8Array<ArrayBuffer>;
      }
      const piece = rest.subarray(0, target.length);
      target.set(piece);
      rest = rest.subarray(piece.length);
      return piece.length;
    },
    async close() {
      await reader.cancel().catch(() => undefined); // it may have failed, which was told already
    },
  };
}

async function readPiece(reader: ReadableStreamDefaultReader<Uint8Array>, name: string) {
  try {
    return await reader.read();
  } catch (cause) {
    if (cause instanceof Error && cause.name === "AbortError") throw cause;
    throw new NibbleError("FETCH_FAILED",
      `${name} broke off while it was read: ${reasonOf(cause)}.`, { cause });
  }
}
