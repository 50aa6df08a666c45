// The residual connection.
//
//   x[i] += y[i]
//
//   x, y   f32[count rounded up to 4], 16-byte aligned

export function add(x: usize, y: usize, count: i32): void {
  const end = ((<usize>count + 3) & ~3) << 2;
  for (let i: usize = 0; i < end; i += 16) {
    v128.store(x + i, f32x4.add(v128.load(x + i), v128.load(y + i)));
  }
}
