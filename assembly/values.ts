// Values of the metadata, each checked against its limits. A key is a prefix and a name, such as
// "llama." and "block_count". Knows nothing of what the values are for.

import * as errors from "./errors";
import { failAbout, failNamed } from "./errors";
import {
  Entry, TYPE_ARRAY, TYPE_F32, TYPE_F64, TYPE_I32, TYPE_STRING, TYPE_U32, entriesRead, entryAt,
  failKey, header,
} from "./gguf";
import { NO_NUMBER } from "./sentences";
import { equals, sameBytes, writeLiteral } from "./text";

const key = memory.data(128, 1); // prefix and name of the key that was looked up last
let keyLength: i32 = 0;

/** The entry of a key, or null. */
export function lookUp(prefix: string, name: string): Entry | null {
  keyLength = writeLiteral(key, prefix);
  keyLength += writeLiteral(key + keyLength, name);
  for (let i: i32 = 0; i < entriesRead(); i++) {
    const entry = entryAt(i);
    if (sameBytes(header + entry.key, entry.keyLength, key, keyLength)) return entry;
  }
  return null;
}

/** A failure about the key that was looked up last. */
function failLast(code: i32, a: i64 = 0, b: i64 = 0, c: i64 = 0): i32 {
  return failNamed(code, key, keyLength, a, b, c);
}

/** BAD_VALUE for a value that does not fit others, though it lies from `least` to `most`. */
export function failValue(
  prefix: string, name: string, value: i64, least: i64, most: i64,
): i32 {
  lookUp(prefix, name);
  return failLast(errors.BAD_VALUE, value, least, most);
}

/** An integer value of any width; `wrong` when it is none. */
export function integerOf(entry: Entry, wrong: i64): i64 {
  const at = header + entry.value;
  switch (entry.type) {
    case 0: return <i64>load<u8>(at);
    case 1: return <i64>load<i8>(at);
    case 2: return <i64>load<u16>(at);
    case 3: return <i64>load<i16>(at);
    case 4: return <i64>load<u32>(at);
    case 5: return <i64>load<i32>(at);
    case 10: return <i64>min<u64>(load<u64>(at), <u64>i64.MAX_VALUE);
    case 11: return load<i64>(at);
    default: return wrong;
  }
}

/**
 * An integer from `least` to `most`; `fallback` when the key is absent, or a failure when that is
 * negative.
 */
export function readInteger(
  prefix: string, name: string, least: i64, most: i64, fallback: i64,
): i64 {
  const entry = lookUp(prefix, name);
  if (entry == null) return fallback >= 0 ? fallback : <i64>failLast(errors.MISSING_KEY);
  const value = integerOf(entry, NO_NUMBER);
  if (value == NO_NUMBER) return <i64>failKey(errors.WRONG_KEY_TYPE, entry, entry.type);
  if (value < least || value > most) {
    return <i64>failKey(errors.BAD_VALUE, entry, value, least, most);
  }
  return value;
}

/** A float above 0, from `least` to `most`; NaN when the key is absent; or a failure. */
export function readFloat(prefix: string, name: string, least: f64, most: f64): f64 {
  const entry = lookUp(prefix, name);
  if (entry == null) return NaN;
  if (entry.type != TYPE_F32 && entry.type != TYPE_F64) {
    return <f64>failKey(errors.WRONG_KEY_TYPE, entry, entry.type);
  }
  const value = entry.type == TYPE_F32 ? <f64>load<f32>(header + entry.value)
    : load<f64>(header + entry.value);
  if (value > 0 && value >= least && value <= most) return value;
  return <f64>failKey(errors.BAD_VALUE, entry, NO_NUMBER, <i64>least, <i64>most);
}

/** The same, but absence is a failure. */
export function readNeededFloat(prefix: string, name: string, least: f64, most: f64): f64 {
  const value = readFloat(prefix, name, least, most);
  return isNaN(value) ? <f64>failLast(errors.MISSING_KEY) : value;
}

/**
 * 0 when a needed string is `first`, 1 when it is `second`; or a failure, about `other` when it is
 * neither.
 */
export function readChoice(
  prefix: string, name: string, first: string, second: string, other: string,
): i32 {
  const entry = lookUp(prefix, name);
  if (entry == null) return failLast(errors.MISSING_KEY);
  if (entry.type != TYPE_STRING) return failKey(errors.WRONG_KEY_TYPE, entry, entry.type);
  if (equals(header + entry.value, entry.count, first)) return 0;
  if (equals(header + entry.value, entry.count, second)) return 1;
  return failAbout(errors.UNSUPPORTED_FEATURE, other);
}

/**
 * A needed array of 32-bit integers from `least` to `most`, ascending, into `target` (i32[]).
 * Returns how many, from 1 to `countMax`; or a failure.
 */
export function readAscending(
  prefix: string, name: string, target: usize, countMax: i32, least: i32, most: i32,
): i32 {
  const entry = lookUp(prefix, name);
  if (entry == null) return failLast(errors.MISSING_KEY);
  const fits = entry.type == TYPE_ARRAY
    && (entry.elementType == TYPE_I32 || entry.elementType == TYPE_U32);
  if (!fits) return failKey(errors.WRONG_KEY_TYPE, entry, entry.type);
  if (entry.count < 1) return failLast(errors.BAD_VALUE, 0, 1, countMax);
  if (entry.count > countMax) return failLast(errors.TOO_MANY, entry.count, countMax);
  let before = least - 1;
  for (let i: i32 = 0; i < entry.count; i++) {
    const value = load<i32>(header + entry.value + ((<usize>i) << 2));
    if (value <= before || value > most) {
      return failLast(errors.BAD_VALUE, value, max<i32>(least, before + 1), most);
    }
    store<i32>(target + ((<usize>i) << 2), value);
    before = value;
  }
  return entry.count;
}
