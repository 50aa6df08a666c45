// All values of a schema, where they are few enough to be counted. Knows nothing of grammars.

import type { Branches } from "./branches";
import type { Merged } from "./merged";
import { DIVISOR_MAX, isNoRange, type NumberCondition } from "./numbers";
import type { Schema } from "./schema";
import { distinct, type Json } from "./values";

/** Whole numbers that are listed one by one. */
const RANGE_MAX = 64;

/** The values for which all of some schemas hold; undefined where they are not listed. */
export function finiteValues(schemas: readonly Schema[], branches: Branches): Json[] | undefined {
  const found: Json[] = [];
  for (const branch of branches.of(schemas)) {
    const values = branch.values ?? valuesOf(branch);
    if (!values) return undefined;
    found.push(...values);
  }
  return distinct(found);
}

function valuesOf({ types, numbers, unlike }: Merged): Json[] | undefined {
  const found: Json[] = [];
  for (const type of types) {
    if (type === "null") found.push(null);
    else if (type === "boolean") found.push(true, false);
    else if (type === "number") {
      const whole = numbers.map(wholeNumbers);
      if (whole.some((list) => !list)) return undefined;
      found.push(...whole.flatMap((list) => list ?? []));
    } else return undefined;
  }
  return found.filter((value) => !unlike.includes(value));
}

function wholeNumbers(condition: NumberCondition): number[] | undefined {
  const { low, high, multipleOf } = condition;
  if (isNoRange(condition)) return [];
  if (!low || !high || multipleOf?.scale !== 0 || condition.isFractional) return undefined;
  if (multipleOf.units > DIVISOR_MAX) return undefined; // to be refused by numbers.ts
  const step = multipleOf.units;
  // The multiples around the bounds, of which the bounds keep some.
  const unit = 10n ** BigInt(Math.max(low.value.scale, high.value.scale));
  const at = ({ units, scale }: { units: bigint; scale: number }): bigint => (
    units * unit / 10n ** BigInt(scale));
  const [from, to] = [at(low.value), at(high.value)];
  if ((to - from) / (unit * step) > BigInt(RANGE_MAX)) return undefined;
  const found: number[] = [];
  for (let value = (from / (unit * step) - 1n) * step; value * unit <= to; value += step) {
    const isBelow = value * unit < from || value * unit === from && low.isOpen;
    const isAbove = value * unit === to && high.isOpen;
    if (!isBelow && !isAbove) found.push(Number(value));
  }
  return found.every(Number.isSafeInteger) ? found : undefined;
}
