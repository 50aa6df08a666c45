// A model in several GGUF files is the same model, by path and by address, with the parts cut
// anywhere; parts that are missing, mixed up, cut short or streamed are refused in one sentence.
// Does not know: what the model computes.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LoadOptions } from "../../host/options";
import type { SourceInput } from "../../host/source";
import { failureOf, load, wordModel } from "./library";
import { putParts, splitFile } from "./parts";

const folder = mkdtempSync(join(tmpdir(), "nibble-split-"));
const bytes = wordModel({ layers: 3, width: 128, feedForward: 256 });
const tokens = [1, 270, 280, 290, 300];
let expected: Float32Array;
let server: Server;
let origin = "";

const split = (count: number, cuts: readonly number[]): Uint8Array[] =>
  splitFile(bytes, count, cuts);

/** Writes parts into a folder of their own; returns the path of the first. */
const put = (name: string, parts: readonly (Uint8Array | undefined)[]): string =>
  putParts(join(folder, name), parts);

async function logitsOf(input: SourceInput, options: LoadOptions = {}): Promise<Float32Array> {
  using model = await load(input, options);
  using session = model.session();
  await session.feed(tokens);
  return session.logits();
}

beforeAll(async () => {
  expected = await logitsOf(bytes);
  server = createServer((request, response) => {
    try {
      const content = readFileSync(join(folder, new URL(request.url ?? "", "http://x").pathname));
      response.end(content);
    } catch {
      response.writeHead(404).end();
    }
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

describe("the same model", () => {
  const ways: [string, number, number[]][] = [
    ["two parts", 2, [5]], ["three parts", 3, [1, 20]],
    ["a first part without tensors", 2, [0]], ["a last part without tensors", 3, [4, 29]],
    ["a part for every tensor", 29, Array.from({ length: 29 }, (_, i) => i + 1)],
  ];
  it.each(ways)("in %s", async (name, count, cuts) => {
    const path = put(name.replace(/ /g, "-"), split(count, cuts));
    expect(await logitsOf(path)).toEqual(expected);
    const address = `${origin}${path.slice(folder.length)}`;
    expect(await logitsOf(address)).toEqual(expected);
    expect(await logitsOf(new URL(address))).toEqual(expected);
  });

  it("converted while loading, with progress to the end", async () => {
    const path = put("progress", split(3, [4, 12]));
    const seen: number[] = [];
    using model = await load(path, { weights: "q8_0", onProgress: (progress) => {
      seen.push(progress.loadedBytes / progress.totalBytes);
    } });
    using whole = await load(bytes, { weights: "q8_0" });
    expect(seen.at(-1)).toBe(1);
    expect(model.info.memory.weights).toBe(whole.info.memory.weights);
  });
});

describe("what is refused", () => {
  const parts = split(3, [4, 12]);
  const [first, second, third] = parts as [Uint8Array, Uint8Array, Uint8Array];
  const cases: [string, (Uint8Array | undefined)[], string, RegExp][] = [
    ["a missing part", [first, undefined, third], "FILE_NOT_FOUND", /00002-of-00003.*not exist/],
    ["parts mixed up", [first, third, second], "WRONG_PART", /00002-of-00003.*Part 1 /],
    ["a part that is no part", [first, bytes, third], "WRONG_PART", /00002-of-00003/],
    ["a part cut off in its header", [first, second, third.slice(0, 90)], "TRUNCATED_HEADER",
      /00003-of-00003/],
    ["a part cut off in its data", [first, second.slice(0, -500), third], "TENSOR_BEYOND_END",
      /00002-of-00003/],
    ["an empty part", [first, new Uint8Array(0), third], "EMPTY_SOURCE", /00002-of-00003/],
    ["the same tensors twice", [first, split(3, [0, 12])[1], third], "DUPLICATE_TENSOR", /twice/],
    ["fewer tensors than the model has", [first, second, split(3, [4, 14])[2]], "MISSING_TENSOR",
      /no tensor/],
  ];
  it.each(cases)("%s", async (name, files, code, words) => {
    const error = await failureOf(load(put(name.replace(/ /g, "-"), files)));
    expect(error).toMatchObject({ code, message: expect.stringMatching(words) as string });
    expect(error.message).not.toContain("\n");
  });

  it("a part alone, as bytes or as a stream, which can be read only once", async () => {
    for (const input of [first, new Blob([first.slice()]).stream()]) {
      const error = await failureOf(load(input));
      expect(error).toMatchObject({ code: "SPLIT_FILE",
        message: expect.stringMatching(/split into 3 files; name the first/) as string });
    }
  });

  it("another part than the first, by its name", async () => {
    const path = put("second", parts).replace("00001", "00002");
    expect(await failureOf(load(path))).toMatchObject({ code: "SPLIT_FILE" });
  });

  it("a hash, which would be of one file", async () => {
    const path = put("hash", parts);
    expect(await failureOf(load(path, { sha256: "0".repeat(64) })))
      .toMatchObject({ code: "SPLIT_HASH" });
  });
});
