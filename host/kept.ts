// A download that is kept: pieces of a file in Cache Storage, written as they come, so that an
// interrupted download goes on where it stopped and the next visit needs no network. Where there is
// no room the file is read from the network all the same. Knows nothing of what the bytes mean.
//
//   ADDRESS?nibble-kept          {"size":N,"tag":"...","pieces":N}: what has come whole so far
//   ADDRESS?nibble-kept=0, 1 ..  pieces of PIECE_BYTES each, the last one shorter

import { NibbleError } from "./errors";
import type { FetchFunction } from "./options";
import { printable } from "./source";

/** The part of Cache Storage that is needed; `caches.open(name)` gives one. */
export interface Store {
  match(address: string): Promise<Response | undefined>;
  put(address: string, response: Response): Promise<void>;
  delete(address: string): Promise<boolean>;
}

/** What is known of a file that is being kept. */
interface Ledger {
  /** Bytes in all, or 0 while unknown. */
  size: number;
  /** ETag or Last-Modified: pieces of another version are of no use. */
  tag: string;
  pieces: number;
}

/** One piece: large enough for few entries, small enough to be held in memory beside the model. */
export const PIECE_BYTES = 4 << 20;

const ledgerAddress = (address: string): string => withQuery(address, "nibble-kept");
const pieceAddress = (address: string, index: number): string =>
  withQuery(address, `nibble-kept=${index}`);

function withQuery(address: string, query: string): string {
  const url = new URL(address);
  url.hash = "";
  url.search += (url.search ? "&" : "?") + query;
  return url.href;
}

/** Forgets a file, so that the next time it comes from the network. */
export async function forgetKept(store: Store, address: string): Promise<void> {
  const ledger = await readLedger(store, address);
  await store.delete(ledgerAddress(address));
  for (let i = 0; i <= (ledger?.pieces ?? 0); i++) await store.delete(pieceAddress(address, i));
}

async function readLedger(store: Store, address: string): Promise<Ledger | undefined> {
  const response = await store.match(ledgerAddress(address));
  try {
    const ledger = await response?.json() as Ledger | undefined;
    const isWhole = ledger && [ledger.size, ledger.pieces].every(Number.isSafeInteger);
    return isWhole && typeof ledger.tag === "string" ? ledger : undefined;
  } catch {
    return undefined; // whatever lies there is not ours
  }
}

/**
 * A fetch that keeps what it is asked for: it answers with what is kept, then with the rest from
 * the network, kept as it comes. Failures are those of `fetch` and of the server.
 *   warn   is told, in a sentence, why a file will not be kept
 */
export function keepingFetch(
  store: Store, fetch: FetchFunction, warn: (sentence: string) => void,
): FetchFunction {
  return async (address, init) => {
    const kept = await readLedger(store, address).catch(() => undefined);
    const have = (kept?.pieces ?? 0) * PIECE_BYTES;
    if (kept && kept.size > 0 && have >= kept.size) {
      return answerOf(keptPieces(store, address, kept), kept.size);
    }
    if (kept && have > 0 && kept.tag !== "") {
      const rest = await restOf(address, have, kept, fetch, init);
      if (rest) {
        return answerOf(both(keptPieces(store, address, kept),
          keepPieces(store, address, kept, rest, warn), rest), kept.size);
      }
    }
    const response = await fetch(address, init);
    await forgetKept(store, address).catch(() => undefined);
    const ledger = ledgerOf(response);
    // Without a size nobody could tell a whole file from an interrupted one.
    if (!response.ok || ledger.size === 0) return response;
    return answerOf(keepPieces(store, address, ledger, response, warn), ledger.size);
  };
}

/**
 * The bytes from `have` on of the version that is kept; undefined when the server has another one,
 * knows no ranges, or may not be asked for them from here.
 */
async function restOf(
  address: string, have: number, { size, tag }: Ledger, fetch: FetchFunction,
  init: Parameters<FetchFunction>[1],
): Promise<Response | undefined> {
  const headers = { "range": `bytes=${have}-`, "if-range": tag };
  const response = await fetch(address, { ...init, headers }).catch(() => undefined);
  init.signal?.throwIfAborted();
  const range = response?.headers.get("content-range"); // hidden by some servers of other origins
  const isRest = response?.status === 206 && (range
    ? range === `bytes ${have}-${size - 1}/${size}`
    : Number(response.headers.get("content-length")) === size - have);
  if (isRest) return response;
  await response?.body?.cancel().catch(() => undefined);
  return undefined;
}

function ledgerOf(response: Response): Ledger {
  const length = Number(response.headers.get("content-length") ?? "");
  const isPlain = !response.headers.get("content-encoding");
  return {
    size: isPlain && length > 0 ? length : 0,
    tag: response.headers.get("etag") ?? response.headers.get("last-modified") ?? "",
    pieces: 0,
  };
}

type Bytes = AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined>;

function answerOf(bytes: Bytes, size: number): Response {
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const next = await bytes.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
    cancel: () => bytes.return().then(() => undefined),
  });
  return new Response(body, { headers: { "content-length": String(size) } });
}

/** The pieces that are there now, one after the other. */
async function* keptPieces(store: Store, address: string, { size, pieces }: Ledger): Bytes {
  for (let index = 0; index < pieces; index++) {
    const response = await store.match(pieceAddress(address, index));
    const piece = new Uint8Array(await response?.arrayBuffer() ?? new ArrayBuffer(0));
    if (piece.length !== Math.min(PIECE_BYTES, size - index * PIECE_BYTES)) {
      await forgetKept(store, address);
      throw new NibbleError("FETCH_FAILED", `a kept piece of ${printable(address)} is gone or `
        + "damaged; all have been forgotten, so load the model again");
    }
    yield piece;
  }
}

/** What comes from the network, kept piece by piece as it passes. */
async function* keepPieces(
  store: Store, address: string, ledger: Ledger, response: Response,
  warn: (sentence: string) => void,
): Bytes {
  const piece = new Uint8Array(PIECE_BYTES);
  let filled = 0;
  let keeps = true;

  async function keep(): Promise<void> {
    try {
      await store.put(pieceAddress(address, ledger.pieces), new Response(piece.slice(0, filled)));
      ledger.pieces++;
      await store.put(ledgerAddress(address), Response.json(ledger));
    } catch (cause) {
      keeps = false;
      await forgetKept(store, address).catch(() => undefined);
      warn(`${printable(address)} is not kept for the next visit: ${String(cause)}.`);
    }
    filled = 0;
  }

  const reader = response.body?.getReader();
  try {
    for (;;) {
      const { done, value } = await reader?.read() ?? { done: true, value: undefined };
      if (done) return;
      for (let at = 0; keeps && at < value.length;) {
        const part = value.subarray(at, at + PIECE_BYTES - filled);
        piece.set(part, filled);
        filled += part.length;
        at += part.length;
        const total = ledger.pieces * PIECE_BYTES + filled;
        if (filled === PIECE_BYTES || total === ledger.size) await keep();
      }
      yield value;
    }
  } finally {
    await reader?.cancel().catch(() => undefined);
  }
}

/** One behind the other; `response` is where the second comes from. */
async function* both(first: Bytes, second: Bytes, response: Response): Bytes {
  try {
    yield* first;
    yield* second;
  } finally {
    await second.return();
    // A generator that has not begun lets nothing go by itself.
    await response.body?.cancel().catch(() => undefined);
  }
}
