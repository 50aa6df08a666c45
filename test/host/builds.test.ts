// Which build of the engine a platform gets: relaxed only where the runtime knows it and computes
// it rightly, strict otherwise, or what was asked for. Does not know: what the builds compute; the
// kernels' tests and the table of platforms do.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { fileOf, startEngine, type Build, type Engines } from "../../host/builds";

const strict = new WebAssembly.Module(
  readFileSync(new URL("../../dist/nibble.wasm", import.meta.url)));

/** A module whose `knownAnswer` is this, as an engine's would be that multiplies wrongly. */
function answering(answer: number): WebAssembly.Module {
  const name = Array.from("knownAnswer", (letter) => letter.charCodeAt(0));
  return new WebAssembly.Module(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    1, 5, 1, 0x60, 0, 1, 0x7f, 3, 2, 1, 0, 7, name.length + 4, 1, name.length, ...name, 0, 0,
    10, 6, 1, 4, 0, 0x41, answer, 11]));
}

/** A platform with these builds. */
function engines(relaxed: WebAssembly.Module | undefined, variable?: string): Engines {
  return {
    compile: (build: Build) => {
      const module = build.simd === "strict" ? strict : relaxed;
      return module && Promise.resolve(module);
    },
    simd: () => variable,
  };
}

/** Runs as if the runtime did or did not know relaxed SIMD, whatever it really knows. */
async function where<T>(knows: boolean, run: () => Promise<T>): Promise<T> {
  const { validate } = WebAssembly;
  WebAssembly.validate = () => knows;
  try {
    return await run();
  } finally {
    WebAssembly.validate = validate;
  }
}

it("is relaxed where that is known and right", async () => {
  const engine = await where(true, () => startEngine(engines(answering(1)), undefined));
  expect(engine.simd).toBe("relaxed");
});

it("is strict where relaxed SIMD is not known, is wrong, or is not there", async () => {
  expect((await where(false, () => startEngine(engines(answering(1)), undefined))).simd)
    .toBe("strict");
  expect((await where(true, () => startEngine(engines(answering(0)), undefined))).simd)
    .toBe("strict");
  expect((await where(true, () => startEngine(engines(undefined), undefined))).simd)
    .toBe("strict");
});

it("is what was asked for, by the option before the variable", async () => {
  const start = (asked: "strict" | "relaxed" | undefined, variable?: string) =>
    where(true, () => startEngine(engines(answering(1), variable), asked));
  expect((await start("strict", "relaxed")).simd).toBe("strict");
  expect((await start("relaxed", "strict")).simd).toBe("relaxed");
  expect((await start(undefined, "strict")).simd).toBe("strict");
  expect((await start(undefined, "")).simd).toBe("relaxed");
});

it("says so when what was asked for cannot be had", async () => {
  for (const [knows, relaxed] of [[false, answering(1)], [true, answering(0)]] as const) {
    await expect(where(knows, () => startEngine(engines(relaxed, "relaxed"), undefined)))
      .rejects.toMatchObject({ code: "ENGINE_MISSING", message: /relaxed SIMD was asked/i });
  }
  await expect(startEngine(engines(undefined, "fast"), undefined)).rejects.toMatchObject({
    code: "BAD_OPTION", message: 'NIBBLE_SIMD is "fast"; it must be strict or relaxed.',
  });
  const relaxedOnly: Engines = {
    compile: ({ simd }) => (simd === "relaxed" ? Promise.resolve(answering(1)) : undefined),
  };
  await expect(startEngine(relaxedOnly, "strict")).rejects.toMatchObject({
    code: "ENGINE_MISSING", message: /only the relaxed build/,
  });
});

it("refuses a runtime that is wrong about strict SIMD, too", async () => {
  const wrong: Engines = { compile: () => Promise.resolve(answering(0)) };
  await expect(startEngine(wrong, "strict")).rejects.toMatchObject({ code: "ENGINE_MISSING" });
});

it("has a file for each build", () => {
  expect([false, true].flatMap((threads) => (["strict", "relaxed"] as const).map(
    (simd) => fileOf({ simd, threads })))).toEqual(["nibble.wasm", "nibble-relaxed.wasm",
    "nibble-threads.wasm", "nibble-relaxed-threads.wasm"]);
});

/** V8 11.3 has relaxed SIMD behind a flag, and doubles what it sums in 32 bits. */
const isNode20 = process.version.startsWith("v20.");

it.skipIf(!isNode20)("is found to be wrong where an engine really is (Node 20)", () => {
  const program = `
    const file = ${JSON.stringify(fileURLToPath(new URL("../../dist/nibble-relaxed.wasm",
    import.meta.url)))};
    const bytes = require("node:fs").readFileSync(file);
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
    const own = [exports.sumBits(0), exports.knownAnswer()];
    const wide = [exports.sumBits(32), exports.knownAnswer()];
    console.log(JSON.stringify([WebAssembly.validate(bytes), own, wide]));`;
  const answers = execFileSync(process.execPath,
    ["--experimental-wasm-relaxed-simd", "-e", program], { encoding: "utf8" });
  expect(JSON.parse(answers)).toEqual([true, [16, 1], [32, 0]]);
});
