// Tokens for bytes that must come: where a grammar leaves no choice, nothing is sampled. The
// model's own tokenizer says how it writes them, and only as far as nothing that may follow could
// change that; so the model reads what it was trained on, not single letters. Knows nothing of how
// grammars run.

import type { Engine } from "../engine";
import { decodeToken, encodeSettled } from "../tokens";
import type { Guide } from "./constraint";

/** Bytes that are looked ahead at once. What is left of them comes next time. */
const STRETCH_MAX = 1024;

const NONE: readonly ForcedToken[] = [];

/** A token and what it writes. */
export interface ForcedToken {
  readonly token: number;
  readonly bytes: Uint8Array;
}

/** The next tokens, at most so many, that the guide leaves no choice about; none is none. */
export function forcedTokens(
  engine: Engine, guide: Guide, isFirst: boolean, most: number,
): readonly ForcedToken[] {
  const { byteTokens } = guide.constraint.vocabulary;
  const reach = byteTokens ? Math.min(most, STRETCH_MAX) : STRETCH_MAX;
  const { bytes, isComplete } = guide.forced(reach);
  if (bytes.length === 0) return NONE;
  const candidates = byteTokens ? Array.from(bytes, (byte) => byteTokens[byte]?.[0] ?? -1)
    : wordTokens(engine, bytes, isFirst, isComplete);
  const found: ForcedToken[] = [];
  let at = 0;
  for (const token of candidates.slice(0, most)) {
    if (token < 0 || guide.endings.includes(token)) break;
    const own = byteTokens ? bytes.subarray(at, at + 1)
      : decodeToken(engine, token, isFirst && at === 0);
    if (own.length === 0 || own.some((byte, i) => byte !== bytes[at + i])) break;
    found.push({ token, bytes: own });
    at += own.length;
  }
  return found;
}

/** As the model's tokenizer cuts whole characters; none where the text is inside of one. */
function wordTokens(
  engine: Engine, bytes: Uint8Array, isFirst: boolean, isComplete: boolean,
): number[] {
  let text: string;
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    text = decoder.decode(bytes, { stream: true });
  } catch {
    return [];
  }
  const whole = new TextEncoder().encode(text);
  return encodeSettled(engine, whole, isFirst, isComplete && whole.length === bytes.length);
}
