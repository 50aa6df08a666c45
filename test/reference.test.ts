// Judges the oracle by outside data: real weights, llama.cpp's vocabulary vectors, blocks worked
// out by hand, and identities that must hold whatever the numbers are.
// Does not know: the engine.

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
  byteAlphabet, convertModel, dequantize, ggmlType, halfToNumber, numberToBrain, numberToHalf,
  quantize, randomModel, readGguf, ReferenceModel, ReferenceTokenizer, roundHalfToEven,
  roundToInt8, typeTable, writeGguf,
  type MetadataEntry, type RandomModelShape, type TensorEntry,
} from "./reference";

const models = fileURLToPath(new URL("../../shared/models/", import.meta.url));
const storiesPath = `${models}stories260K/stories260Ktok512.gguf`;
const goldenPath = `${models}stories260K/golden.json`;
const vocabularyPath = `${models}vocab-tests/ggml-vocab-llama-spm.gguf`;
const storiesAbsent = !existsSync(storiesPath) || !existsSync(goldenPath);
const vocabularyAbsent = !existsSync(vocabularyPath);

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const ramp = (make: (j: number) => number): Float64Array =>
  Float64Array.from({ length: 32 }, (_, j) => make(j));
const largestIndex = (values: Float64Array): number =>
  values.reduce((best, value, index) => (value > values[best] ? index : best), 0);
const largestDifference = (left: Float64Array, right: Float64Array): number =>
  left.reduce((most, value, index) => Math.max(most, Math.abs(value - right[index])), 0);

const shape: RandomModelShape = {
  width: 64, layers: 2, heads: 4, kvHeads: 2, feedForward: 96, vocabulary: 300, context: 32,
  type: ggmlType.Q4_0, embeddingType: ggmlType.Q8_0, tied: true, seed: 7, tokenizer: "spm",
};

/** nibblesUp: byte j holds code j twice, for values whose codes repeat after 16. */
const nibblesUp = "00112233445566778899aabbccddeeff";

describe("16-bit floats", () => {
  it("knows the landmarks of halves and rounds ties to even", () => {
    const landmarks: [number, number][] = [
      [0, 0], [-0, 0x8000], [1, 0x3c00], [-2, 0xc000], [65504, 0x7bff], [65519, 0x7bff],
      [65520, 0x7c00], [2 ** -14, 0x0400], [2 ** -24, 1], [2 ** -25, 0], [1.5 * 2 ** -24, 2],
      [1 + 2 ** -11, 0x3c00], [1 + 3 * 2 ** -11, 0x3c02], [0.1, 0x2e66], [-Infinity, 0xfc00],
    ];
    for (const [value, bits] of landmarks) expect(numberToHalf(value), `${value}`).toBe(bits);
  });

  it("takes every half there and back", () => {
    for (let bits = 0; bits < 0x7c00; bits++) {
      expect(numberToHalf(halfToNumber(bits))).toBe(bits);
      expect(numberToHalf(halfToNumber(bits | 0x8000))).toBe(bits | 0x8000);
    }
  });

  it("rounds bfloat16 ties to even", () => {
    expect(numberToBrain(1)).toBe(0x3f80);
    expect(numberToBrain(1 + 2 ** -8)).toBe(0x3f80);
    expect(numberToBrain(1 + 3 * 2 ** -8)).toBe(0x3f82);
    expect(numberToBrain(-3.140625)).toBe(0xc049);
    expect(hex(quantize(ggmlType.BF16, Float32Array.of(1, -2)))).toBe("803f00c0");
  });
});

describe("blocks worked out by hand", () => {
  const cases: [string, number, Float64Array, string][] = [
    ["Q4_0, scale 1", ggmlType.Q4_0, ramp((j) => (j % 16) - 8), `003c${nibblesUp}`],
    ["Q4_0, positive extreme", ggmlType.Q4_0, ramp(() => 1), `00b0${"00".repeat(16)}`],
    ["Q4_0, zeros with scale -0", ggmlType.Q4_0, ramp(() => 0), `0080${"88".repeat(16)}`],
    ["Q4_0, first of +8 and -8 wins", ggmlType.Q4_0, ramp((j) => (j < 16 ? 8 : -8)),
      `00bc${"f0".repeat(16)}`],
    ["Q4_1, minimum 0", ggmlType.Q4_1, ramp((j) => j % 16), `003c0000${nibblesUp}`],
    ["Q4_1, minimum 2", ggmlType.Q4_1, ramp((j) => (j % 16) + 2), `003c0040${nibblesUp}`],
    ["Q5_0", ggmlType.Q5_0, ramp((j) => j - 16), `003c0000ffff${nibblesUp}`],
    ["Q5_1", ggmlType.Q5_1, ramp((j) => j + 1), `003c003c0000ffff${nibblesUp}`],
    ["Q8_0, halves away from zero", ggmlType.Q8_0,
      ramp((j) => (j < 4 ? [127, 2.5, -2.5, -0.5][j] : 0)), `003c7f03fdff${"00".repeat(28)}`],
    ["Q8_0, zeros", ggmlType.Q8_0, ramp(() => 0), "00".repeat(34)],
  ];
  it.each(cases)("%s", (_, type, values, expected) => {
    expect(hex(quantize(type, values))).toBe(expected);
  });
  it("K blocks, back, as their layout is drawn", () => {
    // Scale 1 in group 5 alone (low nibble in byte 9, upper bits in byte 1), codes counting up.
    const bytes = new Uint8Array(144);
    bytes.set([0, 0x3c, 0, 0x3c]);
    bytes[4 + 9] = 1;
    bytes.fill(0x70, 16 + 64, 16 + 96);
    const values = dequantize(ggmlType.Q4_K, bytes, 256);
    expect([...values].findIndex((value) => value !== 0)).toBe(160);
    expect([...values.subarray(160, 192)]).toEqual(Array(32).fill(7));
    const six = new Uint8Array(210);
    six.set([0, 0x3c], 208);
    six[192 + 9] = 0xff;
    expect([...dequantize(ggmlType.Q6_K, six, 256)].map((value) => value / 32)).toEqual(
      Array.from({ length: 256 }, (_, i) => (i >> 4 === 9 ? 1 : -0)));
  });
  it.each(cases.filter(([name]) => !/halves|wins/.test(name)))("%s, back", (_, type, values) => {
    const back = dequantize(type, quantize(type, values), 32);
    expect(largestDifference(back, values)).toBe(0);
  });
});

describe("quantize and dequantize", () => {
  const values = Float32Array.from({ length: 512 }, (_, i) => Math.sin(i * i + 1) * 3 + 0.1);
  // The widest step of each type for values within 3.1 of zero, plus the f16 scale's rounding.
  const bounds = new Map([
    ["F32", 0], ["F16", 2e-3], ["BF16", 1e-2], ["Q4_0", 0.4], ["Q4_1", 0.22], ["Q5_0", 0.2],
    ["Q5_1", 0.11], ["Q8_0", 0.014],
    ["Q4_K", 0.26], ["Q5_K", 0.16], ["Q6_K", 0.11],
  ]);
  it.each([...typeTable])("type %i stays within a step", (type, layout) => {
    const bytes = quantize(type, values);
    expect(bytes.length).toBe((512 / layout.itemsPerBlock) * layout.bytesPerBlock);
    const back = dequantize(type, bytes, 512);
    const bound = bounds.get(layout.name) ?? NaN;
    expect(largestDifference(back, Float64Array.from(values))).toBeLessThanOrEqual(bound);
  });

  it("reads bytes that start anywhere in a buffer", () => {
    const bytes = quantize(ggmlType.Q4_1, values);
    const moved = new Uint8Array(bytes.length + 3);
    moved.set(bytes, 3);
    const back = dequantize(ggmlType.Q4_1, moved.subarray(3), 512);
    expect(back).toEqual(dequantize(ggmlType.Q4_1, bytes, 512));
  });

  it("refuses part of a block and types it does not know", () => {
    expect(() => quantize(ggmlType.Q4_0, new Float32Array(33))).toThrow("whole blocks");
    expect(() => quantize(10, new Float32Array(256))).toThrow("ggml type 10");
  });

  it("rounds a group to 8 bits with ties to even, and tiny groups to zero", () => {
    expect([0.5, 1.5, -0.5, -1.5, 2.4].map(roundHalfToEven)).toEqual([0, 2, 0, -2, 2]);
    const rounded = roundToInt8(Float64Array.of(127, 0.5, 1.5, -2.6, 2 ** -33, 0, 0, 0), 4);
    expect([...rounded]).toEqual([127, 0, 2, -3, 0, 0, 0, 0]);
  });
});

describe("GGUF files", () => {
  const metadata: MetadataEntry[] = [
    ["a", "uint8", 255], ["b", "int8", -128], ["c", "uint16", 65535], ["d", "int16", -2],
    ["e", "uint32", 2 ** 32 - 1], ["f", "int32", -3], ["g", "float32", 0.5], ["h", "bool", true],
    ["i", "string", "\ufeffgrün"], ["j", "uint64", 2n ** 64n - 1n], ["k", "int64", -4],
    ["l", "float64", 0.1], ["m", "string[]", ["", "x"]], ["n", "bool[]", [true, false]],
    ["o", "int32[][]", [[1], [2, 3]]], ["p", "float32[]", []],
  ];
  const tensors: TensorEntry[] = [
    ["one", [3], ggmlType.F32, quantize(ggmlType.F32, Float32Array.of(1, 2, 3))],
    ["two", [32, 2], ggmlType.Q8_0, quantize(ggmlType.Q8_0, new Float32Array(64).fill(1))],
  ];

  it.each([[2, 32], [3, 64]])("come back, version %i, alignment %i", (version, alignment) => {
    const file = readGguf(writeGguf({ metadata, tensors, version, alignment }));
    expect(file.version).toBe(version);
    for (const [key, type, value] of metadata) {
      expect(file.metadata.get(key), key).toEqual(value);
      expect(file.metadataTypes.get(key), key).toBe(type);
    }
    expect(file.metadata.get("general.alignment")).toBe(alignment);
    expect(file.dataOffset % alignment).toBe(0);
    for (const [name, dims, type, bytes] of tensors) {
      expect(file.tensors.get(name)).toMatchObject({ name, dims, type });
      expect(hex(file.tensors.get(name)?.bytes ?? bytes.subarray(1))).toBe(hex(bytes));
    }
    expect(file.tensors.get("two")?.offset).toBe(alignment);
  });

  it("are refused when they are something else or too short", () => {
    const file = writeGguf({ metadata, tensors });
    expect(() => readGguf(file.subarray(4))).toThrow("not a GGUF file");
    expect(() => readGguf(file.subarray(0, file.length - 64))).toThrow("inside tensor two");
  });
});

describe("real weights and vectors", () => {
  interface Golden {
    cases: { prompt: string; max_positions: number; text: string }[];
  }

  it.skipIf(storiesAbsent)("stories260K tells the golden stories", () => {
    const bytes = readFileSync(storiesPath);
    const golden = JSON.parse(readFileSync(goldenPath, "utf8")) as Golden;
    const tokenizer = new ReferenceTokenizer(readGguf(bytes).metadata);
    const model = new ReferenceModel(bytes);
    expect(golden.cases).toHaveLength(2);
    for (const { prompt, max_positions: positions, text: expected } of golden.cases) {
      model.reset();
      const tokens = tokenizer.encode(prompt);
      for (let position = 0; position + 1 < positions; position++) {
        const { logits } = model.next(tokens[position]);
        if (position + 1 === tokens.length) tokens.push(largestIndex(logits));
      }
      expect(text(tokenizer.decode(tokens))).toBe(` ${expected}`);
    }
  });

  it.skipIf(storiesAbsent)("stories260K survives 8-bit weights, activations and cache", () => {
    const bytes = readFileSync(storiesPath);
    const tokens = new ReferenceTokenizer(readGguf(bytes).metadata).encode("Once upon a time");
    const exact = new ReferenceModel(bytes).forward(tokens).logits;
    const options = { activations: "int8", cache: "int8" } as const;
    const rough = new ReferenceModel(convertModel(bytes, ggmlType.Q8_0), options);
    rough.forward(tokens).logits.forEach((logits, position) => {
      expect(largestDifference(logits, exact[position])).toBeLessThan(0.6);
      expect(largestIndex(logits)).toBe(largestIndex(exact[position]));
    });
  });

  it.skipIf(vocabularyAbsent)("llama.cpp's SentencePiece vectors", () => {
    // The vectors are bare: llama.cpp's own test asks for no begin token.
    const { metadata } = readGguf(readFileSync(vocabularyPath));
    const bare = new Map(metadata).set("tokenizer.ggml.add_bos_token", false);
    const tokenizer = new ReferenceTokenizer(bare);
    const inputs = readFileSync(`${vocabularyPath}.inp`, "utf8").split("\n__ggml_vocab_test__\n");
    expect(inputs.pop()).toBe(""); // the mark stands after every input, the last one too
    const outputs = readFileSync(`${vocabularyPath}.out`, "utf8").trimEnd().split("\n");
    expect(inputs.length).toBeGreaterThan(40);
    expect(outputs).toHaveLength(inputs.length);
    inputs.forEach((input, index) => {
      const expected = outputs[index].split(" ").filter(Boolean).map(Number);
      expect(tokenizer.encode(input), JSON.stringify(input)).toEqual(expected);
      expect(text(tokenizer.decode(expected))).toBe(input === "" ? "" : ` ${input}`);
    });
  });
});

describe("tokenizers of random models", () => {
  it("spm: merges by score, falls back to bytes, obeys the flags", () => {
    const { metadata } = readGguf(randomModel({ ...shape, vocabulary: 360 }));
    const tokenizer = new ReferenceTokenizer(metadata);
    const ids = tokenizer.encode("the ß");
    expect(ids.map((id) => tokenizer.tokens[id])).toEqual(
      ["<s>", "▁the", "▁", "<0xC3>", "<0x9F>"],
    );
    expect(text(tokenizer.decode(ids))).toBe(" the ß");
    metadata.set("tokenizer.ggml.add_space_prefix", false);
    metadata.set("tokenizer.ggml.add_eos_token", true);
    const flagged = new ReferenceTokenizer(metadata);
    expect(flagged.tokens[flagged.encode("the")[1]]).not.toBe("▁the");
    expect(flagged.encode("")).toEqual([1, 2]);
  });

  it("byte: every byte is its own id", () => {
    const alphabet = byteAlphabet();
    expect([alphabet[32], alphabet[10], alphabet[65], alphabet[173]]).toEqual(["Ġ", "Ċ", "A", "Ń"]);
    expect(new Set(alphabet).size).toBe(256);
    const { metadata } = readGguf(randomModel({ ...shape, tokenizer: "byte", vocabulary: 260 }));
    const tokenizer = new ReferenceTokenizer(metadata);
    expect(tokenizer.encode("aß\n")).toEqual([256, 97, 0xc3, 0x9f, 10]);
    expect([...tokenizer.decode([256, 0xff, 97, 259, 257])]).toEqual([0xff, 97]);
  });
});

describe("the forward pass on random models", () => {
  const tokens = [1, 40, 299, 7, 7, 260];

  it("is the same for the same seed, and step by step", () => {
    const bytes = randomModel(shape);
    expect(hex(randomModel(shape))).toBe(hex(bytes));
    expect(hex(randomModel({ ...shape, seed: 8 }))).not.toBe(hex(bytes));
    const model = new ReferenceModel(bytes);
    const whole = model.forward(tokens);
    expect(whole.layers).toHaveLength(3);
    model.reset();
    tokens.forEach((token, position) => {
      const step = model.next(token);
      expect(step.logits).toEqual(whole.logits[position]);
      expect(step.layers).toEqual(whole.layers.map((layer) => layer[position]));
    });
  });

  it("gives the same for F32 weights that hold the quantized values", () => {
    const bytes = randomModel({ ...shape, tied: false });
    const plain = convertModel(bytes, ggmlType.F32);
    expect(readGguf(plain).tensors.get("output.weight")?.type).toBe(ggmlType.F32);
    const expected = new ReferenceModel(bytes).forward(tokens);
    // F32 matrices take their input as it is, whatever the option says.
    const result = new ReferenceModel(plain, { activations: "int8" }).forward(tokens);
    expect(result.logits).toEqual(expected.logits);
  });

  const roundings = [{ activations: "int8" }, { cache: "int8" }] as const;
  it.each(roundings)("%o moves it little", (options) => {
    const bytes = randomModel(shape);
    const exact = new ReferenceModel(bytes).forward(tokens).logits[5];
    const rough = new ReferenceModel(bytes, options).forward(tokens).logits[5];
    expect(largestDifference(rough, exact)).toBeGreaterThan(0);
    expect(largestDifference(rough, exact)).toBeLessThan(0.1);
  });

  it("repeats a block as if it were stored twice", () => {
    const bytes = randomModel({ ...shape, blockRepeat: 2 });
    const file = readGguf(bytes);
    const tensors: TensorEntry[] = [];
    for (const { name, dims, type, bytes: data } of file.tensors.values()) {
      const match = /^blk\.(\d+)(.*)$/.exec(name);
      if (match === null) tensors.push([name, dims, type, data]);
      else {
        const first = 2 * Number(match[1]);
        for (const index of [first, first + 1]) {
          tensors.push([`blk.${index}${match[2]}`, dims, type, data]);
        }
      }
    }
    const metadata = [...file.metadataTypes].map(([key, type]): MetadataEntry => {
      const doubled: Record<string, number> = { "llama.block_count": 4, "llama.block_repeat": 1 };
      return [key, type, doubled[key] ?? file.metadata.get(key)];
    });
    const stored = new ReferenceModel(writeGguf({ metadata, tensors })).forward(tokens);
    expect(new ReferenceModel(bytes).forward(tokens)).toEqual(stored);
    expect(stored.layers).toHaveLength(5);
  });

  it("rotates halves as it rotates pairs once the rows are permuted", () => {
    const bytes = randomModel({ ...shape, headSize: 32 });
    const { metadata, metadataTypes, tensors } = readGguf(bytes);
    const permuted = Array.from(tensors.values(), (tensor): TensorEntry => {
      const { name, dims, type, bytes: data } = tensor;
      if (!/attn_[qk]\.weight/.test(name)) return [name, dims, type, data];
      const rowBytes = data.length / dims[1];
      const moved = new Uint8Array(data.length);
      for (let row = 0; row < dims[1]; row++) {
        const within = row % 32;
        // Pair i is (2i, 2i + 1) in the file and (i, i + 16) in the permuted one.
        const target = row - within + Math.floor(within / 2) + (within % 2) * 16;
        moved.set(data.subarray(row * rowBytes, (row + 1) * rowBytes), target * rowBytes);
      }
      return [name, dims, type, moved];
    });
    const entries = [...metadataTypes].map(
      ([key, type]): MetadataEntry => [key, type, metadata.get(key)],
    );
    const halves = writeGguf({ metadata: entries, tensors: permuted });
    const expected = new ReferenceModel(bytes).forward(tokens).logits[5];
    const result = new ReferenceModel(halves, { rope: "halves" }).forward(tokens).logits[5];
    expect(largestDifference(result, expected)).toBeLessThan(1e-12);
    const wrong = new ReferenceModel(halves).forward(tokens).logits[5];
    expect(largestDifference(wrong, expected)).toBeGreaterThan(1e-3);
  });
});
