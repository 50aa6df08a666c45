// The embedding: one row of a packed matrix, back as floats.
//
//   out   f32[columns]

import { Q4_BAND_BYTES, Q4_TURNED, Q8_BAND_BYTES, Q8_TURNED, SCALE_BAND_BYTES } from "../blocks";

const REBIAS: f32 = 5192296858534827628530496329220096.0; // 2^112, what the f16 trick leaves out

// @ts-ignore: decorator
@inline function halfScale(address: usize): f32 {
  return reinterpret<f32>(<u32>((<i32>load<i16>(address)) << 13) & 0x8fffe000) * REBIAS;
}

/** Row `row` of a Q4 matrix of `groups` groups a row. */
export function embedQ4(out: usize, quants: usize, scales: usize, row: i32, groups: i32): void {
  const band = <usize>(row >> 2) * <usize>groups;
  const lane = (<usize>row) & 3;
  let w = quants + band * Q4_BAND_BYTES + (lane << 2);
  let s = scales + band * SCALE_BAND_BYTES + (lane << 1);
  for (let group: i32 = 0; group < groups; group++) {
    const scale = halfScale(s);
    for (const end = w + Q4_BAND_BYTES; w < end; w += 16) {
      let word = load<u32>(w) ^ Q4_TURNED;
      for (let i: i32 = 0; i < 4; i++) {
        store<f32>(out, <f32>(<i32>(word & 15) - 8) * scale);
        store<f32>(out, <f32>(<i32>(word >> 4 & 15) - 8) * scale, 64);
        word >>= 8;
        out += 4;
      }
    }
    out += 64;
    s += SCALE_BAND_BYTES;
  }
}

/** The same for Q8. */
export function embedQ8(out: usize, quants: usize, scales: usize, row: i32, groups: i32): void {
  const band = <usize>(row >> 2) * <usize>groups;
  const lane = (<usize>row) & 3;
  let w = quants + band * Q8_BAND_BYTES + (lane << 2);
  let s = scales + band * SCALE_BAND_BYTES + (lane << 1);
  for (let group: i32 = 0; group < groups; group++) {
    const scale = halfScale(s);
    for (const end = w + Q8_BAND_BYTES; w < end; w += 16) {
      let word = load<u32>(w) ^ Q8_TURNED;
      for (let i: i32 = 0; i < 4; i++) {
        store<f32>(out, <f32><i8>word * scale);
        word >>= 8;
        out += 4;
      }
    }
    s += SCALE_BAND_BYTES;
  }
}

/** The same for F32: `stride` numbers, padding included. */
export function embedF32(out: usize, weights: usize, row: i32, stride: i32): void {
  memory.copy(out, weights + (((<usize>row) * <usize>stride) << 2), (<usize>stride) << 2);
}
