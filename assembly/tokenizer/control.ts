// Control tokens by name: those that a text never forms by itself, such as the ones around the
// messages of a chat. Knows nothing of who writes them where.

import { vocabulary } from "../config";
import { TOKEN_CONTROL, tokenLength, tokenText, tokenType } from "./tokens";

/** The first control token from `token` on, or `vocabulary` when there is none. */
export function nextControl(token: i32): i32 {
  let at = max<i32>(token, 0);
  while (at < vocabulary && tokenType(at) != TOKEN_CONTROL) at++;
  return at;
}

/** A token's own text, control tokens' too, as the vocabulary spells it; returns its length. */
export function spell(token: i32, target: usize): i32 {
  const length = tokenLength(token);
  memory.copy(target, tokenText(token), length);
  return length;
}
