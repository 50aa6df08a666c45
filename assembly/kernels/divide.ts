// A row divided by one number.
//
//   out[i] = x[i] / divisor
//
//   out, x   f32[count rounded up to 4], 16-byte aligned; out may be x

export function divide(out: usize, x: usize, divisor: f32, count: i32): void {
  const by = f32x4.splat(divisor);
  const end = ((<usize>count + 3) & ~3) << 2;
  for (let i: usize = 0; i < end; i += 16) {
    v128.store(out + i, f32x4.div(v128.load(x + i), by));
  }
}
