// The module that makes model files (assembly/tools.ts) as a typed object. The one place where
// conversion meets the wasm. Knows nothing of where bytes come from or go.

import { instantiate } from "@assemblyscript/loader";
import type { EngineExports } from "../engine";
import { NibbleError, type ErrorCode } from "../errors";

/** ggml's numbers of the types that are written, or that checkpoints have. */
export const TYPE = { F32: 0, F16: 1, Q4_0: 2, Q8_0: 8, BF16: 30 } as const;

const NEED_MORE = -1;

/** Exports of the wasm, as assembly/tools.ts documents them: the engine's and its own. */
export interface ToolsExports extends EngineExports {
  observeBegin(): number;
  observeEnd(index: number): number;
  room(bytes: number): number;
  read(address: number, length: number, source: bigint): number;
  check(): number;
  entryCount(): number;
  entryRecord(index: number): number;
  directoryCount(): number;
  directoryBegin(): void;
  directoryNext(): number;
  blockItems(type: number): number;
  blockBytes(type: number): number;
  dequantize(type: number, source: number, count: number, target: number): void;
  firstNonFinite(source: number, count: number): number;
  quantize(type: number, source: number, count: number, target: number): number;
  search(
    source: number, count: number, columns: number, importance: number, target: number,
  ): number;
}

/** A metadata entry as it stands in a file: its key, and its type with the value behind it. */
export interface RawEntry {
  key: string;
  value: Uint8Array;
}

/** A tensor as a file's directory has it. */
export interface DirectoryTensor {
  name: string;
  type: number;
  dimensions: number;
  columns: number;
  rows: number;
  /** Where its data begins in the file. */
  position: number;
  bytes: number;
}

/** The header of a file. */
export interface Header {
  entries: RawEntry[];
  tensors: DirectoryTensor[];
  /** Where the data of the tensors begins. */
  dataStart: number;
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

export class Tools {
  private constructor(readonly exports: ToolsExports) {}

  static async start(module: WebAssembly.Module): Promise<Tools> {
    const { exports } = await instantiate<Record<string, unknown>>(module);
    return new Tools(exports as unknown as ToolsExports);
  }

  /** A view of the module's memory; valid until the next `room`. */
  bytes(address: number, length: number): Uint8Array<ArrayBuffer> {
    // Addresses above 2^31 come out of wasm as negative numbers.
    const buffer = this.exports.memory.buffer as ArrayBuffer;
    return new Uint8Array(buffer, address >>> 0, length);
  }

  /** At least `bytes` of memory; where they begin. */
  room(bytes: number): number {
    return this.checked(this.exports.room(bytes)) >>> 0;
  }

  /** The result itself; a failure's code becomes a NibbleError with the module's own sentence. */
  checked(result: number): number {
    if (result >= 0 || result < -1024) return result;
    const length = this.exports.messageLength(result);
    const text = utf8.decode(this.bytes(this.exports.messageAddress(), length));
    const bar = text.indexOf("|");
    throw new NibbleError(text.slice(0, bar) as ErrorCode, text.slice(bar + 1));
  }

  /**
   * Parses a header out of the first bytes of a file of `size` bytes; undefined when it goes on
   * beyond them. Throws the parser's failures.
   */
  parse(first: Uint8Array, size: number): boolean {
    const at = this.room(first.length);
    this.bytes(at, first.length).set(first);
    const status = this.exports.read(at, first.length, BigInt(size));
    return status !== NEED_MORE && this.checked(status) >= 0;
  }

  /** The same of the next part of a model in several files, behind those that came before. */
  join(first: Uint8Array, size: number): boolean {
    const at = this.checked(this.exports.partRoom(first.length)) >>> 0;
    this.bytes(at, first.length).set(first);
    const status = this.exports.join(first.length, BigInt(size));
    return status !== NEED_MORE && this.checked(status) >= 0;
  }

  /** Where the data of the part that was joined last begins in its file; its bytes, padded. */
  joinedLast(): { start: number; padded: number } {
    const { partStart, partPadded } = this.exports;
    return { start: Number(partStart()), padded: Number(partPadded()) };
  }

  /** Parses the header that the parts make together. Throws the parser's failures. */
  readJoined(): void {
    const { read, joinedHeader, joinedBytes } = this.exports;
    this.checked(read(this.room(0), Number(joinedHeader()), joinedBytes()));
  }

  /** Throws what the engine would say of the header that was parsed last. */
  check(): void {
    this.checked(this.exports.check());
  }

  /** What the header that was parsed last says. */
  header(): Header {
    const start = this.room(0);
    const entries = Array.from({ length: this.exports.entryCount() }, (_, i) => {
      const [key, keyLength, , , , , end] = this.#words(this.exports.entryRecord(i), 7);
      const from = start + (key as number) + (keyLength as number);
      const value = this.bytes(from, start + (end as number) - from).slice();
      return { key: this.#text(start + (key as number), keyLength as number), value };
    });
    this.exports.directoryBegin();
    const dataStart = Number(this.exports.headerBytes());
    const tensors = Array.from({ length: this.exports.directoryCount() }, () => {
      const record = this.checked(this.exports.directoryNext());
      const [name, nameLength, type, dimensions] = this.#words(record, 4);
      const longs = new BigInt64Array(this.exports.memory.buffer, record + 16, 4);
      const [columns, rows, offset, bytes] = [...longs].map(Number) as number[];
      return {
        name: this.#text(name as number, nameLength as number), type, dimensions, columns, rows,
        position: dataStart + (offset as number), bytes,
      } as DirectoryTensor;
    });
    return { entries, tensors, dataStart };
  }

  #words(address: number, count: number): number[] {
    return [...new Uint32Array(this.exports.memory.buffer, address >>> 0, count)];
  }

  #text(address: number, length: number): string {
    return utf8.decode(this.bytes(address, length));
  }

  /** The digest since `hashBegin`, as hexadecimal digits. */
  digest(): string {
    this.exports.hashEnd();
    return utf8.decode(this.bytes(this.exports.messageAddress(), 64));
  }
}
