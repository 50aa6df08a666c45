// IEEE halves, the 16-bit floats of scales, to f32 and back. Knows nothing of blocks.

/** The value of an IEEE half. Exact: every half is an f32. */
export function halfToFloat(half: u16): f32 {
  const magnitude = <u32>half & 0x7fff;
  const sign = (<u32>half & 0x8000) << 16;
  // Infinities and NaNs keep their all-ones exponent; the rest is rebased by a power of two.
  if (magnitude >= 0x7c00) return reinterpret<f32>(sign | 0x7f800000 | (magnitude << 13));
  const scaled = reinterpret<f32>(magnitude << 13) * 5192296858534827628530496329220096.0; // 2^112
  return reinterpret<f32>(reinterpret<u32>(scaled) | sign);
}

/** The nearest half, ties to even; too large becomes infinity. */
export function floatToHalf(value: f32): u16 {
  const bits = reinterpret<u32>(value);
  const sign = <u16>((bits >> 16) & 0x8000);
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // 65520 and above round to infinity
  if (magnitude < 0x38800000) {
    // Subnormal halves are multiples of 2^-24; adding 0.5 makes the FPU round to exactly that.
    const rounded = reinterpret<f32>(magnitude) + 0.5;
    return sign | <u16>(reinterpret<u32>(rounded) - 0x3f000000);
  }
  const rebased = magnitude - 0x38000000;
  return sign | <u16>((rebased + 0xfff + ((rebased >> 13) & 1)) >> 13);
}
