// 2,000 random schemas, each written by a model without training at temperature 2: what it writes
// to the end is read by JSON.parse and valid by Ajv, whatever its vocabulary. Does not know: how a
// schema becomes a grammar, or a mask.

import { Ajv2020 } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { describe, expect, it } from "vitest";
import { byteModel, load, wordModel, type Model } from "../../host/library";
import { ggmlType, randomBytePool } from "../../reference";
import { randomOf } from "../library";
import { pairModel } from "../models";
import { randomSchema } from "./random";

const SCHEMAS = 500;
/** A text that has not ended by then is cut, and says so. */
const TOKENS = 120;

const pool = (): Uint8Array => randomBytePool({
  local: { width: 32, heads: 1, kvHeads: 1, feedForward: 32 }, encoders: 1, decoders: 1, window: 24,
  trunk: { width: 32, heads: 1, kvHeads: 1, feedForward: 32 }, blocks: 1, rule: "space",
  patchLength: 16, ngramRows: 16, ngramOrders: [2], context: 256, vocabulary: 272,
  type: ggmlType.Q4_0, seed: 5,
});

/** Ajv sees no own member of the name __proto__, so that it is judged under another. */
function renamed(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value).replaceAll("__proto__", "_proto_"));
}

/** How often it ended, was cut, and was refused; throws where something was written wrong. */
async function judge(model: Model, seed: number) {
  const random = randomOf(seed);
  const ajv = new Ajv2020({ strict: false, multipleOfPrecision: 6, validateSchema: false });
  formats.default(ajv);
  const counts = { stop: 0, length: 0, refused: 0 };
  for (let i = 0; i < SCHEMAS; i++) {
    const schema = randomSchema(random);
    const where = `schema ${i} of seed ${seed}, ${JSON.stringify(schema)}`;
    const options = { schema, seed: i, temperature: 2, topK: 0, topP: 1, minP: 0,
      maxTokens: TOKENS };
    const written = await model.complete("Once", options).catch((error: { code?: string }) => {
      expect(["GRAMMAR_EMPTY", "GRAMMAR_TOO_COMPLEX", "UNSUPPORTED_SCHEMA"], where)
        .toContain(error.code);
    });
    if (!written) counts.refused++;
    else if (written.finishReason === "length") counts.length++;
    else {
      expect(written.finishReason, where).toBe("stop");
      counts.stop++;
      const value: unknown = JSON.parse(written.text);
      const isValid = ajv.validate(renamed(schema) as object, renamed(value));
      expect(isValid, `${written.text} of ${where}: ${ajv.errorsText()}`).toBe(true);
    }
  }
  return counts;
}

describe("what a model without training writes at temperature 2 is valid", () => {
  it.each<[name: string, file: () => Uint8Array]>([
    ["bytes in patches", pool], ["bytes", () => byteModel()], ["byte pairs", () => pairModel()],
    ["words", () => wordModel()],
  ])("of %s", async (name, file) => {
    using model = await load(file());
    const { stop, length, refused } = await judge(model, 20_270 + name.length);
    expect(stop).toBeGreaterThan(SCHEMAS / 3);
    expect(length).toBeGreaterThan(0);
    expect(refused).toBeLessThan(SCHEMAS / 4);
  }, 120_000);
});
