// A Q4_0 matrix times a vector of int8 activations, one number after the other and in the file's
// own layout: what the engine's speed is a multiple of.
//
//   out       f32[rows]
//   x         i8[columns]
//   xScales   f32[columns / 32]
//   weights   Q4_0[rows][columns / 32]: f16 scale, then 16 bytes of elements i and i + 16

export function matvecPlain(
  out: usize, x: usize, xScales: usize, weights: usize, rows: i32, columns: i32,
): void {
  const groups = columns / 32;
  for (let row: i32 = 0; row < rows; row++) {
    let total: f32 = 0;
    for (let group: i32 = 0; group < groups; group++) {
      const from = x + <usize>(group * 32);
      let sum: i32 = 0;
      for (let i: usize = 0; i < 16; i++) {
        const pair = <i32>load<u8>(weights + 2 + i);
        sum += ((pair & 15) - 8) * <i32>load<i8>(from + i);
        sum += ((pair >> 4) - 8) * <i32>load<i8>(from + i, 16);
      }
      total += halfOf(load<u16>(weights)) * load<f32>(xScales + <usize>(group * 4)) * <f32>sum;
      weights += 18;
    }
    store<f32>(out + <usize>(row * 4), total);
  }
}

/** A positive normal f16. */
function halfOf(bits: u16): f32 {
  return reinterpret<f32>(((((<u32>bits) >> 10) + 112) << 23) | ((<u32>bits & 0x3ff) << 13));
}
