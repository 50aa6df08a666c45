// Files that end too soon, at every byte of the header and all over the data; and whole files that
// come in pieces of any size.
// Does not know: other ways for a file to be bad.

import { describe, expect, it } from "vitest";
import { goodByte, goodSentencePiece, rawHeader } from "./bad-input/craft";
import { expectSentence, failureOf, load, withinLimit } from "./bad-input/library";
import { streamOf } from "./bad-input/streams";
import { ggmlType, randomModel, readGguf } from "./reference";

/** Where the data section begins, and where the last tensor ends. */
function sections(file: Uint8Array): { header: number; end: number } {
  const { dataOffset, tensors } = readGguf(file);
  const ends = Array.from(tensors.values(), ({ offset, bytes }) => offset + bytes.length);
  return { header: dataOffset, end: dataOffset + Math.max(...ends) };
}

/** Every byte of the header, then steps through the data, and its very last byte. */
function cuts(file: Uint8Array, headerStep: number, dataStep: number): number[] {
  const { header, end } = sections(file);
  const places = [end - 1];
  for (let at = 0; at < header; at += headerStep) places.push(at);
  for (let at = header; at < end; at += dataStep) places.push(at);
  return places;
}

const files = [
  ["byte", goodByte], ["SentencePiece", goodSentencePiece],
] as const;

describe.each(files)("a cut %s model", (_, file) => {
  const { header } = sections(file);

  it("as bytes", async () => {
    for (const cut of cuts(file, 1, 101)) {
      const { code, message } = await failureOf(load(file.slice(0, cut)));
      // The padding behind the directory belongs to no section: what is missing then is data.
      const codes = cut === 0 ? ["EMPTY_SOURCE"] : cut <= header - 32 ? ["TRUNCATED_HEADER"]
        : cut < header ? ["TRUNCATED_HEADER", "TENSOR_BEYOND_END"] : ["TENSOR_BEYOND_END"];
      expect(codes, `cut at ${cut}`).toContain(code);
      if (cut > 0) expect(message).toContain(String(cut));
      expectSentence(message);
    }
  });

  it("as a stream of unknown size in odd pieces", async () => {
    for (const cut of cuts(file, 11, 509)) {
      const stream = streamOf(file.subarray(0, cut), 1 + ((cut * 7) % 2003));
      const { code, message } = await failureOf(load(stream));
      const codes = cut === 0 ? ["EMPTY_SOURCE"] : cut <= header - 32 ? ["TRUNCATED_HEADER"]
        : cut < header ? ["TRUNCATED_HEADER", "TENSOR_BEYOND_END"] : ["TENSOR_BEYOND_END"];
      expect(codes, `cut at ${cut}`).toContain(code);
      expectSentence(message);
    }
  });
});

/** Its header is larger than the first read of the loader, and so is its data. */
const goodLarge = randomModel({
  width: 64, layers: 2, heads: 4, kvHeads: 2, feedForward: 96, vocabulary: 4000, context: 64,
  type: ggmlType.Q4_0, embeddingType: ggmlType.F16, tied: true, seed: 15, tokenizer: "spm",
});

/** The hash of all logits of a few tokens: equal only if every weight is in its place. */
async function hashOf(input: Uint8Array | ReadableStream<Uint8Array>): Promise<string> {
  const model = await withinLimit(load(input));
  try {
    return await model.session().hashLogits([1, 5, 100, 250, 31, 2]);
  } finally {
    model.dispose();
  }
}

it("a cut stream whose first 64 KB are there names the tensor that broke off", async () => {
  const { header } = sections(goodLarge);
  for (const cut of cuts(goodLarge, 5003, 40009).filter((place) => place > 65536)) {
    const { code, message } = await failureOf(load(streamOf(goodLarge.subarray(0, cut), 3001)));
    expect(cut < header ? ["TRUNCATED_HEADER", "TENSOR_BEYOND_END"]
      : ["TRUNCATED_TENSOR", "TENSOR_BEYOND_END"], `cut at ${cut}`).toContain(code);
    if (code === "TRUNCATED_TENSOR") expect(message).toMatch(/".*weight": \d+ of its \d+ bytes/);
    expectSentence(message);
  }
});

describe("a whole model in pieces", () => {
  const sizes: [string, Uint8Array, number[]][] = [
    ["byte", goodByte, [1, 7, 33, 4096, 65536]],
    ["SentencePiece", goodSentencePiece, [1, 7, 4096]],
    ["large", goodLarge, [7, 997, 4096, 65535, 65536, 65537, 131072, 200000]],
  ];
  it.each(sizes)("%s: the same logits whatever the pieces", async (_, file, pieces) => {
    const whole = await hashOf(file);
    for (const size of pieces) {
      expect(await hashOf(streamOf(file, size)), `pieces of ${size}`).toBe(whole);
    }
  });

  it("the first bytes may say that a file is no model before it has ended", async () => {
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(1000).fill(0x78)),
    });
    expect(await failureOf(load(endless))).toMatchObject({ code: "NOT_GGUF" });
  });

  it("an endless header is refused at 32 MiB", async () => {
    let isFirst = true;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        const piece = new Uint8Array(1 << 20);
        // One key, whose value is an array of 2^40 bytes.
        if (isFirst) {
          piece.set(rawHeader(3, 0n, 1n, 1n, "a", 9, 0, 2n ** 40n));
        }
        isFirst = false;
        controller.enqueue(piece);
      },
    });
    expect(await failureOf(load(endless))).toMatchObject({ code: "HEADER_TOO_LARGE" });
  });
});
