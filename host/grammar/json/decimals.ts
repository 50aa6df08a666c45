// Decimal numbers without rounding, as whole numbers of a power of ten. Knows nothing of how they
// are written in JSON.

/** `units` times 10 to the power of minus `scale`; scale is 0 or more. */
export interface Decimal {
  readonly units: bigint;
  readonly scale: number;
}

export const ZERO: Decimal = { units: 0n, scale: 0 };

/** The number that JavaScript prints as it does: of all near a double, the shortest. */
export function decimalOf(value: number): Decimal {
  const found = /^(-?\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value));
  if (!found) throw new Error(`${value} is no number`);
  const [, whole = "", fraction = "", exponent = "0"] = found;
  const scale = fraction.length - Number(exponent);
  const units = BigInt(whole + fraction);
  return scale >= 0 ? { units, scale } : { units: units * 10n ** BigInt(-scale), scale: 0 };
}

/** The same number in units of 10 to the power of minus `scale`, which is not smaller than its. */
export function unitsAt({ units, scale }: Decimal, at: number): bigint {
  return units * 10n ** BigInt(at - scale);
}

/** Below 0 if a is less than b, 0 if they are equal, above 0 otherwise. */
export function compare(a: Decimal, b: Decimal): number {
  const scale = Math.max(a.scale, b.scale);
  const difference = unitsAt(a, scale) - unitsAt(b, scale);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

export function negative({ units, scale }: Decimal): Decimal {
  return { units: -units, scale };
}

export function isMultiple(value: Decimal, divisor: Decimal): boolean {
  const scale = Math.max(value.scale, divisor.scale);
  return unitsAt(value, scale) % unitsAt(divisor, scale) === 0n;
}

/** The least number that both divide, in units of as few digits as it needs. */
export function leastMultiple(a: Decimal, b: Decimal): Decimal {
  let scale = Math.max(a.scale, b.scale);
  const [x, y] = [unitsAt(a, scale), unitsAt(b, scale)];
  let units = x / divisor(x, y) * y;
  for (; scale > 0 && units % 10n === 0n; scale--) units /= 10n;
  return { units, scale };
}

/** The greatest number that divides both. */
export function divisor(a: bigint, b: bigint): bigint {
  while (b !== 0n) [a, b] = [b, a % b];
  return a;
}
