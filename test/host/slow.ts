// Log-likelihoods the slow and obvious way: one token after the other, softmax over all logits.
// Does not know: windows, shared beginnings, or what the numbers are for.

import type { Model } from "./library";

/** Natural logarithm of the probability of `tail` after `head`, which is not empty. */
export async function logLikelihood(
  model: Model, head: readonly number[], tail: readonly number[],
): Promise<number> {
  using session = model.session();
  await session.feed(head);
  let sum = 0;
  for (const [i, token] of tail.entries()) {
    const logits = [...session.logits()];
    const most = Math.max(...logits);
    const all = logits.reduce((total, logit) => total + Math.exp(logit - most), 0);
    sum += (logits[token] ?? NaN) - most - Math.log(all);
    if (i + 1 < tail.length) await session.feed([token]);
  }
  return sum;
}

/** A copy of a model file in which a metadata key has another name, and so does not exist. */
export function withoutKey(file: Uint8Array, key: string): Uint8Array {
  const copy = Buffer.from(file);
  const at = copy.indexOf(key);
  if (at < 0) throw new Error(`the file has no ${key}`);
  copy.write("x", at + key.length - 1);
  return copy;
}
