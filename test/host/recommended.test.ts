// What a model's file recommends for sampling: followed where the user says nothing, checked as the
// user's own options are, and shown. Does not know: how texts are sampled.

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createServer } from "../server/library";
import { folder, nibble } from "./command";
import { byteModel, load, withMetadata } from "./library";

const key = (word: string): string => `general.sampling.${word}`;

/** Every key that is followed, in the types that converters write. */
const tuned = withMetadata(byteModel(), [
  [key("temp"), "float32", 0.5], [key("top_k"), "int32", 3], [key("top_p"), "float32", 0.75],
  [key("min_p"), "float32", 0.25], [key("xtc_probability"), "float32", 0.5],
  [key("xtc_threshold"), "float32", 0.125], [key("penalty_last_n"), "int32", -1],
  [key("penalty_repeat"), "float32", 1.5], [key("mirostat"), "int32", 0],
  [key("mirostat_tau"), "float32", 4], [key("mirostat_eta"), "float64", 0.25],
]);
const TUNED = {
  temperature: 0.5, topK: 3, topP: 0.75, minP: 0.25, xtcProbability: 0.5, xtcThreshold: 0.125,
  repeatTokens: 2 ** 20, repeatPenalty: 1.5,
};
const wild = withMetadata(byteModel(), [
  [key("temp"), "float32", 1e9], [key("top_k"), "int32", -5], [key("top_p"), "float32", NaN],
  [key("min_p"), "string", "0.1"], [key("penalty_repeat"), "float32[]", [1, 2]],
  [key("mirostat"), "uint32", 1], [key("penalty_last_n"), "uint64", 2n ** 63n],
  [key("sequence"), "string", "edskypmxt"], [key("__proto__"), "int32", 1],
  [key("xtc_threshold"), "float32", 0.25],
]);

const [good, bad] = [join(folder, "tuned.gguf"), join(folder, "wild.gguf")];
writeFileSync(good, tuned);
writeFileSync(bad, wild);
afterAll(() => rmSync(folder, { recursive: true }));

const WRITING = { maxTokens: 40, seed: 5 };

async function written(file: Uint8Array, options: object = {}): Promise<string> {
  using model = await load(file);
  return (await model.complete("Once", { ...WRITING, ...options })).text;
}

describe("a file's recommendations", () => {
  it("are the defaults of its texts, of chats and sessions alike", async () => {
    const expected = await written(byteModel(), TUNED);
    expect(await written(tuned)).toBe(expected);
    expect(expected).not.toBe(await written(byteModel()));
    using model = await load(tuned);
    using session = model.session();
    let text = "";
    for await (const piece of session.generate("Once", WRITING)) text += piece;
    expect(text).toBe(expected);
    session.rewind(0);
    await session.feed("Once");
    const token = session.sample({ seed: 9 });
    expect(token).toBe(session.sample({ ...TUNED, seed: 9 }));
  });

  it("give way to what the user says, one by one", async () => {
    const own = { temperature: 2, topK: 0, xtcProbability: 0 };
    expect(await written(tuned, own)).toBe(await written(byteModel(), { ...TUNED, ...own }));
    expect(await written(tuned, { temperature: undefined })).toBe(await written(tuned));
  });

  it("turn mirostat on, beside which other steps are refused by name", async () => {
    const file = withMetadata(byteModel(), [
      [key("mirostat"), "uint8", 2], [key("mirostat_tau"), "float32", 2],
      [key("xtc_probability"), "float32", 0.5]]);
    expect(await written(file)).toBe(await written(byteModel(), { mirostat: 2, mirostatTau: 2 }));
    await expect(written(file, { typicalP: 0.5 })).rejects.toThrow("set mirostat to 0");
    expect(await written(file, { typicalP: 0.5, mirostat: 0 }))
      .toBe(await written(byteModel(), { typicalP: 0.5, xtcProbability: 0.5 }));
  });

  it("that are wild are not followed", async () => {
    expect(await written(wild)).toBe(await written(byteModel(), { xtcThreshold: 0.25 }));
  });

  it("stand in the server's properties", async () => {
    using model = await load(tuned);
    const server = createServer(model, { sampling: { topK: 9 } });
    const response = await server.fetch(new Request("http://localhost/props"));
    expect(await response.json()).toMatchObject({ defaults: {
      temperature: 0.5, top_k: 9, top_p: 0.75, repetition_penalty: 1.5, xtc_threshold: 0.125,
    } });
  });
});

describe("nibble show", () => {
  it("shows what is followed", async () => {
    const { stdout } = await nibble(["show", good]);
    expect(stdout).toContain("sampling by default: temperature 0.5, topK 3, topP 0.75, minP 0.25, "
      + "xtcProbability 0.5, xtcThreshold 0.125, repeatTokens 1048576, repeatPenalty 1.5, "
      + "mirostat 0, mirostatTau 4, mirostatEta 0.25\n");
    expect(stdout).not.toContain("not followed");
  });

  it("says of each other one why it is not", async () => {
    const { stdout } = await nibble(["show", bad]);
    expect(stdout).toContain("sampling by default: xtcThreshold 0.25\n");
    const reasons = {
      temp: "Option temperature is 1000000000; it must be a number from 0 to 10.",
      top_k: "Option topK is -5;", top_p: "Option topP is NaN;", min_p: "Option minP is \"0.1\";",
      penalty_repeat: "Option repeatPenalty is an object;",
      mirostat: "Option mirostat is 1; it must be 0 (off) or 2.",
      penalty_last_n: "Option repeatTokens is 9223372036854776000;",
      sequence: "The order of the steps is fixed.", __proto__: "There is no such setting.",
    };
    for (const [word, reason] of Object.entries(reasons)) {
      expect(stdout).toContain(`${key(word)} is not followed: ${reason}`);
    }
    expect(stdout.split("is not followed").length - 1).toBe(9);
  });
});

describe("the command line", () => {
  it("takes every step by llama.cpp's names", async () => {
    const cases: [string[], object][] = [
      [["--typical", "0.5", "--xtc-probability", "1", "--xtc-threshold", "0.03"],
        { typicalP: 0.5, xtcProbability: 1, xtcThreshold: 0.03 }],
      [["--mirostat", "2", "--mirostat-ent", "2", "--mirostat-lr", "0.5"],
        { mirostat: 2, mirostatTau: 2, mirostatEta: 0.5 }],
      [["--dynatemp-range", "1", "--dynatemp-exp", "2", "--repeat-last-n", "3",
        "--presence-penalty", "1", "--frequency-penalty=-1"],
      { dynamicTemperatureRange: 1, dynamicTemperatureExponent: 2, repeatTokens: 3,
        presencePenalty: 1, frequencyPenalty: -1 }],
      [["--dry-multiplier", "3", "--dry-base", "2", "--dry-allowed-length", "1",
        "--dry-penalty-last-n", "30", "--dry-sequence-breaker", "none",
        "--dry-sequence-breaker", "e"],
      { dryMultiplier: 3, dryBase: 2, dryAllowedLength: 1, dryTokens: 30, dryBreakers: ["e"] }],
    ];
    for (const [args, options] of cases) {
      const { stdout, stderr } = await nibble(
        ["run", good, "Once", "-n", "40", "--seed", "5", "--temp", "1", "--json", ...args]);
      expect(stderr).toBe("");
      expect((JSON.parse(stdout) as { text: string }).text)
        .toBe(await written(tuned, { temperature: 1, ...options }));
    }
    const refused = await nibble(["run", good, "Once", "--mirostat", "1"]);
    expect([refused.code, refused.stderr]).toEqual([2,
      "nibble: --mirostat is 1; it must be 0 (off) or 2. [BAD_OPTION]\n"]);
  });
});
