// Thousands of files damaged by chance, from one seed: a load works or is refused in words, soon
// and within its memory, and what loads can also be run.
// Does not know: which damage is how bad. NIBBLE_FUZZ_CASES and NIBBLE_FUZZ_SEED make it longer.

import { expect, it } from "vitest";
import type { ErrorCode, LoadOptions, Model } from "../host/index";
import { goodByte, goodFloat, goodHalf, goodSentencePiece } from "./bad-input/craft";
import { load, NibbleError, withinLimit } from "./bad-input/library";
import { readGguf } from "./reference";

const CASES = Number(process.env["NIBBLE_FUZZ_CASES"] ?? 2500);
const SEED = Number(process.env["NIBBLE_FUZZ_SEED"] ?? 1);
const MEMORY = 200e6;
/** Codes that say that the engine, and not the file, is wrong. */
const FORBIDDEN: readonly ErrorCode[] = [
  "ENGINE_TRAP", "INTERNAL", "OUT_OF_ORDER", "OUT_OF_MEMORY", "BAD_SESSION", "BAD_TOKEN",
  "TOO_MANY_ROWS", "NO_LOGITS", "BAD_POSITION",
];

const files = [goodByte, goodSentencePiece, goodFloat, goodHalf].map((bytes) => (
  { bytes, header: readGguf(bytes).dataOffset }));
const optionSets: LoadOptions[] = [{}, {}, { weights: "q4_0" }, { weights: "q8_0", cache: "f32" },
  { weights: "f32", sessions: 3 }];
const interesting = [0, 1, 2, 3, 4, 7, 8, 9, 31, 32, 33, 64, 255, 256, 1023, 4096, 65535, 65536,
  0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];
const interesting64 = [0n, 1n, 63n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 32n + 64n,
  2n ** 40n, 2n ** 52n, 2n ** 53n, 2n ** 61n, 2n ** 62n + 1n, 2n ** 63n - 1n, 2n ** 63n,
  2n ** 64n - 32n, 2n ** 64n - 1n];

/** A whole number below `limit`, from a generator of 32 bits (mulberry32). */
function chance(seed: number): (limit: number) => number {
  let state = seed | 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

/** Where to damage: mostly the header, and of it mostly the parts outside the vocabulary. */
function place(below: (limit: number) => number, header: number, length: number): number {
  const where = below(10);
  if (where === 0) return below(length);
  if (where < 4) return below(Math.min(header, 900));
  if (where < 7) return Math.max(0, header - 1 - below(900));
  return below(header);
}

/** One change of one of five kinds; the length may change. */
function damage(bytes: Uint8Array, header: number, below: (limit: number) => number): Uint8Array {
  const at = Math.min(place(below, header, bytes.length), bytes.length - 9);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (below(8)) {
    case 0: case 1:
      bytes[at] = bytes[at]! ^ (1 << below(8));
      return bytes;
    case 2:
      bytes[at] = below(256);
      return bytes;
    case 3: case 4:
      view.setUint32(at, interesting[below(interesting.length)] as number, true);
      return bytes;
    case 5:
      view.setBigUint64(at, interesting64[below(interesting64.length)] as bigint, true);
      return bytes;
    case 6: { // a piece from elsewhere over this one
      const from = below(bytes.length - 8);
      const length = Math.min(1 + below(64), bytes.length - Math.max(at, from));
      bytes.copyWithin(at, from, from + length);
      return bytes;
    }
    default: { // a piece put in or taken out
      const length = 1 + below(24);
      return below(2) === 0
        ? new Uint8Array([...bytes.subarray(0, at), ...bytes.subarray(at + length)])
        : new Uint8Array([...bytes.subarray(0, at), ...bytes.subarray(at, at + length),
          ...bytes.subarray(at)]);
    }
  }
}

/** Everything that a model can be asked for. */
async function use(model: Model): Promise<void> {
  const { info } = model;
  expect(info.memory.total).toBeLessThanOrEqual(MEMORY);
  JSON.stringify(info, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value));
  const tokens = model.tokenize("Once upon a time\n, é 🦉");
  expect(tokens.every((token) => token >= 0 && token < info.vocabulary)).toBe(true);
  model.detokenize(Array.from({ length: Math.min(info.vocabulary, 300) }, (_, id) => id));
  await model.complete("ab", { maxTokens: 4, temperature: 0.7, seed: 3 });
  model.dispose();
}

async function tryOne(index: number): Promise<string> {
  const below = chance(SEED * 1_000_003 + index);
  const { bytes, header } = files[below(files.length)] as (typeof files)[number];
  let file: Uint8Array = bytes.slice();
  for (let changes = 1 + below(3); changes > 0; changes--) file = damage(file, header, below);
  const options = optionSets[below(optionSets.length)] as LoadOptions;
  try {
    await use(await load(file, { ...options, memoryLimit: MEMORY }));
    return "loaded";
  } catch (error) {
    if (!(error instanceof NibbleError)) throw error;
    expect(FORBIDDEN, error.message).not.toContain(error.code);
    expect(error.message).toMatch(/^[^\x00-\x1f\x7f]{15,500}\.$/);
    return error.code;
  }
}

it(`${CASES} damaged files`, { timeout: 120_000 + CASES * 20 }, async () => {
  const outcomes = new Map<string, number>();
  for (let index = 0; index < CASES; index++) {
    const outcome = await withinLimit(tryOne(index)).catch((cause: unknown) => {
      throw new Error(`case ${index} of seed ${SEED}: ${String(cause)}`, { cause });
    });
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  if (process.env["NIBBLE_FUZZ_CASES"]) console.log(Object.fromEntries(outcomes));
  expect(outcomes.get("loaded")).toBeGreaterThan(0);
  expect(outcomes.size).toBeGreaterThan(15); // the damage reaches most of the loader's checks
});
