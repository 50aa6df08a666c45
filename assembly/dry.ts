// "Don't repeat yourself" (p-e-w, 2024): a token that would go on with a repetition loses the more,
// the longer that repetition is already. Matches go back from the end of the text and stop at a
// breaker, so that what must recur, such as names in a dialogue, may. Knows nothing of sessions.

import { chance, chances, chosenAt, setChosen } from "./candidates";

/** Longest match that counts: it bounds the time, and everything as long is a repetition. */
const MATCH_MAX: i32 = 50;
/** Most that a token can lose, so that its logit stays a finite number. */
const LOSS_MAX: f64 = 1e30;

/**
 * Takes multiplier · base^(match - allowed) off the logits of tokens that `text` (u32[length]) has
 * behind an earlier occurrence of its end, at matches of `allowed` tokens or more; of a token's
 * several matches the longest counts. `breakers` has a bit for each token.
 */
export function discourage(
  text: usize, length: i32, breakers: usize, multiplier: f32, base: f32, allowed: i32,
): void {
  for (let i: i32 = 0; i < length; i++) setChosen(tokenOf(text, i), 0);
  for (let i: i32 = 1; i < length; i++) {
    const next = tokenOf(text, i);
    const match = isIn(breakers, next) ? 0 : matchBefore(text, i, length, breakers);
    if (<u32>match > chosenAt(next)) setChosen(next, match);
  }
  for (let i: i32 = 1; i < length; i++) {
    const token = tokenOf(text, i);
    const match = <i32>chosenAt(token);
    setChosen(token, 0); // it may be here again
    if (match == 0 || match < allowed) continue;
    let loss = <f64>multiplier;
    for (let more = match - allowed; more > 0; more--) loss *= <f64>base;
    store<f32>(chances + ((<usize>token) << 2),
      <f32>(<f64>chance(token) - min<f64>(loss, LOSS_MAX)));
  }
}

/** How many tokens before place `i` are those at the end, up to a breaker. */
function matchBefore(text: usize, i: i32, length: i32, breakers: usize): i32 {
  let match: i32 = 0;
  while (match < min<i32>(i, MATCH_MAX)) {
    const token = tokenOf(text, length - 1 - match);
    if (token != tokenOf(text, i - 1 - match) || isIn(breakers, token)) break;
    match++;
  }
  return match;
}

// @ts-ignore: decorator
@inline function tokenOf(text: usize, index: i32): i32 {
  return load<i32>(text + ((<usize>index) << 2));
}

// @ts-ignore: decorator
@inline function isIn(bits: usize, token: i32): bool {
  return (load<u8>(bits + <usize>(token >> 3)) & (1 << (token & 7))) != 0;
}
