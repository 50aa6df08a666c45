// Files that are broken as GGUF files, whatever model they hold: a table.
// Does not know: how a file is given to the loader.

import type { ErrorCode, LoadOptions } from "../../host/index";
import {
  behindName, changed, goodByte, goodSentencePiece, patched, rawHeader, withDirectory, withKey,
} from "./craft";

/** A file, the code that it must be refused with, and words that the sentence must hold. */
export interface BadFile {
  name: string;
  make: () => Uint8Array;
  options?: LoadOptions;
  code: ErrorCode;
  says: RegExp;
  /** Also given to the command line; the first of every code is, even without. */
  cli?: true;
}

const text = (words: string): Uint8Array => new TextEncoder().encode(words);
const html = "<!doctype html>\n<html><head><title>404</title></head><body>Not found</body></html>";
const huge = 2n ** 63n;
const most = 2n ** 64n - 1n;
const q = "blk.0.attn_q.weight";

/** A metadata entry by hand, up to its value. */
const key = (name: string, type: number): (bigint | number | string)[] => (
  [BigInt(name.length), name, type]);

const notGguf: BadFile[] = [
  { name: "nothing", make: () => new Uint8Array(0), code: "EMPTY_SOURCE", says: /empty/ },
  { name: "HTML", make: () => text(html), code: "HTML_NOT_GGUF", says: /web page/, cli: true },
  { name: "HTML behind blanks", make: () => text(`\r\n \t${html}`), code: "HTML_NOT_GGUF",
    says: /web page/ },
  { name: "one byte of HTML", make: () => text("<"), code: "HTML_NOT_GGUF", says: /web page/ },
  { name: "JSON", make: () => text("{\"error\":\"not found\"}"), code: "NOT_GGUF", says: /"GGUF"/ },
  { name: "one other byte", make: () => text("x"), code: "NOT_GGUF", says: /"GGUF"/ },
  { name: "blanks", make: () => text(" ".repeat(100)), code: "NOT_GGUF", says: /"GGUF"/ },
  { name: "the old magic ggjt", make: () => patched(goodByte, (v) => v.setUint32(0, 0x67676a74)),
    code: "NOT_GGUF", says: /"GGUF"/, cli: true },
  { name: "a zipped file", make: () => new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]),
    code: "NOT_GGUF", says: /"GGUF"/ },
  { name: "a magic alone", make: () => text("GGUF"), code: "TRUNCATED_HEADER", says: /4 bytes/ },
  { name: "version 0", make: () => patched(goodByte, (v) => v.setUint32(4, 0, true)),
    code: "UNSUPPORTED_VERSION", says: /version 0 / },
  { name: "version 1", make: () => patched(goodByte, (v) => v.setUint32(4, 1, true)),
    code: "UNSUPPORTED_VERSION", says: /version 1 /, cli: true },
  { name: "version 4", make: () => patched(goodByte, (v) => v.setUint32(4, 4, true)),
    code: "UNSUPPORTED_VERSION", says: /version 4 .*2 and 3/ },
  { name: "version 2^32 - 1", make: () => patched(goodByte, (v) => v.setUint32(4, ~0, true)),
    code: "UNSUPPORTED_VERSION", says: /version 4294967295 / },
  { name: "big-endian", make: () => patched(goodByte, (v) => v.setUint32(4, 3, false)),
    code: "WRONG_BYTE_ORDER", says: /big-endian/, cli: true },
];

const counts: BadFile[] = [
  { name: "2^63 tensors", make: () => rawHeader(3, huge, 1n), code: "TOO_MANY",
    says: /9223372036854775808 tensors; at most 4096/, cli: true },
  { name: "2^64 - 1 tensors", make: () => rawHeader(3, most, 1n), code: "TOO_MANY",
    says: /18446744073709551615 tensors/ },
  { name: "4097 tensors", make: () => rawHeader(3, 4097n, 1n), code: "TOO_MANY", says: /4097/ },
  { name: "a tensor that is not there", code: "TRUNCATED_HEADER", says: /tensor directory/,
    make: () => rawHeader(3, 1n, 0n) },
  { name: "2^63 entries", make: () => rawHeader(3, 1n, huge), code: "TOO_MANY",
    says: /9223372036854775808 metadata entries; at most 1024/, cli: true },
  { name: "entries that are not there", make: () => rawHeader(3, 1n, 1024n),
    code: "TRUNCATED_HEADER", says: /24 bytes, inside its metadata/ },
  { name: "a key of 2^64 - 1 bytes", make: () => rawHeader(3, 0n, 1n, most, 4), code: "BAD_NAME",
    says: /18446744073709551615 bytes; names have 1 to 255/, cli: true },
  { name: "a key of 4 GB", make: () => rawHeader(3, 0n, 1n, 2n ** 32n, 4), code: "BAD_NAME",
    says: /4294967296 bytes/ },
  { name: "a key of no bytes", make: () => rawHeader(3, 0n, 1n, 0n, 4), code: "BAD_NAME",
    says: /0 bytes/ },
  { name: "a string of 4 GB", code: "TRUNCATED_HEADER", says: /metadata/, cli: true,
    make: () => rawHeader(3, 0n, 1n, ...key("a", 8), 2n ** 32n) },
  { name: "a string of 2^64 - 1 bytes", code: "TRUNCATED_HEADER", says: /metadata/,
    make: () => rawHeader(3, 0n, 1n, ...key("a", 8), most) },
  { name: "a string of 2^63 - 1 bytes", code: "TRUNCATED_HEADER", says: /metadata/,
    make: () => rawHeader(3, 0n, 1n, ...key("a", 8), huge - 1n) },
  { name: "a string one byte too long", code: "TRUNCATED_HEADER", says: /metadata/,
    make: () => rawHeader(3, 0n, 1n, ...key("a", 8), 4n, "abc") },
  { name: "an array of 2^64 - 1 strings", code: "TRUNCATED_HEADER", says: /metadata/,
    make: () => rawHeader(3, 0n, 1n, ...key("a", 9), 8, most) },
  { name: "an array of 2^62 f32", code: "TRUNCATED_HEADER", says: /metadata/,
    make: () => rawHeader(3, 0n, 1n, ...key("a", 9), 6, 2n ** 62n) },
  { name: "an array of 2^61 + 1 u64, whose bytes overflow", code: "TRUNCATED_HEADER",
    says: /metadata/, make: () => rawHeader(3, 0n, 1n, ...key("a", 9), 10, 2n ** 61n + 1n, 0n) },
  { name: "an array with 2^63 bytes in a string", code: "TRUNCATED_HEADER", says: /metadata/,
    make: () => rawHeader(3, 0n, 1n, ...key("a", 9), 8, 1n, huge) },
  { name: "a header beyond 32 MiB", code: "HEADER_TOO_LARGE", says: /33554432 bytes/, cli: true,
    make: () => {
      const file = new Uint8Array((32 << 20) + 100);
      file.set(rawHeader(3, 0n, 1n, ...key("a", 9), 0, 32n << 20n));
      return file;
    } },
];

const entries: BadFile[] = [
  { name: "metadata type 13", make: () => rawHeader(3, 0n, 1n, ...key("a", 13), 0n),
    code: "BAD_METADATA_TYPE", says: /"a" has value type 13/, cli: true },
  { name: "metadata type 2^32 - 1", make: () => rawHeader(3, 0n, 1n, ...key("a", 2 ** 32 - 1), 0n),
    code: "BAD_METADATA_TYPE", says: /type 4294967295/ },
  { name: "an array of type 99", make: () => rawHeader(3, 0n, 1n, ...key("a", 9), 99, 0n),
    code: "BAD_METADATA_TYPE", says: /type 99/ },
  { name: "an array of arrays", make: () => rawHeader(3, 0n, 1n, ...key("a", 9), 9, 1n, 9, 1n),
    code: "NESTED_ARRAY", says: /"a" is an array of arrays/, cli: true },
  { name: "a key twice", code: "DUPLICATE_KEY", says: /"llama.block_count"/, cli: true,
    make: () => changed(goodByte, ({ metadata }) => {
      metadata.push(["llama.block_count", "uint32", 1]);
    }) },
  { name: "a key that would clear a terminal", code: "DUPLICATE_KEY", says: /"\?\[2J\?\?"/,
    make: () => changed(goodByte, ({ metadata }) => {
      metadata.push(["\x1b[2Jé", "uint32", 1], ["\x1b[2Jé", "uint32", 1]);
    }) },
  ...[0, 1, 3, 4, 24, 2 ** 17, 2 ** 31, 2 ** 32 - 1].map((alignment): BadFile => ({
    name: `alignment ${alignment}`, code: "BAD_ALIGNMENT",
    says: new RegExp(`general.alignment is ${alignment};`),
    make: () => {
      const file = withKey(goodByte, "general.alignment", "uint32", 32);
      const at = behindName(file, "general.alignment") + 4;
      return patched(file, (view) => view.setUint32(at, alignment, true));
    },
  })),
  { name: "alignment as text", code: "WRONG_KEY_TYPE", says: /"general.alignment"/,
    make: () => patched(withKey(goodByte, "general.alignment", "uint32", 32), (view) => {
      const at = behindName(new Uint8Array(view.buffer), "general.alignment");
      view.setUint32(at, 5, true);
    }) },
];

const directory: BadFile[] = [
  ...[0, 5, 2 ** 32 - 1].map((count): BadFile => ({
    name: `${count} dimensions`, code: "BAD_DIMENSIONS",
    says: new RegExp(`"${q}" has impossible dimensions: ${count} of them`),
    make: () => withDirectory(goodByte, q, (v, at) => v.setUint32(at.dimensions, count, true)),
  })),
  ...[0n, 2n ** 31n, 2n ** 42n + 1n, huge, most].map((size): BadFile => ({
    name: `${size} columns`, code: "BAD_DIMENSIONS", says: new RegExp(`"${q}".*${size}`),
    make: () => withDirectory(goodByte, q, (v, at) => v.setBigUint64(at.columns, size, true)),
  })),
  ...[0n, 2n ** 58n, huge, most].map((size): BadFile => ({
    name: `${size} rows`, code: "BAD_DIMENSIONS", says: new RegExp(`"${q}".*${size}`),
    make: () => withDirectory(goodByte, q, (v, at) => v.setBigUint64(at.rows, size, true)),
  })),
  { name: "dimensions whose product overflows", code: "BAD_DIMENSIONS", says: /blk.0.attn_q/,
    make: () => withDirectory(goodByte, q, (v, at) => {
      v.setBigUint64(at.columns, 2n ** 31n - 32n, true);
      v.setBigUint64(at.rows, 2n ** 31n - 1n, true);
    }) },
  { name: "Q4_0 rows of 48", code: "BAD_DIMENSIONS", says: /"blk.0.attn_q.weight".*length 48/,
    cli: true,
    make: () => withDirectory(goodByte, q, (v, at) => v.setBigUint64(at.columns, 48n, true)) },
  ...[4, 10, 15, 39, 255, 2 ** 32 - 1].map((type): BadFile => ({
    name: `tensor type ${type}`, code: "UNSUPPORTED_TENSOR_TYPE",
    says: new RegExp(`"${q}" has type ${type}, .*Q4_0`),
    make: () => withDirectory(goodByte, q, (v, at) => v.setUint32(at.type, type, true)),
  })),
  { name: "a tensor name of 256 bytes", code: "BAD_NAME", says: /tensor directory.*256 bytes/,
    make: () => withDirectory(goodByte, q, (v, at) => v.setBigUint64(at.nameLength, 256n, true)) },
  { name: "a tensor name of 2^63 bytes", code: "BAD_NAME", says: /9223372036854775808 bytes/,
    make: () => withDirectory(goodByte, q, (v, at) => v.setBigUint64(at.nameLength, huge, true)) },
  ...[[1n, "BAD_OFFSET"], [16n, "BAD_OFFSET"], [most - 31n, "BAD_OFFSET"], [huge, "BAD_OFFSET"],
    [2n ** 52n, "TENSOR_BEYOND_END"], [2n ** 20n, "TENSOR_BEYOND_END"], [0n, "TENSORS_OVERLAP"],
    [32n, "TENSORS_OVERLAP"],
  ].map(([offset, code]): BadFile => ({
    name: `a tensor at offset ${offset}`, code: code as BadFile["code"],
    // Of two that overlap the later one is named, and at one place the order is the file's.
    says: code === "TENSORS_OVERLAP" ? /inside the tensor before it/ : new RegExp(`"${q}"`),
    make: () => withDirectory(goodByte, q,
      (v, at) => v.setBigUint64(at.offset, offset as bigint, true)),
  })),
  { name: "a tensor twice", code: "DUPLICATE_TENSOR", says: /"output_norm.weight"/, cli: true,
    make: () => changed(goodByte, ({ tensors }) => {
      tensors.push(...tensors.filter(([name]) => name === "output_norm.weight"));
    }) },
  { name: "data shorter than the last tensor", code: "TENSOR_BEYOND_END", cli: true,
    says: /"output.weight" ends at byte \d+, but the file has only \d+/,
    make: () => goodSentencePiece.slice(0, -40) },
  { name: "no data at all", code: "TENSOR_BEYOND_END", says: /"token_embd.weight"/,
    make: () => goodByte.slice(0, behindName(goodByte, "output_norm.weight") + 24) },
];

export const badContainers: readonly BadFile[] = [
  ...notGguf, ...counts, ...entries, ...directory,
];
