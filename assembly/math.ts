// exp, log, sin and cos with one fixed order of operations, so that no engine's own Math decides a
// bit of output. Square roots need no code here: WebAssembly's are correctly rounded by definition.
// Knows nothing of models.

// Constants of exp4, four lanes each. They are loaded rather than spelled, because some engines
// rebuild a vector constant at every use.
// @ts-ignore: decorator
@inline const EXP_LOWEST: usize = 0; //  below: the result is zero
// @ts-ignore: decorator
@inline const EXP_HIGHEST: usize = 16; // above: the result stays at exp(88.37), about 2.4e38
// @ts-ignore: decorator
@inline const LOG2_E: usize = 32;
// @ts-ignore: decorator
@inline const LN2_UPPER: usize = 48; // few bits, so that n times this is exact
// @ts-ignore: decorator
@inline const LN2_REST: usize = 64; // negative: the upper part is too large
// @ts-ignore: decorator
@inline const POLYNOMIAL: usize = 80; // six coefficients, the highest power first
// @ts-ignore: decorator
@inline const ONE: usize = 176;
// @ts-ignore: decorator
@inline const ROUNDER: usize = 192; // 1.5 · 2^23

const EXP: usize = memory.data<f32>([
  -87.33, -87.33, -87.33, -87.33,
  88.37, 88.37, 88.37, 88.37,
  1.44269504088896341, 1.44269504088896341, 1.44269504088896341, 1.44269504088896341,
  0.693359375, 0.693359375, 0.693359375, 0.693359375,
  -2.12194440e-4, -2.12194440e-4, -2.12194440e-4, -2.12194440e-4,
  1.9875691500e-4, 1.9875691500e-4, 1.9875691500e-4, 1.9875691500e-4,
  1.3981999507e-3, 1.3981999507e-3, 1.3981999507e-3, 1.3981999507e-3,
  8.3334519073e-3, 8.3334519073e-3, 8.3334519073e-3, 8.3334519073e-3,
  4.1665795894e-2, 4.1665795894e-2, 4.1665795894e-2, 4.1665795894e-2,
  1.6666665459e-1, 1.6666665459e-1, 1.6666665459e-1, 1.6666665459e-1,
  5.0000001201e-1, 5.0000001201e-1, 5.0000001201e-1, 5.0000001201e-1,
  1, 1, 1, 1,
  12582912, 12582912, 12582912, 12582912,
], 16);

/**
 * exp of four f32, error under 2 units in the last place; exactly 0 below -87.33, NaN stays NaN.
 * Method: Cody and Waite's reduction by multiples of ln 2, then the polynomial of Cephes' expf.
 */
// @ts-ignore: decorator
@inline export function exp4(x: v128): v128 {
  // pmin and pmax are one instruction each, and keep a NaN that stands first.
  const clamped = f32x4.pmax(f32x4.pmin(x, v128.load(EXP + EXP_HIGHEST)),
    v128.load(EXP + EXP_LOWEST));
  // Adding 1.5 · 2^23 rounds to an integer, half to even, and leaves it in the low bits.
  const rounded = f32x4.add(f32x4.mul(clamped, v128.load(EXP + LOG2_E)), v128.load(EXP + ROUNDER));
  const n = f32x4.sub(rounded, v128.load(EXP + ROUNDER));
  let r = f32x4.sub(clamped, f32x4.mul(n, v128.load(EXP + LN2_UPPER)));
  r = f32x4.sub(r, f32x4.mul(n, v128.load(EXP + LN2_REST)));
  let p = v128.load(EXP + POLYNOMIAL);
  p = f32x4.add(f32x4.mul(p, r), v128.load(EXP + POLYNOMIAL + 16));
  p = f32x4.add(f32x4.mul(p, r), v128.load(EXP + POLYNOMIAL + 32));
  p = f32x4.add(f32x4.mul(p, r), v128.load(EXP + POLYNOMIAL + 48));
  p = f32x4.add(f32x4.mul(p, r), v128.load(EXP + POLYNOMIAL + 64));
  p = f32x4.add(f32x4.mul(p, r), v128.load(EXP + POLYNOMIAL + 80));
  const y = f32x4.add(f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), r), v128.load(EXP + ONE));
  // n moves to the exponent; the rounder's own bits are shifted out.
  const scaled = i32x4.add(y, i32x4.shl(rounded, 23));
  return v128.andnot(scaled, f32x4.lt(x, v128.load(EXP + EXP_LOWEST)));
}

/** silu(x) = x / (1 + exp(-x)) of four f32. */
// @ts-ignore: decorator
@inline export function silu4(x: v128): v128 {
  return f32x4.div(x, f32x4.add(v128.load(EXP + ONE), exp4(f32x4.neg(x))));
}

/** Whether none of `count` f32 from a 16-byte aligned address on is NaN or infinite. */
export function areFinite(address: usize, count: i32): bool {
  const end = address + ((<usize>count) << 2);
  let spread = f32x4.splat(0); // x - x is NaN for a NaN or an infinity, and NaN stays
  for (; address + 16 <= end; address += 16) {
    const v = v128.load(address);
    spread = f32x4.add(spread, f32x4.sub(v, v));
  }
  let rest: f32 = 0;
  for (; address < end; address += 4) rest += load<f32>(address) - load<f32>(address);
  return rest == 0 && i32x4.all_true(f32x4.eq(spread, f32x4.splat(0)));
}

const LN2_HIGH: f64 = 6.93147180369123816490e-01;
const LN2_LOW: f64 = 1.90821492927058770002e-10;

/** exp in f64 for |x| < 700, error about one unit in the last place; 0 below -700. */
export function exp(x: f64): f64 {
  if (x < -700) return 0;
  const n = nearest(x * 1.44269504088896338700);
  const r = x - n * LN2_HIGH - n * LN2_LOW;
  // Taylor to r^13: |r| <= 0.35, so the next term is below 2^-57.
  let sum: f64 = 1;
  for (let i: i32 = 13; i > 0; i--) sum = 1 + (sum * r) / <f64>i;
  return sum * reinterpret<f64>((<i64>n + 1023) << 52);
}

/** Natural logarithm in f64 of a normal x > 0 (fdlibm's series), error about one unit. */
export function log(x: f64): f64 {
  let bits = reinterpret<i64>(x);
  let k = <i32>(bits >> 52) - 1023;
  let m = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    k++;
  }
  const f = m - 1;
  const s = f / (2 + f);
  const z = s * s;
  let r: f64 = 1.479819860511658591e-01;
  r = 1.531383769920937332e-01 + z * r;
  r = 1.818357216161805012e-01 + z * r;
  r = 2.222219843214978396e-01 + z * r;
  r = 2.857142874366239149e-01 + z * r;
  r = 3.999999999940941908e-01 + z * r;
  r = 6.666666666666735130e-01 + z * r;
  const half = 0.5 * f * f;
  return <f64>k * LN2_HIGH - (half - (s * (half + z * r) + <f64>k * LN2_LOW) - f);
}

const HALF_PI_1: f64 = 1.57079632673412561417e+00; // first 33 bits of pi/2: n × this is exact
const HALF_PI_2: f64 = 6.07710050630396597660e-11; // the next 33
const HALF_PI_3: f64 = 2.02226624871116645580e-21; // the next 33
const TWO_OVER_PI: f64 = 6.36619772367581382433e-01;

// @ts-ignore: decorator
@inline function sinPolynomial(r: f64): f64 {
  const z = r * r;
  let p: f64 = 1.58969099521155010221e-10;
  p = -2.50507602534068634195e-08 + z * p;
  p = 2.75573137070700676789e-06 + z * p;
  p = -1.98412698298579493134e-04 + z * p;
  p = 8.33333333332248946124e-03 + z * p;
  p = -1.66666666666666324348e-01 + z * p;
  return r + r * z * p;
}

// @ts-ignore: decorator
@inline function cosPolynomial(r: f64): f64 {
  const z = r * r;
  let p: f64 = -1.13596475577881948265e-11;
  p = 2.08757232129817482790e-09 + z * p;
  p = -2.75573143513906633035e-07 + z * p;
  p = 2.48015872894767294178e-05 + z * p;
  p = -1.38888888888741095749e-03 + z * p;
  p = 4.16666666666666019037e-02 + z * p;
  return 1 - (0.5 * z - z * z * p);
}

/** sin(x + quarterTurns · pi/2) for 0 <= x < 2^20; sin is 0 turns, cos 1. Error under 1e-15. */
export function sinTurned(x: f64, quarterTurns: i32): f64 {
  const n = nearest(x * TWO_OVER_PI);
  const r = x - n * HALF_PI_1 - n * HALF_PI_2 - n * HALF_PI_3;
  const quadrant = (<i32>n + quarterTurns) & 3;
  const value = quadrant & 1 ? cosPolynomial(r) : sinPolynomial(r);
  return quadrant & 2 ? -value : value;
}
