// A model in pieces is the same model, by path and by address; a piece that is missing, short, long
// or damaged is named in one sentence; a list that asks for too much or for other folders is
// refused.
// Connections are cut everywhere, and the next try works. Does not know: what the model computes.

import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LoadOptions } from "../../host/options";
import type { SourceInput } from "../../host/source";
import { byteModel, failureOf, load } from "./library";

const bytes = byteModel({ width: 128, feedForward: 256, layers: 3 });
const sha256 = createHash("sha256").update(bytes).digest("hex");
const folder = mkdtempSync(join(tmpdir(), "nibble-shards-"));
const pieces = [0, 70_001, 140_001, 140_002].map((from, i, cuts) => bytes.slice(from, cuts[i + 1]));
const files = new Map<string, string | Uint8Array<ArrayBuffer>>();
let server: Server;
let origin = "";
let expected = "";

interface List {
  size: number;
  sha256: string;
  shards: { file: string; size: number; sha256?: string }[];
}

const hashOf = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex");

const list = (): List => ({
  size: bytes.length, sha256,
  shards: pieces.map(({ length }, i) => ({ file: `piece-${i + 1}.bin`, size: length })),
});

/** The same with a hash for each piece, as `nibble convert` writes it. */
const fullList = (): List => ({ ...list(),
  shards: list().shards.map((shard, i) => ({ ...shard, sha256: hashOf(pieces[i]!) })) });

/** Writes a list and its pieces where paths and addresses find them; returns its name. */
function put(name: string, manifest: unknown, changed: Record<string, Uint8Array | null> = {}) {
  const all: Record<string, string | Uint8Array | null> = {
    ...Object.fromEntries(pieces.map((piece, i) => [`piece-${i + 1}.bin`, piece])),
    ...changed,
    "model.shards.json": typeof manifest === "string" ? manifest : JSON.stringify(manifest),
  };
  mkdirSync(join(folder, name));
  for (const [file, content] of Object.entries(all)) {
    if (content === null) continue;
    writeFileSync(join(folder, name, file), content);
    files.set(`/${name}/${file}`, typeof content === "string" ? content : content.slice());
  }
  return `${name}/model.shards.json`;
}

async function fingerprint(input: SourceInput, options: LoadOptions = {}): Promise<string> {
  using model = await load(input, options);
  return await model.session().hashLogits(model.tokenize("The same model?"));
}

beforeAll(async () => {
  server = createServer((request, response) => {
    const content = files.get(new URL(request.url ?? "", "http://x").pathname);
    response.writeHead(content === undefined ? 404 : 200);
    // In chunks: nothing is said of the length.
    response.write(content ?? "");
    response.end();
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  expected = await fingerprint(bytes);
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

/** Both ways to the same list. */
const waysTo = (name: string): [string, string][] =>
  [["path", join(folder, name)], ["address", `${origin}/${name}`]];

describe("a list of shards", () => {
  it("is read as one file, from a path, an address or a URL of either kind", async () => {
    const name = put("good", list());
    const inputs: SourceInput[] = [
      join(folder, name), pathToFileURL(join(folder, name)), `${origin}/${name}`,
      `${origin}/${name}?version=3#x`, new URL(`${origin}/${name}`),
    ];
    for (const input of inputs) expect(await fingerprint(input)).toBe(expected);
  });

  it("may have a hash for each piece, or for some, and other things", async () => {
    const [first, ...rest] = fullList().shards;
    const lists = [fullList(), { ...fullList(), made: "today" },
      { ...list(), shards: [{ ...first, sha256: first!.sha256!.toUpperCase() }, ...rest] },
      { ...list(), shards: [first, ...list().shards.slice(1)] }];
    for (const [i, manifest] of lists.entries()) {
      const name = put(`hashes-${i}`, manifest);
      for (const [, input] of waysTo(name)) {
        expect(await fingerprint(input)).toBe(expected);
        expect(await fingerprint(input, { sha256 })).toBe(expected);
      }
    }
  });

  it("tells the progress of the whole", async () => {
    const seen: number[] = [];
    using model = await load(join(folder, put("progress", list())), {
      onProgress: ({ loadedBytes, totalBytes }) => void seen.push(loadedBytes, totalBytes),
    });
    expect(model.info.layers).toBe(3);
    expect(Math.max(...seen)).toBe(bytes.length);
  });

  it("may be got by a fetch of the caller's, pieces too", async () => {
    put("own", list());
    const asked: string[] = [];
    const fetch = async (address: string): Promise<Response> => {
      asked.push(address);
      return new Response(files.get(new URL(address).pathname) as string);
    };
    expect(await fingerprint("https://assets.invalid/own/model.shards.json", { fetch }))
      .toBe(expected);
    expect(asked).toEqual(["model.shards.json", ...list().shards.map(({ file }) => file)]
      .map((file) => `https://assets.invalid/own/${file}`));
  });
});

describe("a piece that is not as the list says is named", () => {
  const [, second] = pieces as [Uint8Array, Uint8Array];
  const damaged = second.slice();
  damaged[damaged.length >> 1]! ^= 1;
  const longer = new Uint8Array(second.length + 1);
  longer.set(second);
  const cases: [string, Uint8Array | null, string, string][] = [
    ["missing", null, "^(FILE_NOT_FOUND|HTTP_STATUS)$", "piece-2.bin"],
    ["empty", new Uint8Array(0), "SHARD_SIZE", "piece-2.bin has only 0 bytes, not 70000 "],
    ["short", second.slice(0, -1), "SHARD_SIZE", "piece-2.bin has [a-z ]*69999 bytes, not 70000 "],
    ["long", longer, "SHARD_SIZE", "piece-2.bin has (more than 70000|70001) bytes, not 70000 "],
    ["damaged", damaged, "SHA256_MISMATCH", `[0-9a-f]{64}, not ${sha256}`],
  ];
  for (const [kind, piece, code, words] of cases) {
    it(`${kind}`, async () => {
      const name = put(kind, list(), { "piece-2.bin": piece });
      for (const [, input] of waysTo(name)) {
        const failure = await failureOf(load(input));
        expect(failure.code).toMatch(new RegExp(code));
        expect(failure.message).toMatch(new RegExp(`^[^\\n]*${words}[^\\n]*\\.$`));
      }
    });
  }

  it("by its own hash when it is damaged, before the next is asked for", async () => {
    const name = put("own-damaged", fullList(), { "piece-2.bin": damaged });
    const asked: string[] = [];
    const fetch = (address: string): Promise<Response> => {
      asked.push(address);
      return globalThis.fetch(address);
    };
    for (const [, input] of waysTo(name)) {
      const { code, message } = await failureOf(load(input, { fetch }));
      expect([code, message]).toEqual(["SHA256_MISMATCH", `${input.replace("model.shards.json",
        "piece-2.bin")}: The SHA-256 is ${hashOf(damaged)}, not ${hashOf(second)}; this is another `
        + "file than expected, or it was damaged on the way."]);
    }
    expect(asked.at(-1)).toMatch(/piece-2\.bin$/);
  });

  it("when two of one size have changed places", async () => {
    // Of whole blocks and whole numbers, which the engine takes in any order.
    const cuts = [0, bytes.length - 72, bytes.length - 36, bytes.length];
    const thirds = [0, 1, 2].map((i) => bytes.slice(cuts[i], cuts[i + 1]));
    const shards = thirds.map((piece, i) => (
      { file: `third-${i}.bin`, size: piece.length, sha256: hashOf(piece) }));
    expect(shards[1]!.sha256).not.toBe(shards[2]!.sha256);
    const name = put("swapped", { size: bytes.length, sha256, shards }, {
      "third-0.bin": thirds[0]!, "third-1.bin": thirds[2]!, "third-2.bin": thirds[1]! });
    for (const [, input] of waysTo(name)) {
      expect((await failureOf(load(input))).message)
        .toContain(`third-1.bin: The SHA-256 is ${shards[2]!.sha256}, not ${shards[1]!.sha256};`);
    }
  });

  it("and with a hash of the user's the whole decides", async () => {
    const name = put("own-hash", { ...fullList(), shards: fullList().shards.map((shard) => (
      { ...shard, sha256: "0".repeat(64) })) });
    expect(await fingerprint(join(folder, name), { sha256 })).toBe(expected);
    expect((await failureOf(load(join(folder, name)))).message)
      .toContain("piece-1.bin: The SHA-256 is ");
  });

  it("with what the engine says of it", async () => {
    const name = put("wrong", list(), { "piece-2.bin": new Uint8Array(70_000).fill(255) });
    for (const [, input] of waysTo(name)) {
      const failure = await failureOf(load(input));
      expect([failure.code, failure.message])
        .toEqual(["NON_FINITE_WEIGHT", expect.stringMatching(/^\S*piece-2\.bin: /)]);
    }
  });

  it("the last one too, beyond what the model needs", async () => {
    const name = put("tail", list(), { "piece-4.bin": Buffer.concat([pieces[3]!, longer]) });
    for (const [, input] of waysTo(name)) {
      expect((await failureOf(load(input))).message).toContain("piece-4.bin has ");
    }
  });

  it("the user's hash goes before that of the list", async () => {
    const name = put("hash", { ...list(), sha256: "0".repeat(64) });
    expect((await failureOf(load(join(folder, name)))).code).toBe("SHA256_MISMATCH");
    expect(await fingerprint(join(folder, name), { sha256 })).toBe(expected);
    const other = join(folder, "good/model.shards.json");
    expect((await failureOf(load(other, { sha256: "0".repeat(64) }))).code)
      .toBe("SHA256_MISMATCH");
  });
});

describe("a list that is none is refused", () => {
  const withFile = (file: unknown): unknown => ({ ...list(), shards: list().shards.map(
    (shard, i) => (i === 1 ? { ...shard, file } : shard)) });
  const lists: [string, unknown, string][] = [
    ["no JSON", "{", "is not JSON"],
    ["a web page", "<!DOCTYPE html>", "is a web page"],
    ["nothing", "null", "its size"],
    ["a number", "7", "its size"],
    ["no size", { ...list(), size: undefined }, "its size"],
    ["half a byte", { ...list(), size: 1.5 }, "its size"],
    ["no hash", { ...list(), sha256: undefined }, "sha256"],
    ["half a hash", { ...list(), sha256: sha256.slice(32) }, "sha256"],
    ["no shards", { ...list(), shards: [] }, "1 to 1024 shards"],
    ["shards that are none", { ...list(), shards: {} }, "1 to 1024 shards"],
    ["too many shards", { ...list(), shards: Array(1025).fill({ file: "a", size: 1 }) }, "1024"],
    ["too many bytes", " ".repeat(600_000), "longer than 524288 bytes"],
    ["a sum that is another", { ...list(), size: 7 }, "bytes together"],
    ["a shard without a size", { ...list(), shards: [{ file: "a" }] }, "size of a"],
    ["a shard with half a hash", { ...list(), shards: [{ ...list().shards[0],
      sha256: "00" }] }, "sha256 of piece-1.bin"],
    ["a negative size", { ...list(), shards: [{ file: "a", size: -1 }] }, "size of a"],
    ["a shard that is null", { ...list(), shards: [null] }, "file of shard 1"],
    ...["", "..", "../secret", "/etc/passwd", "a/b", "a\\b", "..\\a", "%2e%2e%2fa", "C:a",
      "http://elsewhere/a", "//elsewhere/a", ".hidden", "a?b", "a#b", "a\nb", "a".repeat(201), 7,
    ].map((file): [string, unknown, string] =>
      [`the file name ${JSON.stringify(file).slice(0, 30)}`, withFile(file), "file of shard 2"]),
  ];
  lists.forEach(([kind, content, words], i) => {
    it(kind, async () => {
      const name = put(`bad-${i}`, content);
      for (const [, input] of waysTo(name)) {
        const failure = await failureOf(load(input));
        expect([failure.code, failure.message])
          .toEqual(["BAD_SHARDS", expect.stringContaining(words)]);
        expect(failure.message).toMatch(/^\S+model\.shards\.json is no list of shards: [^\n]+\.$/);
      }
    });
  });

  it("and a list that is not there is named", async () => {
    expect((await failureOf(load(join(folder, "none.shards.json")))).code).toBe("FILE_NOT_FOUND");
    expect((await failureOf(load(`${origin}/none.shards.json`))).code).toBe("HTTP_STATUS");
  });
});

describe("a connection that breaks off leaves nothing behind, and the next try works", () => {
  /** The first bytes, then a failure; in pieces of odd sizes. */
  function cutAt(place: number): ReadableStream<Uint8Array> {
    let at = 0;
    return new ReadableStream({
      pull(controller) {
        if (at === place) return controller.error(new Error("connection reset"));
        controller.enqueue(bytes.slice(at, at = Math.min(place, at + 50_021)));
      },
    });
  }

  /** Everything near the beginning and the end, and places in between. */
  const places = [...Array(64).keys(), 65_535, 65_536, 65_537,
    ...Array.from({ length: 120 }, (_, i) => Math.floor((i + 0.5) / 120 * bytes.length)),
    ...Array.from({ length: 40 }, (_, i) => bytes.length - 1 - i)];

  it(`at any of ${places.length} places of a stream`, async () => {
    for (const place of places) {
      const failure = await failureOf(load(cutAt(place)));
      expect([place, failure.code]).toEqual([place, "FETCH_FAILED"]);
      expect(failure.message).toBe("stream broke off while it was read: connection reset.");
    }
    expect(await fingerprint(cutAt(bytes.length + 1), { sha256 }).catch(() => "cut")).toBe("cut");
    expect(await fingerprint(bytes, { sha256 })).toBe(expected);
  });

  it("in any piece of a list, which is named", async () => {
    put("flaky", list());
    for (let broken = 1; broken <= 4; broken++) {
      for (const share of [0, 0.3, 0.99]) {
        let isBroken = true;
        const fetch = async (address: string): Promise<Response> => {
          const content = files.get(new URL(address).pathname) as Uint8Array<ArrayBuffer>;
          if (!isBroken || !address.endsWith(`${broken}.bin`)) return new Response(content);
          let isFirst = true;
          return new Response(new ReadableStream({
            pull(controller) {
              if (!isFirst) return controller.error(new Error("connection reset"));
              controller.enqueue(content.slice(0, Math.floor(content.length * share) + 1));
              isFirst = false;
            },
          }));
        };
        const address = "https://assets.invalid/flaky/model.shards.json";
        const failure = await failureOf(load(address, { fetch }));
        // The one piece of a single byte has come whole before the failure.
        expect(failure.message).toMatch(`piece-${broken}.bin broke off while it was read`);
        isBroken = false;
        expect(await fingerprint(address, { fetch })).toBe(expected);
      }
    }
  });
});
