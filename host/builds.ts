// Which build of the engine runs here: relaxed SIMD where the runtime knows it and gets a known
// answer right, strict SIMD elsewhere. All builds give the same bytes. Knows nothing of where their
// files lie.

import { Engine } from "./engine";
import { NibbleError } from "./errors";
import { checkSimd, type Simd } from "./options";

export interface Build {
  readonly simd: Simd;
  /** Whether it is made for a memory that several threads share. */
  readonly threads: boolean;
}

/** What a platform brings for engines. */
export interface Engines {
  /** The compiled build, or undefined where the platform has none of that kind. */
  compile(build: Build): Promise<WebAssembly.Module> | undefined;
  /** What the user asked for outside of the program, such as by a variable of the environment. */
  simd?(): string | undefined;
}

/** A function with i16x8.relaxed_dot_i8x16_i7x16_s in it, and nothing else. */
const PROBE = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7b,
  3, 2, 1, 0, 10, 15, 1, 13, 0, 0x41, 0, 0xfd, 15, 0x41, 0, 0xfd, 15, 0xfd, 0x92, 2, 11]);

/** The names of the builds' files. */
export type BuildFile = `nibble${"" | "-relaxed"}${"" | "-threads"}.wasm`;

/** The name of a build's file. */
export function fileOf({ simd, threads }: Build): BuildFile {
  return `nibble${simd === "relaxed" ? "-relaxed" : ""}${threads ? "-threads" : ""}.wasm`;
}

/** Starts the best build. Throws ENGINE_MISSING when there is none that runs, or not as asked. */
export async function startEngine(engines: Engines, asked: Simd | undefined): Promise<Engine> {
  const variable = engines.simd?.();
  const wanted = asked ?? (variable ? checkSimd("NIBBLE_SIMD", variable) : undefined);
  if (wanted !== "strict") {
    const engine = await startRelaxed(engines);
    if (engine) return engine;
    const other = wanted === undefined && engines.compile({ simd: "strict", threads: false });
    if (!other) {
      throw new NibbleError("ENGINE_MISSING", "Relaxed SIMD was asked for, but this runtime does "
        + "not know it, or computes it wrongly; leave the choice to Nibble, or ask for strict.");
    }
  }
  const module = engines.compile({ simd: "strict", threads: false });
  if (!module) {
    throw new NibbleError("ENGINE_MISSING", "Strict SIMD was asked for, but this entry of the "
      + "package has only the relaxed build; import the other one.");
  }
  const engine = await Engine.start(await module, "strict");
  if (engine.exports.knownAnswer() === 1) return engine;
  throw new NibbleError("ENGINE_MISSING", "This runtime computes WebAssembly SIMD wrongly; "
    + "update it.");
}

/** The relaxed build, unless it is absent, unknown to the runtime or computed wrongly by it. */
async function startRelaxed(engines: Engines): Promise<Engine | undefined> {
  if (!WebAssembly.validate(PROBE)) return undefined;
  const module = engines.compile({ simd: "relaxed", threads: false });
  if (!module) return undefined;
  const engine = await Engine.start(await module, "relaxed");
  return engine.exports.knownAnswer() === 1 ? engine : undefined;
}
