// The header of a GGUF file (version 3) as bytes: metadata and tensor directory. Knows nothing of
// what keys and tensors mean; assembly/gguf.ts draws the format.

import type { RawEntry } from "./tools";

/** A tensor of the file to be. */
export interface HeaderTensor {
  name: string;
  dimensions: number;
  columns: number;
  rows: number;
  type: number;
  bytes: number;
}

export const ALIGNMENT = 32;

const CODE = { u32: 4, i32: 5, f32: 6, flag: 7, text: 8, array: 9 } as const;
const utf8 = new TextEncoder();

/** Bytes that grow. */
class Writer {
  #bytes = new Uint8Array(1 << 16);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  #take(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }

  u32(value: number): this {
    const at = this.#take(4); // before the view is asked for, which may be another then
    this.#view.setUint32(at, value, true);
    return this;
  }

  f32(value: number): this {
    const at = this.#take(4);
    this.#view.setFloat32(at, value, true);
    return this;
  }

  u64(value: number): this {
    const at = this.#take(8);
    this.#view.setBigUint64(at, BigInt(value), true);
    return this;
  }

  raw(bytes: Uint8Array): this {
    const at = this.#take(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  text(value: string): this {
    const bytes = utf8.encode(value);
    return this.u64(bytes.length).raw(bytes);
  }

  padded(alignment: number): Uint8Array {
    this.#take((alignment - (this.#length % alignment)) % alignment);
    return this.done();
  }

  done(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

/** Metadata entries by the type of their value. */
export const entry = {
  text: (key: string, value: string): RawEntry =>
    ({ key, value: new Writer().u32(CODE.text).text(value).done() }),
  whole: (key: string, value: number): RawEntry =>
    ({ key, value: new Writer().u32(CODE.u32).u32(value).done() }),
  float: (key: string, value: number): RawEntry =>
    ({ key, value: new Writer().u32(CODE.f32).f32(value).done() }),
  flag: (key: string, value: boolean): RawEntry =>
    ({ key, value: new Writer().u32(CODE.flag).raw(Uint8Array.of(Number(value))).done() }),
  texts: (key: string, values: readonly string[]): RawEntry => {
    const writer = new Writer().u32(CODE.array).u32(CODE.text).u64(values.length);
    for (const value of values) writer.text(value);
    return { key, value: writer.done() };
  },
  integers: (key: string, values: readonly number[]): RawEntry => {
    const writer = new Writer().u32(CODE.array).u32(CODE.i32).u64(values.length);
    for (const value of values) writer.u32(value >>> 0);
    return { key, value: writer.done() };
  },
  floats: (key: string, values: readonly number[]): RawEntry => {
    const writer = new Writer().u32(CODE.array).u32(CODE.f32).u64(values.length);
    for (const value of values) writer.f32(value);
    return { key, value: writer.done() };
  },
};

/** Bytes to the next multiple of the alignment. */
export function paddingOf(bytes: number): number {
  return (ALIGNMENT - (bytes % ALIGNMENT)) % ALIGNMENT;
}

/** The header, padded; the data of the tensors follows in their order, each padded. */
export function headerOf(
  entries: readonly RawEntry[], tensors: readonly HeaderTensor[],
): Uint8Array {
  const writer = new Writer().raw(utf8.encode("GGUF")).u32(3);
  writer.u64(tensors.length).u64(entries.length);
  for (const { key, value } of entries) writer.text(key).raw(value);
  let offset = 0;
  for (const { name, dimensions, columns, rows, type, bytes } of tensors) {
    writer.text(name).u32(dimensions).u64(columns);
    if (dimensions > 1) writer.u64(rows);
    writer.u32(type).u64(offset);
    offset += bytes + paddingOf(bytes);
  }
  return writer.padded(ALIGNMENT);
}
