// What stays of the metadata once the header is gone: every entry, values of single entries whole,
// of arrays only type and count (a vocabulary lives on in tokenizer/). Knows no key's meaning.

import { Entry, TYPE_ARRAY, entriesRead, entryAt, header } from "./gguf";
import { DIRECTORY, isMeasuring, reserve } from "./plan";

/** A kept entry; `key` and `value` are addresses. */
// @ts-ignore: decorator
@unmanaged export class KeptEntry {
  key: usize;
  keyLength: i32;
  type: i32;
  elementType: i32;
  count: i32;
  value: usize;
  valueLength: i32;
}

let kept: usize = 0; // KeptEntry[entries]

export function layoutMetadata(): void {
  const count = entriesRead();
  kept = reserve(DIRECTORY, <u64>count * offsetof<KeptEntry>());
  for (let i: i32 = 0; i < count; i++) {
    const entry = entryAt(i);
    const valueLength = entry.type == TYPE_ARRAY ? 0 : <i32>(entry.end - entry.value);
    const text = reserve(DIRECTORY, <u64>entry.keyLength + <u64>valueLength);
    if (!isMeasuring()) keep(keptEntry(i), entry, text, valueLength);
  }
}

function keep(target: KeptEntry, entry: Entry, text: usize, valueLength: i32): void {
  target.key = text;
  target.keyLength = entry.keyLength;
  target.type = entry.type;
  target.elementType = entry.elementType;
  target.count = entry.count;
  target.value = text + <usize>entry.keyLength;
  target.valueLength = valueLength;
  memory.copy(text, header + entry.key, entry.keyLength);
  memory.copy(target.value, header + entry.value, valueLength);
}

export function keptEntry(index: i32): KeptEntry {
  return changetype<KeptEntry>(kept + <usize>index * offsetof<KeptEntry>());
}
