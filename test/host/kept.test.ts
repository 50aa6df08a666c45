// Downloads that are kept: whole ones need no network, interrupted ones go on where they stopped,
// changed, damaged and unkeepable ones come from the network all the same.
// Does not know: browsers; what the bytes mean.

import { describe, expect, it } from "vitest";
import { PIECE_BYTES, forgetKept, keepingFetch, type Store } from "../../host/kept";
import type { FetchFunction } from "../../host/options";
import { openSource, type Source } from "../../host/source";
import { dice } from "./library";

const address = "https://models.example/tiny.gguf?v=2#part";
const random = dice(5);
const file = Uint8Array.from({ length: 2.5 * PIECE_BYTES }, () => random(256));

/** Cache Storage in memory; `room` bytes fit. */
function memoryStore(room = Infinity): Store & { entries: Map<string, Uint8Array> } {
  const entries = new Map<string, Uint8Array>();
  return {
    entries,
    match: async (key) => {
      const bytes = entries.get(key);
      return bytes && new Response(Buffer.from(bytes));
    },
    put: async (key, response) => {
      const bytes = new Uint8Array(await response.arrayBuffer());
      const used = [...entries.values()].reduce((sum, { length }) => sum + length, 0);
      if (used + bytes.length > room) throw new DOMException("no room", "QuotaExceededError");
      entries.set(key, bytes);
    },
    delete: async (key) => entries.delete(key),
  };
}

/** A server of one file, which may break off after some bytes; counts what it sends. */
function server({ bytes = file, tag = "\"one\"", breaksAt = Infinity, hasLength = true } = {}) {
  const sent = { requests: 0, bytes: 0 };
  const fetch = async (_: unknown, init?: RequestInit): Promise<Response> => {
    sent.requests++;
    const asked = new Headers(init?.headers);
    const isSame = asked.get("if-range") === tag;
    const from = isSame ? Number(/bytes=(\d+)-/.exec(asked.get("range") ?? "")?.[1] ?? 0) : 0;
    let at = from;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (at >= breaksAt) return controller.error(new TypeError("connection reset"));
        if (at >= bytes.length) return controller.close();
        const piece = bytes.slice(at, Math.min(at + 100_000, breaksAt));
        controller.enqueue(piece);
        at += piece.length;
        sent.bytes += piece.length;
      },
    });
    return new Response(body, {
      status: from > 0 ? 206 : 200,
      headers: {
        etag: tag, ...(hasLength ? { "content-length": String(bytes.length - from) } : {}),
      },
    });
  };
  return { fetch: fetch as typeof globalThis.fetch, sent };
}

/** The file by its address, as `load` opens it. */
function openKept(
  store: Store, _: string, { fetch, warn = () => undefined }:
  { fetch: FetchFunction; warn?: (sentence: string) => void },
): Promise<Source> {
  return openSource(address, { fetch: keepingFetch(store, fetch, warn) });
}

/** Everything that a source gives, in reads of odd sizes. */
async function drain(source: Source): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const target = new Uint8Array(777_777);
  try {
    for (;;) {
      const count = await source.read(target.subarray(0, 1 + random(target.length)));
      if (count === 0) return Buffer.concat(pieces);
      pieces.push(Buffer.from(target.subarray(0, count)));
    }
  } finally {
    await source.close();
  }
}

const same = (bytes: Buffer, expected: Uint8Array): void =>
  expect(bytes.equals(Buffer.from(expected))).toBe(true);

it("comes from the network once, and from the store from then on", async () => {
  const store = memoryStore();
  const { fetch, sent } = server();
  const source = await openKept(store, address, { fetch });
  expect(source.size).toBe(file.length);
  same(await drain(source), file);
  same(await drain(await openKept(store, address, { fetch })), file);
  expect(sent).toEqual({ requests: 1, bytes: file.length });
  await forgetKept(store, address);
  expect(store.entries.size).toBe(0);
  same(await drain(await openKept(store, address, { fetch })), file);
  expect(sent.requests).toBe(2);
});

describe("a connection that breaks off", () => {
  it.each([[0], [1], [100_000], [PIECE_BYTES - 1], [PIECE_BYTES], [PIECE_BYTES + 1],
    [2 * PIECE_BYTES], [file.length - 1]])("after %i bytes", async (breaksAt) => {
    const store = memoryStore();
    const broken = await openKept(store, address, { fetch: server({ breaksAt }).fetch });
    await expect(drain(broken)).rejects.toMatchObject({ code: "FETCH_FAILED" });
    const { fetch, sent } = server();
    const again = await openKept(store, address, { fetch });
    expect(again.size).toBe(file.length);
    same(await drain(again), file);
    const kept = Math.floor(breaksAt / PIECE_BYTES) * PIECE_BYTES;
    expect(sent).toEqual({ requests: 1, bytes: file.length - kept });
    same(await drain(await openKept(store, address, { fetch })), file);
    expect(sent.requests).toBe(1);
  });

  it("and a file that has changed meanwhile", async () => {
    const store = memoryStore();
    const broken = await openKept(store, address,
      { fetch: server({ breaksAt: 2 * PIECE_BYTES }).fetch });
    await expect(drain(broken)).rejects.toMatchObject({ code: "FETCH_FAILED" });
    const bytes = file.slice().reverse();
    const { fetch } = server({ bytes, tag: "\"two\"" });
    same(await drain(await openKept(store, address, { fetch })), bytes);
    same(await drain(await openKept(store, address, { fetch })), bytes);
  });
});

describe("a server that cannot go on", () => {
  /** A store with the first piece of the file. */
  async function begun(): Promise<ReturnType<typeof memoryStore>> {
    const store = memoryStore();
    const broken = await openKept(store, address,
      { fetch: server({ breaksAt: PIECE_BYTES + 5 }).fetch });
    await expect(drain(broken)).rejects.toMatchObject({ code: "FETCH_FAILED" });
    return store;
  }
  const asksForRest = (init?: object): boolean =>
    new Headers((init as RequestInit | undefined)?.headers).has("range");

  it("because it may not be asked for a range from here", async () => {
    const { fetch } = server();
    const strict: FetchFunction = (input, init) => (asksForRest(init)
      ? Promise.reject(new TypeError("preflight failed")) : fetch(input, init));
    same(await drain(await openKept(await begun(), address, { fetch: strict })), file);
  });

  it.each([
    [206, { "content-range": `bytes 5-${file.length - 1}/${file.length}` }],
    [206, { "content-range": `bytes ${PIECE_BYTES}-99/100` }],
    [206, { "content-length": "7" }], [416, {}], [503, {}],
  ])("because it answers %i with %j", async (status, headers) => {
    const { fetch } = server();
    const wrong: FetchFunction = async (input, init) => (asksForRest(init)
      ? new Response("no rest", { status, headers: headers as HeadersInit })
      : fetch(input, init));
    const store = await begun();
    same(await drain(await openKept(store, address, { fetch: wrong })), file);
    same(await drain(await openKept(store, address, { fetch: wrong })), file);
  });
});

describe("what cannot be kept", () => {
  it.each([[0], [PIECE_BYTES], [2 * PIECE_BYTES + 1000]])("%i bytes of room", async (room) => {
    const store = memoryStore(room);
    const { fetch, sent } = server();
    const warnings: string[] = [];
    const warn = (sentence: string): void => void warnings.push(sentence);
    same(await drain(await openKept(store, address, { fetch, warn })), file);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/not kept for the next visit: QuotaExceededError/);
    expect(store.entries.size).toBe(0);
    same(await drain(await openKept(store, address, { fetch })), file);
    expect(sent.requests).toBe(2);
  });

  it("a file of unknown length", async () => {
    const store = memoryStore();
    const { fetch } = server({ hasLength: false });
    same(await drain(await openKept(store, address, { fetch })), file);
    expect(store.entries.size).toBe(0);
  });
});

it("a damaged store is forgotten", async () => {
  const store = memoryStore();
  const { fetch } = server();
  await drain(await openKept(store, address, { fetch }));
  const key = [...store.entries.keys()].find((each) => each.endsWith("kept=1")) as string;
  store.entries.set(key, new Uint8Array(5));
  await expect(drain(await openKept(store, address, { fetch })))
    .rejects.toThrow(/gone or damaged; all have been forgotten/);
  same(await drain(await openKept(store, address, { fetch })), file);
  for (const nonsense of ["", "{}", "[]", "null", "{\"size\":\"x\",\"pieces\":1,\"tag\":\"\"}"]) {
    store.entries.set("https://models.example/tiny.gguf?v=2&nibble-kept", Buffer.from(nonsense));
    same(await drain(await openKept(store, address, { fetch })), file);
  }
});

it("failures of the network are told as without a store", async () => {
  const store = memoryStore();
  const down = (async () => { throw new TypeError("no route"); }) as typeof globalThis.fetch;
  await expect(openKept(store, address, { fetch: down }))
    .rejects.toMatchObject({ code: "FETCH_FAILED" });
  const missing = (async () => new Response("", { status: 404 })) as typeof globalThis.fetch;
  await expect(openKept(store, address, { fetch: missing }))
    .rejects.toMatchObject({ code: "HTTP_STATUS" });
  expect(store.entries.size).toBe(0);
});
