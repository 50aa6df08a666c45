// Numbers as people write them on a command line: decimal text to f64, rounded as JavaScript does
// for up to 19 digits and usual exponents. Knows nothing of options.

/** Digits that a u64 always holds. */
const DIGITS_MAX: i32 = 19;
/** Powers of ten that an f64 holds exactly. */
const EXACT_POWER_MAX: i32 = 22;

let cursor: usize = 0;

// @ts-ignore: decorator
@inline function isDigit(byte: u8): bool {
  return byte - 0x30 < 10;
}

function isSpace(byte: u8): bool {
  return byte == 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

/** The number that a text which ends with a zero spells, or NaN. */
export function numberOf(text: usize): f64 {
  cursor = text;
  while (isSpace(load<u8>(cursor))) cursor++;
  const isNegative = load<u8>(cursor) == 0x2d;
  const isSigned = isNegative || load<u8>(cursor) == 0x2b;
  if (isSigned) cursor++;
  const base = isSigned ? 0 : readBase();
  const value = base > 0 ? readWhole(base) : isInfinity() ? Infinity : readDecimal();
  while (isSpace(load<u8>(cursor))) cursor++;
  if (load<u8>(cursor) != 0) return NaN;
  return isNegative ? -value : value;
}

/** 16, 8 or 2 for 0x, 0o and 0b; else 0. */
function readBase(): i32 {
  if (load<u8>(cursor) != 0x30) return 0;
  const letter = load<u8>(cursor, 1) | 0x20;
  const base = letter == 0x78 ? 16 : letter == 0x6f ? 8 : letter == 0x62 ? 2 : 0;
  if (base > 0) cursor += 2;
  return base;
}

function readWhole(base: i32): f64 {
  const start = cursor;
  let value: f64 = 0;
  while (true) {
    const byte = load<u8>(cursor);
    const letter = byte | 0x20;
    const digit = isDigit(byte) ? <i32>byte - 0x30
      : letter >= 0x61 && letter <= 0x66 ? <i32>letter - 0x57 : base;
    if (digit >= base) return cursor > start ? value : NaN;
    value = value * <f64>base + <f64>digit;
    cursor++;
  }
}

function isInfinity(): bool {
  const word = "Infinity";
  for (let i: i32 = 0; i < word.length; i++) {
    const letter = load<u16>(changetype<usize>(word) + ((<usize>i) << 1));
    if (load<u8>(cursor + i) != letter) return false;
  }
  cursor += 8;
  return true;
}

function readDecimal(): f64 {
  let mantissa: u64 = 0;
  let digits: i32 = 0; // that count: from the first that is not 0 on
  let seen: i32 = 0;
  let power: i32 = 0;
  let isFraction = false;
  while (true) {
    const byte = load<u8>(cursor);
    if (byte == 0x2e && !isFraction) isFraction = true;
    else if (!isDigit(byte)) break;
    else {
      seen++;
      if (digits < DIGITS_MAX) {
        mantissa = mantissa * 10 + (byte - 0x30);
        if (mantissa > 0) digits++;
        if (isFraction) power--;
      } else if (!isFraction) power++;
    }
    cursor++;
  }
  if (seen == 0) return NaN;
  if ((load<u8>(cursor) | 0x20) == 0x65) {
    cursor++;
    const exponent = readExponent();
    if (exponent == i32.MIN_VALUE) return NaN;
    power += exponent;
  }
  return scaled(mantissa, power);
}

/** The digits behind an "e"; the smallest number when there are none. */
function readExponent(): i32 {
  const isNegative = load<u8>(cursor) == 0x2d;
  if (isNegative || load<u8>(cursor) == 0x2b) cursor++;
  if (!isDigit(load<u8>(cursor))) return i32.MIN_VALUE;
  let value: i32 = 0;
  while (isDigit(load<u8>(cursor))) {
    value = min<i32>(value * 10 + (load<u8>(cursor) - 0x30), 100000);
    cursor++;
  }
  return isNegative ? -value : value;
}

/** mantissa * 10^power. One rounding while both are exact, which they are for sane options. */
function scaled(mantissa: u64, power: i32): f64 {
  if (mantissa == 0) return 0;
  for (; power < 0 && mantissa % 10 == 0; power++) mantissa /= 10; // zeros that say nothing
  let value = <f64>mantissa;
  const isSmall = power < 0;
  let rest = isSmall ? -power : power;
  while (rest > 0 && value > 0 && value < Infinity) {
    const step = powerOfTen(min<i32>(rest, EXACT_POWER_MAX));
    value = isSmall ? value / step : value * step;
    rest -= EXACT_POWER_MAX;
  }
  return value;
}

function powerOfTen(power: i32): f64 {
  let value: f64 = 1;
  for (let i: i32 = 0; i < power; i++) value *= 10;
  return value;
}
