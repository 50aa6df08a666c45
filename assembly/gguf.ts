// The header of a GGUF file (v2, v3; ggml's docs/gguf.md): metadata and tensor directory, checked
// entry by entry before anything is believed. Knows nothing of what keys and tensors mean.
//
//   |"GGUF"|u32 version|u64 tensors|u64 entries|
//   |u64 length|key|u32 type|value| ...                          metadata
//   |u64 length|name|u32 n|n x u64 dims|u32 type|u64 offset| ... tensor directory
//   |padding to the alignment|tensor data ...
//
// The header lies whole in memory at `header` while it is read, and may be moved (`moved`): all
// that is kept of it are offsets.

import * as errors from "./errors";
import { fail, failAbout, failNamed } from "./errors";
import { blockBytes, blockItems } from "./quantize";
import { equals, sameBytes } from "./text";

/** Most bytes of a header: real vocabularies need 2-10 MB; a stream must not fill the memory. */
export const HEADER_BYTES_MAX: i64 = 32 << 20;
/** Most metadata entries: real files have 20-60, and duplicates are searched pairwise. */
const ENTRIES_MAX: i64 = 1024;
/** Most tensors: nine a block for 400 blocks, with room. */
const TENSORS_MAX: i64 = 4096;
/** Longest key or tensor name: ggml allows 64 for tensors, real keys stay below 80. */
const NAME_BYTES_MAX: i64 = 255;
/** Largest dimension: 2^31 - 1, so that a row count is always an i32. */
const DIMENSION_MAX: i64 = 0x7fffffff;
/** Most elements of a tensor: 2^40, far above what wasm memory holds, far below overflow. */
const ELEMENTS_MAX: i64 = 1 << 40;
const ALIGNMENT_MAX: i64 = 65536;

/** Value types of metadata. */
export const TYPE_U32: i32 = 4;
export const TYPE_I32: i32 = 5;
export const TYPE_F32: i32 = 6;
export const TYPE_BOOL: i32 = 7;
export const TYPE_STRING: i32 = 8;
export const TYPE_ARRAY: i32 = 9;
export const TYPE_F64: i32 = 12;

/** One metadata entry, found by `find`; offsets count from `header`. */
// @ts-ignore: decorator
@unmanaged export class Entry {
  key: u32;
  keyLength: i32;
  type: i32;
  /** Of arrays: the element type. */
  elementType: i32;
  /** Of arrays: the elements; of strings: the bytes; else 1. */
  count: i32;
  /** Where the value, the string's bytes or the first element begins, and where it ends. */
  value: u32;
  end: u32;
}

/** One entry of the tensor directory, filled by `readTensor`. */
// @ts-ignore: decorator
@unmanaged export class DirectoryEntry {
  name: u32;
  nameLength: i32;
  type: i32;
  dimensions: i32;
  /** Row length and number of rows (the product of all but the first dimension). */
  columns: i64;
  rows: i64;
  /** Where the data begins, counted from the data section, and its bytes. */
  offset: i64;
  bytes: i64;
}

const entries = memory.data(1024 * 28, 16); // Entry[ENTRIES_MAX]
const directoryEntry = changetype<DirectoryEntry>(memory.data(48, 16));

/** Address of the header's first byte. */
export let header: usize = 0;
/** Bytes of it that are there. */
let available: i64 = 0;
/** What the source is known to hold, or 0. */
let sourceBytes: i64 = 0;
let cursor: i64 = 0;
let entryCount: i32 = 0;
export let version: i32 = 0;
export let tensorCount: i32 = 0;
export let alignment: i64 = 32;
let directoryStart: i64 = 0;
/** Where the directory ends in the file, and where, after padding, tensor data begins. */
export let headerEnd: i64 = 0;
export let dataStart: i64 = 0;

/** The header has been copied elsewhere. */
export function moved(address: usize): void {
  header = address;
}

export function entryAt(index: i32): Entry {
  return changetype<Entry>(entries + <usize>index * offsetof<Entry>());
}

export function entriesRead(): i32 {
  return entryCount;
}

/** Bytes that a string or count may still claim: what the source, or the cap, leaves. */
function remaining(): i64 {
  const limit = sourceBytes > 0 ? min<i64>(sourceBytes, HEADER_BYTES_MAX) : HEADER_BYTES_MAX;
  return limit - cursor;
}

/** NEED_MORE, or why more cannot come, when `bytes` more are not there. */
function need(bytes: i64, section: string): i32 {
  if (<u64>bytes <= <u64>(available - cursor)) return errors.OK;
  if (<u64>bytes > <u64>remaining()) {
    const ends = sourceBytes > 0 && sourceBytes < HEADER_BYTES_MAX;
    return ends
      ? failAbout(errors.TRUNCATED_HEADER, section, sourceBytes)
      : fail(errors.HEADER_TOO_LARGE, HEADER_BYTES_MAX);
  }
  if (sourceBytes == available) {
    return failAbout(errors.TRUNCATED_HEADER, section, available);
  }
  return errors.NEED_MORE;
}

// @ts-ignore: decorator
@inline function here(): usize {
  return header + <usize>cursor;
}

/**
 * Reads and checks the whole header.
 *   address, length   the bytes so far, from the file's first
 *   source            bytes of the whole source, or 0 while unknown
 * Returns OK, NEED_MORE (call again with more), or a failure.
 */
export function readHeader(address: usize, length: i64, source: i64): i32 {
  header = address;
  available = length;
  sourceBytes = source < length ? 0 : source; // a size that is already surpassed is a lie
  cursor = 0;
  entryCount = 0;
  alignment = 32;
  const opened = readStart();
  if (opened < 0) return opened;
  const metadata = readEntries();
  if (metadata < 0) return metadata;
  return readDirectory();
}

function readStart(): i32 {
  if (sourceBytes == 0 && available == 0) return errors.NEED_MORE;
  if (available >= 1 && looksLikeHtml()) return fail(errors.HTML_NOT_GGUF);
  const known = min<i64>(available, 4);
  for (let i: i64 = 0; i < known; i++) {
    if (load<u8>(header + <usize>i) != <u8>(0x46554747 >> (<i32>i * 8))) {
      return fail(errors.NOT_GGUF);
    }
  }
  const missing = need(24, "first 24 bytes");
  if (missing < 0) return missing;
  version = load<i32>(header, 4);
  if (version == 0x02000000 || version == 0x03000000) return fail(errors.WRONG_BYTE_ORDER);
  if (version != 2 && version != 3) return fail(errors.UNSUPPORTED_VERSION, <u32>version);
  const tensors = load<i64>(header, 8);
  const count = load<i64>(header, 16);
  if (<u64>tensors > <u64>TENSORS_MAX) {
    return failAbout(errors.TOO_MANY, "tensors", tensors, TENSORS_MAX);
  }
  if (<u64>count > <u64>ENTRIES_MAX) {
    return failAbout(errors.TOO_MANY, "metadata entries", count, ENTRIES_MAX);
  }
  tensorCount = <i32>tensors;
  cursor = 24;
  while (entryCount < <i32>count) {
    const status = readEntry();
    if (status < 0) return status;
  }
  return errors.OK;
}

/** A dev server's or a login page's answer where a model was expected. */
function looksLikeHtml(): bool {
  let at: usize = 0;
  while (<i64>at < available && at < 64 && load<u8>(header + at) <= 0x20) at++;
  return <i64>at < available && load<u8>(header + at) == 0x3c;
}

/** Checks across entries: duplicates, and the one entry that the format itself needs. */
function readEntries(): i32 {
  for (let i: i32 = 1; i < entryCount; i++) {
    const a = entryAt(i);
    for (let j: i32 = 0; j < i; j++) {
      const b = entryAt(j);
      if (sameBytes(header + a.key, a.keyLength, header + b.key, b.keyLength)) {
        return failNamed(errors.DUPLICATE_KEY, header + a.key, a.keyLength);
      }
    }
  }
  const entry = find("general.alignment");
  if (entry != null) {
    if (entry.type != TYPE_U32) return failKey(errors.WRONG_KEY_TYPE, entry, entry.type);
    alignment = <i64>load<u32>(header + entry.value);
    if (alignment < 8 || alignment > ALIGNMENT_MAX || (alignment & (alignment - 1)) != 0) {
      return fail(errors.BAD_ALIGNMENT, alignment, ALIGNMENT_MAX);
    }
  }
  return errors.OK;
}

/** A failure about a metadata entry. */
export function failKey(code: i32, entry: Entry, a: i64 = 0, b: i64 = 0, c: i64 = 0): i32 {
  return failNamed(code, header + entry.key, entry.keyLength, a, b, c);
}

/** Reads a name's length and leaves the cursor on its first byte. Returns the length. */
function readName(section: string, index: i64): i32 {
  const missing = need(8, section);
  if (missing < 0) return missing;
  const length = load<i64>(here());
  if (length < 1 || length > NAME_BYTES_MAX) {
    return failAbout(errors.BAD_NAME, section, index, length, NAME_BYTES_MAX);
  }
  cursor += 8;
  const absent = need(length, section);
  return absent < 0 ? absent : <i32>length;
}

/** Bytes of one metadata value of a fixed-size type; 0 for strings, arrays and unknown types. */
function valueBytes(type: i32): i64 {
  switch (type) {
    case 0: case 1: case 7: return 1;
    case 2: case 3: return 2;
    case 4: case 5: case 6: return 4;
    case 10: case 11: case 12: return 8;
    default: return 0;
  }
}

function readEntry(): i32 {
  const keyLength = readName("metadata", <i64>entryCount);
  if (keyLength < 0) return keyLength;
  const entry = entryAt(entryCount);
  entry.key = <u32>cursor;
  entry.keyLength = keyLength;
  cursor += <i64>keyLength;
  let missing = need(4, "metadata");
  if (missing < 0) return missing;
  entry.type = load<i32>(here());
  entry.elementType = entry.type;
  entry.count = 1;
  cursor += 4;
  if (entry.type == TYPE_ARRAY) {
    missing = need(12, "metadata");
    if (missing < 0) return missing;
    entry.elementType = load<i32>(here());
    const count = load<i64>(here(), 4);
    cursor += 12;
    if (entry.elementType == TYPE_ARRAY) return failKey(errors.NESTED_ARRAY, entry);
    // Every element takes a byte at least, so a count beyond what is left is a lie.
    missing = <u64>count > <u64>remaining() ? need(remaining() + 1, "metadata") : errors.OK;
    if (missing < 0) return missing;
    entry.count = <i32>count;
  }
  entry.value = <u32>cursor;
  const status = skipValues(entry);
  if (status < 0) return status;
  entry.end = <u32>cursor;
  entryCount++;
  return errors.OK;
}

/** Steps over the elements of an entry, checking that they are there. */
function skipValues(entry: Entry): i32 {
  const size = valueBytes(entry.elementType);
  if (size > 0) {
    const missing = need(size * <i64>entry.count, "metadata");
    if (missing < 0) return missing;
    cursor += size * <i64>entry.count;
    return errors.OK;
  }
  if (entry.elementType != TYPE_STRING) {
    return failKey(errors.BAD_METADATA_TYPE, entry, <i64>entry.elementType & 0xffffffff);
  }
  const elements = entry.count;
  for (let i: i32 = 0; i < elements; i++) {
    let missing = need(8, "metadata");
    if (missing < 0) return missing;
    const length = load<i64>(here());
    cursor += 8;
    missing = <u64>length > <u64>HEADER_BYTES_MAX
      ? need(remaining() + 1, "metadata") : need(length, "metadata");
    if (missing < 0) return missing;
    if (entry.type == TYPE_STRING) {
      entry.value = <u32>cursor;
      entry.count = <i32>length;
    }
    cursor += length;
  }
  return errors.OK;
}

function readDirectory(): i32 {
  directoryStart = cursor;
  for (let i: i32 = 0; i < tensorCount; i++) {
    const status = readTensorAtCursor(i);
    if (status < 0) return status;
  }
  headerEnd = cursor;
  dataStart = (cursor + alignment - 1) & ~(alignment - 1);
  if (sourceBytes == 0) return errors.OK;
  const cursorAfter = cursor;
  rewindDirectory();
  for (let i: i32 = 0; i < tensorCount; i++) {
    const tensor = readTensor();
    const end = dataStart + tensor.offset + tensor.bytes;
    if (end > sourceBytes) {
      return failTensor(errors.TENSOR_BEYOND_END, tensor, end, sourceBytes);
    }
  }
  cursor = cursorAfter;
  return errors.OK;
}

/** A failure about a tensor of the directory. */
export function failTensor(
  code: i32, tensor: DirectoryEntry, a: i64 = 0, b: i64 = 0, c: i64 = 0,
): i32 {
  return failNamed(code, header + tensor.name, tensor.nameLength, a, b, c);
}

function readTensorAtCursor(index: i32): i32 {
  const nameLength = readName("tensor directory", <i64>index);
  if (nameLength < 0) return nameLength;
  const tensor = directoryEntry;
  tensor.name = <u32>cursor;
  tensor.nameLength = nameLength;
  cursor += <i64>nameLength;
  let missing = need(4, "tensor directory");
  if (missing < 0) return missing;
  const dimensions = load<u32>(here());
  cursor += 4;
  if (dimensions < 1 || dimensions > 4) {
    return failTensor(errors.BAD_DIMENSIONS, tensor, <i64>dimensions);
  }
  missing = need(<i64>dimensions * 8 + 12, "tensor directory");
  if (missing < 0) return missing;
  tensor.dimensions = <i32>dimensions;
  tensor.rows = 1;
  tensor.columns = load<i64>(here());
  let elements: i64 = 1;
  for (let i: i64 = 0; i < <i64>dimensions; i++) {
    const size = load<i64>(here());
    cursor += 8;
    if (size < 1 || size > DIMENSION_MAX || elements > ELEMENTS_MAX / size) {
      return failTensor(errors.BAD_DIMENSIONS, tensor, dimensions, tensor.columns, size);
    }
    elements *= size;
    if (i > 0) tensor.rows *= size;
  }
  tensor.type = load<i32>(here());
  tensor.offset = load<i64>(here(), 4);
  cursor += 12;
  return checkTensor(tensor, elements);
}

function checkTensor(tensor: DirectoryEntry, elements: i64): i32 {
  const items = <i64>blockItems(tensor.type);
  if (items == 0) {
    return failTensor(errors.UNSUPPORTED_TENSOR_TYPE, tensor, <i64>tensor.type & 0xffffffff);
  }
  if (tensor.columns % items != 0 || tensor.rows > DIMENSION_MAX) {
    return failTensor(errors.BAD_DIMENSIONS, tensor, tensor.dimensions, tensor.columns,
      tensor.rows);
  }
  tensor.bytes = (elements / items) * <i64>blockBytes(tensor.type);
  if (<u64>tensor.offset > <u64>1 << 52 || tensor.offset % alignment != 0) {
    return failTensor(errors.BAD_OFFSET, tensor, tensor.offset, alignment);
  }
  return errors.OK;
}

/** Goes back to the first tensor, for `readTensor`. */
export function rewindDirectory(): void {
  cursor = directoryStart;
}

/** The next tensor of a directory that `readHeader` has accepted. Overwritten by the next call. */
export function readTensor(): DirectoryEntry {
  readTensorAtCursor(0);
  return directoryEntry;
}

/** The entry with this key, or null. */
export function find(key: string): Entry | null {
  for (let i: i32 = 0; i < entryCount; i++) {
    const entry = entryAt(i);
    if (equals(header + entry.key, entry.keyLength, key)) return entry;
  }
  return null;
}
