// The memory plan: who gets which bytes, known before anything grows. Knows only names and sizes.
//
//   | engine's statics | directory | vocabulary | weights | cache | scratch |
//
// The same layout code runs twice: first to measure (addresses are meaningless), then, after one
// memory.grow, to place. Nothing is allocated later, and nothing per token.

import * as errors from "./errors";
import { fail } from "./errors";
import { alignUp } from "./blocks";

export const DIRECTORY: i32 = 0;
export const VOCABULARY: i32 = 1;
export const WEIGHTS: i32 = 2;
export const CACHE: i32 = 3;
export const SCRATCH: i32 = 4;
const CATEGORIES: i32 = 5;

const PAGE: u64 = 65536;
/** wasm32 addresses end here; one page stays free so that an end address never wraps to 0. */
const ADDRESS_SPACE: u64 = 0xffff0000;

const measured = memory.data(8 * 5, 8); // u64[CATEGORIES]
let measuring: bool = false;
let next: usize = 0;
let totalBytes: u64 = 0;

/** Where the plan begins. */
export function planStart(): usize {
  return alignUp(__heap_base, 64);
}

/** Starts the measuring pass. */
export function beginMeasuring(): void {
  measuring = true;
  memory.fill(measured, 0, 8 * CATEGORIES);
}

/** Starts the placing pass. */
export function beginPlacing(): void {
  measuring = false;
  next = planStart();
}

export function isMeasuring(): bool {
  return measuring;
}

/** `bytes` for a category, 64-byte aligned. The address means nothing while measuring. */
export function reserve(category: i32, bytes: u64): usize {
  const rounded = (bytes + 63) & ~63;
  if (measuring) {
    const total = measured + ((<usize>category) << 3);
    store<u64>(total, load<u64>(total) + rounded);
    return 0;
  }
  assert((next & 63) == 0); // everything begins on a cache line
  const address = next;
  next += <usize>rounded;
  return address;
}

/** Bytes that a category was measured at. */
export function categoryBytes(category: i32): u64 {
  return load<u64>(measured + ((<usize>category) << 3));
}

/** Bytes of the whole memory that the plan asks for. */
export function plannedBytes(): u64 {
  return totalBytes;
}

/**
 * Ends measuring; the memory may now grow to `plannedBytes`.
 *   headerBytes   of the header, which must fit behind directory and vocabulary while these are
 *                 built from it; it lies where weights, cache and scratch will be
 *   limit         most bytes of memory allowed, or 0
 */
export function endMeasuring(headerBytes: u64, limit: u64): i32 {
  let total: u64 = 0;
  for (let i: i32 = 0; i < CATEGORIES; i++) total += categoryBytes(i);
  const built = categoryBytes(DIRECTORY) + categoryBytes(VOCABULARY) + headerBytes;
  total = <u64>planStart() + max<u64>(total, built);
  totalBytes = max<u64>((total + PAGE - 1) & ~(PAGE - 1), (<u64>memory.size()) * PAGE);
  if (limit != 0 && totalBytes > limit) {
    return fail(errors.MEMORY_LIMIT, <i64>totalBytes, <i64>limit);
  }
  return totalBytes > ADDRESS_SPACE ? fail(errors.OUT_OF_MEMORY, <i64>totalBytes) : errors.OK;
}

/** Makes the memory at least `bytes` long. */
export function growTo(bytes: u64): i32 {
  const pages = <i32>((bytes + PAGE - 1) / PAGE) - memory.size();
  if (pages > 0 && memory.grow(pages) < 0) return fail(errors.OUT_OF_MEMORY, <i64>bytes);
  return errors.OK;
}

/** Where a header of `bytes` waits while the plan is filled: at the very end. */
export function headerSpot(bytes: u64): usize {
  return (<usize>memory.size() << 16) - alignUp(<usize>bytes, 64);
}
