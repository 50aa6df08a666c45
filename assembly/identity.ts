// The model's id: XXH64 of its file, from the first byte to the end of the last tensor, without the
// padding between header and data (which a source may bring late). Taken while the file streams, so
// the same for every way of loading it. Knows nothing of what the bytes mean.

import { xxh64Begin, xxh64Update, xxh64Value } from "./xxhash";

const state = memory.data(72, 8);

/** Starts with the header. */
export function identityBegin(header: usize, bytes: usize): void {
  xxh64Begin(state);
  xxh64Update(state, header, bytes);
}

/** Adds bytes of the data section. */
export function identityUpdate(data: usize, bytes: usize): void {
  xxh64Update(state, data, bytes);
}

export function modelId(): u64 {
  return xxh64Value(state);
}
