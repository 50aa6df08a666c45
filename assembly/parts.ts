// A model in several GGUF files, as llama.cpp's gguf-split cuts it: their headers become one, whose
// tensors lie in one stream of data. Knows nothing of what is in the files.
//
//   | header of the first part | entries of the other parts' directories ... |
//
// Only the first part has the model's metadata; all say `split.no` and `split.count`. The joined
// header is one that `readHeader` accepts. Its data section is that of the first part, padded to
// the alignment, then that of the second, and so on.

import * as errors from "./errors";
import { fail, failAbout } from "./errors";
import {
  HEADER_BYTES_MAX, alignment, dataStart, find, header, headerEnd, readHeader, readTensor,
  rewindDirectory, tensorCount,
} from "./gguf";
import { alignUp } from "./blocks";
import { growTo, planStart } from "./plan";
import { integerOf } from "./values";

/** Most parts: more than the names' five digits are for, and as many as byte shards. */
const PARTS_MAX: i64 = 1024;

/** Parts joined so far; 0 for a model in one file. */
export let parts: i32 = 0;
/** Bytes of the joined header, without padding, and of the joined data. */
let headerBytes: i64 = 0;
let dataBytes: i64 = 0;
let tensors: i64 = 0;
let unit: i64 = 32;
/** Of the part that was joined last: where its data begins in its file, and how much there is. */
let lastStart: i64 = 0;
let lastBytes: i64 = 0;
/** Where its directory begins in its header. */
let directoryOffset: i64 = 0;

/** Makes room for the header of the next part; returns where it goes, or a failure. */
export function roomForPart(bytes: i32): i32 {
  const total = headerBytes + <i64>bytes;
  if (<u32>bytes > <u32>HEADER_BYTES_MAX || total > HEADER_BYTES_MAX) {
    return fail(errors.HEADER_TOO_LARGE, HEADER_BYTES_MAX);
  }
  const at = partAddress();
  const grown = growTo(<u64>at + <u64>bytes);
  return grown < 0 ? grown : <i32>at;
}

function partAddress(): usize {
  return planStart() + alignUp(<usize>headerBytes, 64);
}

/**
 * Joins the next part, whose first bytes have been written at `roomForPart`.
 *   length   bytes that are there
 *   source   bytes of the whole file, or 0 while unknown
 * Returns OK, NEED_MORE (call again with more), or a failure.
 */
export function joinPart(length: i32, source: i64): i32 {
  const status = readHeader(partAddress(), length, source);
  if (status < 0) return status;
  const wrong = checkPlace();
  if (wrong < 0) return wrong;
  if (parts == 0) {
    headerBytes = headerEnd;
    unit = alignment;
  }
  const end = rebase();
  if (parts > 0) {
    const first = header + <usize>directoryOffset;
    const bytes = <usize>headerEnd - <usize>directoryOffset;
    memory.copy(planStart() + <usize>headerBytes, first, bytes);
    headerBytes += <i64>bytes;
  }
  lastStart = dataStart;
  lastBytes = end;
  dataBytes += (end + unit - 1) & ~(unit - 1);
  tensors += <i64>tensorCount;
  store<i64>(planStart(), tensors, 8);
  parts++;
  return errors.OK;
}

/** Whether the part is the one whose turn it is. */
function checkPlace(): i32 {
  const number = find("split.no");
  const count = find("split.count");
  if (number == null || count == null || integerOf(number, -1) != <i64>parts
    || integerOf(count, 0) > PARTS_MAX) {
    return failAbout(errors.WRONG_PART, "split.no", <i64>parts,
      number == null ? -1 : integerOf(number, -1));
  }
  return errors.OK;
}

/** Moves the offsets of a part behind the data so far; returns where its last tensor ends. */
function rebase(): i64 {
  directoryOffset = 0;
  rewindDirectory();
  let end: i64 = 0;
  for (let i: i32 = 0; i < tensorCount; i++) {
    const tensor = readTensor();
    // |u64 length|name|u32 n|n x u64 dims|u32 type|u64 offset|
    if (i == 0) directoryOffset = <i64>tensor.name - 8;
    const at = header + tensor.name + tensor.nameLength + 8 + 8 * tensor.dimensions;
    end = max<i64>(end, tensor.offset + tensor.bytes);
    store<i64>(at, tensor.offset + dataBytes);
  }
  if (tensorCount == 0) directoryOffset = headerEnd;
  return end;
}

/** Bytes of the joined header and of all data behind it, for `openModel`. */
export function joinedHeader(): i64 {
  return headerBytes;
}

export function joinedBytes(): i64 {
  return ((headerBytes + unit - 1) & ~(unit - 1)) + dataBytes;
}

/** Where the data of the last part begins in its file; its bytes; and those with padding. */
export function partStart(): i64 {
  return lastStart;
}

export function partBytes(): i64 {
  return lastBytes;
}

export function partPadded(): i64 {
  return (lastBytes + unit - 1) & ~(unit - 1);
}
