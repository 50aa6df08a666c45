// The engine in a build that counts: every load of memory is reported with its address, and every
// kernel that is entered with its name. What it computes is the engine's own; only its text form
// has calls put before the loads.
// Does not know: what a token should cost.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { PLAN, type EngineExports } from "../host/engine";

const root = fileURLToPath(new URL("../", import.meta.url));
const compiler = createRequire(import.meta.url).resolve("assemblyscript/package.json");

/** What the compiler's own assembler offers. */
interface Assembler {
  parseText(text: string): { setFeatures(features: number): void; emitBinary(): Uint8Array };
  Features: { All: number };
}

/** What is counted between two calls of `reset`. */
export interface Counts {
  /** How often each byte of the memory was loaded. */
  bytes: Uint16Array;
  loads: number;
  /** Calls by kernel. */
  kernels: Map<string, number>;
}

const OPERATION = /^( +)(\w+\.load\w*)(?: offset=(\d+))?(?: align=\d+)?$/gm;
const KERNEL = /^ \(func \$assembly\/kernels\/(\w+)\/(\w+) /;

/** Bytes that a load takes: v128.load32_splat 4, v128.load16x4_s 8, i32.load8_u 1, v128.load 16. */
function bytesOf(operation: string): number {
  const [, bits, lanes] = /load(\d+)?(?:x(\d))?/.exec(operation) ?? [];
  if (bits) return (Number(bits) / 8) * Number(lanes ?? 1);
  return { i32: 4, f32: 4, i64: 8, f64: 8, v128: 16 }[operation.split(".")[0]] ?? NaN;
}

/** A function that reports a load and does it; the constant part of the address comes last. */
function countedLoad(operation: string): string {
  const address = "(i32.add (local.get 0) (local.get 1))";
  return `(func $counted.${operation} (param i32 i32) (result ${operation.split(".")[0]})
    (call $touched ${address} (i32.const ${bytesOf(operation)})) (${operation} ${address}))`;
}

const COUNTED_COPY = `(func $counted.copy (param i32 i32 i32)
  (call $touched (local.get 1) (local.get 2))
  (memory.copy (local.get 0) (local.get 1) (local.get 2)))`;

/** Functions that kernels show to others: what they call among themselves is not counted. */
function kernelNames(): Set<string> {
  const folder = join(root, "assembly/kernels");
  return new Set(readdirSync(folder).flatMap((file) => (
    [...readFileSync(join(folder, file), "utf8").matchAll(/export function (\w+)/g)]
      .map(([, name]) => `${file.replace(".ts", "")}/${name}`))));
}

/** The text with calls put in, and the names of kernels by the number that is reported. */
function instrumented(text: string): { text: string; names: string[] } {
  const kernels = kernelNames();
  const operations = new Set<string>();
  const names: string[] = [];
  const counted = text.replace(OPERATION, (_, space, operation: string, offset = "0") => {
    operations.add(operation);
    return `${space}i32.const ${offset}\n${space}call $counted.${operation}`;
  }).replace(/memory\.copy$/gm, "call $counted.copy");
  const missed = /^ +(\w+\.load.*|memory\.copy.+)$/m.exec(counted);
  if (missed) throw new Error(`${missed[1]} is a load that is not counted yet`);
  let entering: string | undefined;
  const lines = counted.split("\n").flatMap((line) => {
    const [, file, name] = KERNEL.exec(line) ?? [];
    if (file && kernels.has(`${file}/${name}`)) entering = `${file}/${name}`;
    else if (entering !== undefined && !line.startsWith("  (local ")) {
      names.push(entering);
      entering = undefined;
      return [`  i32.const ${names.length - 1}`, "  call $entered", line];
    }
    return [line];
  });
  const imports = `(module
 (import "count" "touched" (func $touched (param i32 i32)))
 (import "count" "entered" (func $entered (param i32)))`;
  const last = lines.lastIndexOf(")");
  return { names, text: [imports, ...lines.slice(1, last),
    ...[...operations].map(countedLoad), COUNTED_COPY, ")"].join("\n") };
}

/** A compiled engine that counts. */
export class CountingBuild {
  private constructor(readonly module: WebAssembly.Module, readonly names: string[]) {}

  /** Compiles without optimizing, so that kernels are functions; takes some seconds. */
  static async compile(): Promise<CountingBuild> {
    const folder = mkdtempSync(join(tmpdir(), "nibble-counting-"));
    try {
      const file = join(folder, "engine.wat");
      execFileSync(process.execPath, [join(dirname(compiler), "bin/asc.js"), "assembly/index.ts",
        "--target", "strict", "--optimizeLevel", "0", "--shrinkLevel", "0", "--debug", "--outFile",
        join(folder, "engine.wasm"), "--textFile", file], { cwd: root });
      const { text, names } = instrumented(readFileSync(file, "utf8"));
      const path = createRequire(compiler).resolve("binaryen");
      const { default: assembler } = await import(pathToFileURL(path).href) as
        { default: Assembler };
      const parsed = assembler.parseText(text);
      parsed.setFeatures(assembler.Features.All);
      const bytes = Uint8Array.from(parsed.emitBinary());
      return new CountingBuild(new WebAssembly.Module(bytes), names);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** A loaded model, context 512, int8 cache where the model is quantized. */
  open(file: Uint8Array): CountedModel {
    return new CountedModel(this, file);
  }
}

/** A model whose every load is counted. */
export class CountedModel {
  readonly engine: EngineExports;
  counts: Counts = { bytes: new Uint16Array(0), loads: 0, kernels: new Map() };

  constructor(build: CountingBuild, file: Uint8Array) {
    this.engine = new WebAssembly.Instance(build.module, { count: {
      touched: (address: number, bytes: number): void => {
        const start = address >>> 0;
        this.counts.loads++;
        for (let i = start; i < start + bytes && i < this.counts.bytes.length; i++) {
          this.counts.bytes[i]++;
        }
      },
      entered: (kernel: number): void => {
        const { kernels } = this.counts;
        const name = build.names[kernel];
        kernels.set(name, (kernels.get(name) ?? 0) + 1);
      },
    } }).exports as unknown as EngineExports;
    this.#load(file);
    this.reset();
  }

  #load(file: Uint8Array): void {
    const { engine } = this;
    const put = (address: number, bytes: Uint8Array): void =>
      new Uint8Array(engine.memory.buffer).set(bytes, address >>> 0);
    put(this.#check(engine.headerRoom(file.length)), file);
    this.#check(engine.open(file.length, BigInt(file.length)));
    this.#check(engine.plan(512, 1, -1, -1, 1, 0n));
    for (let at = Number(engine.headerBytes()); !engine.hasAllData();) {
      const piece = file.subarray(at, at + engine.stagingBytes());
      put(engine.stagingAddress(), piece);
      this.#check(engine.write(piece.length));
      at += piece.length;
    }
    this.#check(engine.finish());
  }

  #check(result: number): number {
    if (result >= 0 || result < -1024) return result;
    const length = this.engine.messageLength(result);
    throw new Error(Buffer.from(this.engine.memory.buffer, this.engine.messageAddress(), length)
      .toString());
  }

  /** Begins to count anew. */
  reset(): void {
    const bytes = new Uint16Array(this.engine.memory.buffer.byteLength);
    this.counts = { bytes, loads: 0, kernels: new Map() };
  }

  /** One pass of these tokens, logits for the last. What it cost, and nothing before it. */
  run(tokens: readonly number[]): Counts {
    this.reset();
    tokens.forEach((token, i) =>
      this.#check(this.engine.push(0, token, i === tokens.length - 1 ? 1 : 0)));
    this.#check(this.engine.run(-1));
    return this.counts;
  }

  /** How often the bytes of a part of the plan were loaded in the last pass. */
  countsOf(part: "weights" | "cache"): Uint16Array {
    const sizes = [PLAN.engine, PLAN.directory, PLAN.vocabulary, PLAN.weights, PLAN.cache]
      .map((category) => Number(this.engine.planBytes(category)));
    const before = sizes.slice(0, part === "weights" ? 3 : 4);
    const start = before.reduce((sum, bytes) => sum + bytes, 0);
    return this.counts.bytes.subarray(start, start + sizes[before.length]);
  }
}

/** All loads of these bytes together. */
export const total = (counts: Uint16Array): number => counts.reduce((sum, count) => sum + count, 0);
