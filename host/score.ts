// Bits per byte of a text: how well a model predicts it, comparable across vocabularies. Knows
// nothing of where the text comes from.

import { ENCODE } from "./engine";
import { NibbleError } from "./errors";
import { encodeText, type Session } from "./session";

export interface ScoreOptions {
  /** Called after each window. */
  onProgress?: ((progress: { scoredTokens: number; totalTokens: number }) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export interface ScoreResult {
  /** UTF-8 bytes of the text. */
  bytes: number;
  tokens: number;
  /** -log2 of the probability of the whole text. */
  bits: number;
  bitsPerByte: number;
}

/**
 * Scores a text with one BOS before it, in windows of the session's whole context that overlap by
 * half: every token is predicted once, from at least half a window of what came before it.
 * Throws EMPTY_PROMPT for an empty text, or for one that a model without BOS cannot begin.
 */
export async function score(
  session: Session, text: string, options: ScoreOptions,
): Promise<ScoreResult> {
  const { engine } = session.host;
  const bos = engine.fact("bos");
  const tokens = encodeText(engine, text, ENCODE.first);
  if (bos >= 0) tokens.unshift(bos);
  if (tokens.length < 2) {
    throw new NibbleError("EMPTY_PROMPT", "There is nothing to score: the text is too short.");
  }
  const window = engine.fact("context");
  const step = Math.max(1, Math.floor(window / 2));
  let nats = 0;
  let scored = 1; // the first token has nothing before it to be predicted from
  for (let start = 0; scored < tokens.length; start += step) {
    session.rewind(0);
    // The last token of a window is only a target, so one more than the window can be scored.
    const inputs = tokens.slice(start, Math.min(start + window, tokens.length - 1));
    await session.evaluate(inputs, (index) => {
      const target = start + index + 1;
      if (target < scored) return;
      nats -= engine.exports.logProbability(session.index, tokens[target] as number);
      scored = target + 1;
    }, { signal: options.signal });
    options.onProgress?.({ scoredTokens: scored, totalTokens: tokens.length });
  }
  const bytes = new TextEncoder().encode(text).length;
  const bits = nats / Math.LN2;
  return { bytes, tokens: tokens.length, bits, bitsPerByte: bits / bytes };
}
