// Bytes against literals. Literals are ASCII and lie in memory as 16-bit units; what comes from
// files is UTF-8. Knows nothing of what the words mean.

/** Whether the `length` bytes at `bytes` spell `literal`. */
export function equals(bytes: usize, length: i32, literal: string): bool {
  return length == literal.length && startsWith(bytes, length, literal);
}

/** Whether they begin with `literal`. */
export function startsWith(bytes: usize, length: i32, literal: string): bool {
  const count = literal.length;
  if (length < count) return false;
  for (let i: i32 = 0; i < count; i++) {
    if (<u16>load<u8>(bytes + i) != load<u16>(changetype<usize>(literal) + ((<usize>i) << 1))) {
      return false;
    }
  }
  return true;
}

/** Writes `literal` as bytes; returns how many. */
export function writeLiteral(target: usize, literal: string): i32 {
  const count = literal.length;
  for (let i: i32 = 0; i < count; i++) {
    store<u8>(target + i, <u8>load<u16>(changetype<usize>(literal) + ((<usize>i) << 1)));
  }
  return count;
}

/** Writes `value` in decimal; returns how many bytes. */
export function writeDecimal(target: usize, value: i64): i32 {
  let written: i32 = 0;
  if (value < 0) {
    store<u8>(target, 0x2d);
    written = 1;
  }
  let rest: u64 = value < 0 ? -<u64>value : <u64>value;
  let digits: i32 = 1;
  for (let power: u64 = rest; power >= 10; power /= 10) digits++;
  for (let i = written + digits - 1; i >= written; i--) {
    store<u8>(target + i, 0x30 + <u8>(rest % 10));
    rest /= 10;
  }
  return written + digits;
}

/** Whether two byte strings are equal. */
export function sameBytes(a: usize, aLength: i32, b: usize, bLength: i32): bool {
  return aLength == bLength && memory.compare(a, b, aLength) == 0;
}

/** Bytes of the UTF-8 character that begins with `lead`; 1 for a byte that cannot begin one. */
export function characterBytes(lead: u8): i32 {
  if (lead < 0xc2) return 1;
  if (lead < 0xe0) return 2;
  if (lead < 0xf0) return 3;
  return lead < 0xf5 ? 4 : 1;
}
