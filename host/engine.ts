// The engine as a typed object: instantiation, the table of exports, failures turned into errors.
// The one place where the host meets the wasm. Knows nothing of sources or text.

import { instantiate } from "@assemblyscript/loader";
import { NibbleError, type ErrorCode } from "./errors";
import type { Simd } from "./options";

/** Result code of `open` when the header goes on beyond the bytes given so far. */
export const NEED_MORE = -1;

/** Code of a source that ends before its first byte. */
export const EMPTY_SOURCE = -2;

/** Numbers for `fact`. */
export const FACT = {
  vocabulary: 0, contextMax: 1, context: 2, sessions: 3, layers: 4, width: 5, heads: 6,
  kvHeads: 7, headSize: 8, feedForward: 9, parameters: 10, int8Cache: 11, bos: 12, eos: 13,
  addsBos: 14, tokenizer: 15, ggufVersion: 16, tensors: 17, metadataEntries: 18, blocks: 19,
  tokenWidth: 20, tokenLayers: 21, patches: 22,
} as const;

/** Categories for `planBytes`. */
export const PLAN = {
  engine: -1, directory: 0, vocabulary: 1, weights: 2, cache: 3, scratch: 4, total: 5,
} as const;

/** Flags for `encode`. */
export const ENCODE = { first: 1, last: 2, special: 4, trusted: 8 } as const;

/** Flags for `decode`. */
export const DECODE = { first: 1, named: 2 } as const;

/** Exports of the wasm, as assembly/index.ts documents them. */
export interface EngineExports {
  readonly memory: WebAssembly.Memory;
  readonly NUMERICS: WebAssembly.Global;
  messageLength(code: number): number;
  messageAddress(): number;
  headerRoom(bytes: number): number;
  open(length: number, sourceBytes: bigint): number;
  partRoom(bytes: number): number;
  join(length: number, sourceBytes: bigint): number;
  partStart(): bigint;
  partBytes(): bigint;
  partPadded(): bigint;
  joinedHeader(): bigint;
  joinedBytes(): bigint;
  headerBytes(): bigint;
  modelBytes(): bigint;
  knownAnswer(): number;
  sumBits(asked: number): number;
  serve(thread: number): void;
  endThreads(): void;
  measure(
    positions: number, sessions: number, weights: number, cache: number, threads: number,
    memoryLimit: bigint,
  ): number;
  plan(
    positions: number, sessions: number, weights: number, cache: number, threads: number,
    memoryLimit: bigint,
  ): number;
  stagingAddress(): number;
  stagingBytes(): number;
  write(length: number): number;
  hasAllData(): number;
  finish(): number;
  fact(which: number): bigint;
  metadataEntry(index: number): number;
  tensorRecord(index: number): number;
  planBytes(category: number): bigint;
  encode(length: number, flags: number): number;
  encodedBytes(): number;
  encodedIds(): number;
  decode(token: number, flags: number): number;
  nextControl(token: number): number;
  spell(token: number): number;
  endsAt(token: number): number;
  push(session: number, token: number, wantsLogits: number): number;
  drop(): void;
  run(depth: number): number;
  logitsOf(row: number): number;
  keepTo(row: number): number;
  residual(row: number): number;
  embedBegin(session: number): number;
  embedRow(row: number): number;
  embedEnd(session: number): number;
  logitsAddress(session: number): number;
  position(session: number): number;
  tokensAddress(session: number): number;
  room(session: number): number;
  patchOf(session: number, position: number): number;
  rewind(session: number, position: number): number;
  seed(session: number, low: number, high: number): number;
  configure(
    session: number, temperature: number, topK: number, topP: number, minP: number,
    penalty: number, penaltyWindow: number,
  ): number;
  penalize(session: number, frequency: number, presence: number): number;
  bias(session: number, token: number, value: number): number;
  maskAddress(): number;
  refine(
    session: number, typical: number, xtcProbability: number, xtcThreshold: number, tau: number,
    eta: number, range: number, exponent: number,
  ): number;
  dry(
    session: number, multiplier: number, base: number, allowed: number, window: number,
  ): number;
  sample(session: number): number;
  sampleMasked(session: number): number;
  logProbability(session: number, token: number): number;
  saveBegin(session: number): number;
  save(): number;
  restoreBegin(session: number): number;
  restore(length: number): number;
  restoreEnd(): number;
  id(): bigint;
  hashBegin(): void;
  hashBytes(address: number, length: number): number;
  hashLogits(session: number): number;
  hashEnd(): void;
}

const decoder = new TextDecoder();
const forgotten = new FinalizationRegistry<EngineExports>((exports) => exports.endThreads());

/** One instance of the engine: one model, its sessions and their memory. */
export class Engine {
  #broken: unknown;

  private constructor(
    readonly exports: EngineExports,
    readonly simd: Simd,
    private threadCount: number,
  ) {}

  /** Threads that its memory is shared by. */
  get threads(): number {
    return this.threadCount;
  }

  /** `shared` is for the builds with threads, which bring no memory of their own. */
  static async start(
    module: WebAssembly.Module, simd: Simd,
    shared?: { memory: WebAssembly.Memory; threads: number },
  ): Promise<Engine> {
    const imports = shared ? { env: { memory: shared.memory } } : {};
    const { exports } = await instantiate<Record<string, unknown>>(module, imports);
    const engine = new Engine(exports as unknown as EngineExports, simd, shared?.threads ?? 1);
    // Threads keep their memory: they must end with the engine, even if nobody says so.
    if (shared) forgotten.register(engine, engine.exports);
    return engine;
  }

  /** Lets go of the threads: from now on the engine runs alone, if at all. */
  end(): void {
    this.exports.endThreads();
    this.threadCount = 1;
  }

  /** A view of the engine's memory; valid until the next call that may grow it. */
  bytes(address: number, length: number): Uint8Array<ArrayBuffer> {
    // Addresses above 2^31 come out of wasm as negative numbers.
    const buffer = this.exports.memory.buffer as ArrayBuffer;
    return new Uint8Array(buffer, address >>> 0, length);
  }

  /** UTF-8 in the engine's memory as text. */
  text(address: number, length: number): string {
    // A copy, because decoders refuse memory that is shared.
    return decoder.decode(this.bytes(address, length).slice());
  }

  /**
   * Calls into the engine; a negative result becomes a NibbleError, and so does a trap, after which
   * the instance is not used again.
   */
  call(run: (exports: EngineExports) => number): number {
    if (this.#broken) throw this.#trap();
    let result: number;
    try {
      result = run(this.exports);
    } catch (cause) {
      this.#broken = cause;
      throw this.#trap();
    }
    if (result < 0 && result >= -1024) throw this.failure(result);
    return result;
  }

  #trap(): NibbleError {
    return new NibbleError("ENGINE_TRAP",
      `The engine stopped (${String(this.#broken)}); load the model again.`,
      { cause: this.#broken });
  }

  /** The engine's own sentence for a code. */
  failure(code: number): NibbleError {
    const length = this.exports.messageLength(code);
    const text = this.text(this.exports.messageAddress(), length);
    const bar = text.indexOf("|");
    return new NibbleError(text.slice(0, bar) as ErrorCode, text.slice(bar + 1));
  }

  fact(name: keyof typeof FACT): number {
    return Number(this.exports.fact(FACT[name]));
  }
}
