// IEEE halves and rounding to even, in the plainest arithmetic.
// Does not know: which numbers become halves.

/** Nearest integer, ties to the even one; exact for every finite number. */
export function roundHalfToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest < 0.5) return below;
  if (rest > 0.5) return below + 1;
  return below % 2 === 0 ? below : below + 1;
}

/** The 16 bits of an IEEE half -> its value. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** A number, first rounded to f32 as ggml holds it -> the bits of the nearest half (ties even). */
export function numberToHalf(value: number): number {
  const single = Math.fround(value);
  const sign = single < 0 || Object.is(single, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(single);
  if (Number.isNaN(single)) return 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00;
  let exponent = -14;
  while (magnitude >= 2 ** (exponent + 1)) exponent++;
  // Scaled so that one unit is the last bit; below 2^-14 the hidden bit is missing and the
  // exponent field is 0. A carry out of the fraction runs into the exponent, as it must.
  const units = roundHalfToEven(magnitude * 2 ** (10 - exponent));
  return sign | (((exponent + 14) << 10) + units);
}
