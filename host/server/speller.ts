// Tokens as clients see them: text, and bytes for those that end inside a character. Knows nothing
// of replies.

import type { Model } from "../model";
import type { Spell } from "./replies";

/** How this model's tokens are spelt. */
export function spellerOf(model: Model): Spell {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return (token, given) => {
    const bytes = given ?? model.tokenBytes(token);
    return { text: decoder.decode(bytes), bytes: [...bytes] };
  };
}
