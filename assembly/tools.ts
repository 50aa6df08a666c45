// The boundary of the second module, which makes model files: what `nibble convert` calls. The same
// parser, checks and quantizers as the engine's, so that what is written here is what is read
// there; and the engine itself, to watch a model while it reads. Decides nothing itself.
//
// An instance either runs a model or writes one. To write, the host asks for room and says where in
// it things lie; nothing else takes memory.

import { readConfig } from "./config";
import * as errors from "./errors";
import { failAbout } from "./errors";
import {
  entriesRead, entryAt, header, readHeader, readTensor, rewindDirectory, tensorCount,
} from "./gguf";
import { floatToHalf } from "./half";
import { isReady, staging, stagingSize } from "./load";
import { checkTensors, tensorAt } from "./model";
import { beginObserving, observed } from "./observe";
import { growTo, planStart } from "./plan";
import {
  F16, F32, Q4_0, Q4_0_BYTES, Q8_0, Q8_0_BYTES, blockBytes as bytesOf, blockItems as itemsOf,
  dequantizeBlock, quantizeQ4, quantizeQ8,
} from "./quantize";
import { searchQ4 } from "./search";
import { checkVocabulary } from "./tokenizer/vocabulary";

/** Where no calibration says otherwise, every number's error counts alike: f32[32]. */
const equalWeights = memory.data(128, 16);

// A model of this module runs as one of the engine's does; it can be watched meanwhile.

export * from "./index";

/** Starts to watch the inputs of the matrices of a loaded model. */
export function observeBegin(): i32 {
  return beginObserving();
}

/** What was seen of a tensor's inputs, into the staging window: f32[columns]; how many, or 0. */
export function observeEnd(index: i32): i32 {
  if (!isReady() || <u32>index >= <u32>tensorCount) {
    return failAbout(errors.OUT_OF_ORDER, "no such tensor");
  }
  // No published matrix has rows that do not fit.
  return (tensorAt(index).columns << 2) > stagingSize ? 0 : observed(index, staging);
}

// Writing models.

/** At least `bytes` of memory for the host's use; returns where they begin, or a failure. */
export function room(bytes: u32): i32 {
  const grown = growTo(<u64>planStart() + <u64>bytes);
  return grown < 0 ? grown : <i32>planStart();
}

// Reading a file's header.

/** Reads the header at `address`; OK, NEED_MORE or a failure. `source`: bytes of the whole file. */
export function read(address: usize, length: i32, source: i64): i32 {
  return readHeader(address, length, source);
}

/**
 * Whether the header that was read is that of a model which the engine runs. A tokenizer that it
 * does not know is no failure here: other programs may.
 */
export function check(): i32 {
  let status = readConfig();
  if (status >= 0) status = checkTensors();
  if (status < 0) return status;
  status = checkVocabulary();
  return status == errors.UNSUPPORTED_TOKENIZER ? errors.OK : status;
}

export function entryCount(): i32 {
  return entriesRead();
}

/** Address of a metadata entry's record (gguf.ts); its offsets count from the header. */
export function entryRecord(index: i32): i32 {
  if (<u32>index >= <u32>entriesRead()) return failAbout(errors.OUT_OF_ORDER, "no such entry");
  return <i32>changetype<usize>(entryAt(index));
}

export function directoryCount(): i32 {
  return tensorCount;
}

/** Goes back to the first tensor of the directory. */
export function directoryBegin(): void {
  rewindDirectory();
}

/** Address of the next tensor's record (gguf.ts), overwritten by the next call. */
export function directoryNext(): i32 {
  const entry = readTensor();
  // The name as an address, which is what the host can use.
  entry.name += <u32>header;
  return <i32>changetype<usize>(entry);
}

// Weights.

/** Numbers in one block of a type; 0 for a type that is not known. */
export function blockItems(type: i32): i32 {
  return itemsOf(type);
}

export function blockBytes(type: i32): i32 {
  return bytesOf(type);
}

/** `count` blocks of any type at `source` as f32 at `target`. */
export function dequantize(type: i32, source: usize, count: i32, target: usize): void {
  const bytes = <usize>bytesOf(type);
  while (count > 0) {
    target += (<usize>dequantizeBlock(type, source, target)) << 2;
    source += bytes;
    count--;
  }
}

/** The first of `count` numbers that is a NaN or an infinity, or -1. */
export function firstNonFinite(source: usize, count: i32): i32 {
  for (let i: i32 = 0; i < count; i++) {
    const value = load<f32>(source + ((<usize>i) << 2));
    if (value - value != 0) return i;
  }
  return -1;
}

/**
 * `count` f32 at `source` to a type at `target`: F32, F16, Q8_0 or Q4_0, as ggml's reference
 * quantizers do it. Returns the bytes written, or a failure for another type.
 */
export function quantize(type: i32, source: usize, count: i32, target: usize): i32 {
  const start = target;
  const end = source + ((<usize>count) << 2);
  switch (type) {
    case F32: {
      memory.copy(target, source, end - source);
      return <i32>(end - source);
    }
    case F16: {
      for (let at = source; at < end; at += 4) {
        store<u16>(target, floatToHalf(load<f32>(at)));
        target += 2;
      }
      return <i32>(target - start);
    }
    case Q8_0: {
      for (let at = source; at < end; at += 128) {
        quantizeQ8(target, at);
        target += Q8_0_BYTES;
      }
      return <i32>(target - start);
    }
    case Q4_0: {
      for (let at = source; at < end; at += 128) {
        quantizeQ4(target, at);
        target += Q4_0_BYTES;
      }
      return <i32>(target - start);
    }
    default: return failAbout(errors.OUT_OF_ORDER, "no quantizer for this type");
  }
}

/**
 * `count` f32 at `source`, whole rows of `columns`, to Q4_0 at `target` with the least weighted
 * error. Returns the bytes written.
 *   importance   f32[columns]: how much an error in each column counts; 0 for all alike
 */
export function search(
  source: usize, count: i32, columns: i32, importance: usize, target: usize,
): i32 {
  const start = target;
  for (let i: usize = 0; i < 128; i += 4) store<f32>(equalWeights + i, 1);
  let column: i32 = 0;
  while (count > 0) {
    const weights = importance == 0 ? equalWeights : importance + ((<usize>column) << 2);
    searchQ4(target, source, weights);
    target += Q4_0_BYTES;
    source += 128;
    count -= 32;
    column = column + 32 == columns ? 0 : column + 32;
  }
  return <i32>(target - start);
}
