// Bits per byte of a text: how well a model predicts it, comparable across vocabularies. Knows
// nothing of where the text comes from.

import { ENCODE, type Engine } from "./engine";
import { NibbleError } from "./errors";
import { withNoise } from "./noise";
import {
  checkCallback, checkInteger, checkNames, checkNumber, checkSignal, checkText,
} from "./options";
import type { Session } from "./session";
import { encodeText } from "./tokens";

export interface ScoreOptions {
  /**
   * Replace this share of the ASCII letters and digits by others of their kind before scoring, to
   * see how much mistakes in a text cost; 0 to 1, default 0.
   */
  noise?: number | undefined;
  /** Of the noise: a whole number to 2^53; the same seed makes the same mistakes; default 1. */
  seed?: number | undefined;
  /** Called after each window. */
  onProgress?: ((progress: { scoredTokens: number; totalTokens: number }) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export interface ScoreResult {
  /** Texts that were scored, each by itself. */
  documents: number;
  /** UTF-8 bytes of the text; of the 0x00 bytes that end documents those that were scored. */
  bytes: number;
  tokens: number;
  /** -log2 of the probability of the whole text. */
  bits: number;
  bitsPerByte: number;
}

const NAMES = ["noise", "seed", "onProgress", "signal"] as const satisfies
  readonly (keyof ScoreOptions)[];

/** Checks the options of `score`; throws BAD_OPTION. */
export function checkScoreOptions(options: ScoreOptions): void {
  checkNames(options, NAMES);
  checkNumber("noise", options.noise ?? 0, 0, 1);
  checkInteger("seed", options.seed ?? 1, 0, Number.MAX_SAFE_INTEGER);
  checkCallback("onProgress", options.onProgress);
  checkSignal(options.signal);
}

interface Document {
  /** With the token that begins it, and the one that ends it. */
  tokens: number[];
  bytes: number;
}

/**
 * Scores a text with one BOS before it, in windows of the session's whole context that overlap by
 * half: every token is predicted once, from at least half a window of what came before it.
 *
 * A text with 0x00 bytes is a collection of documents that each end with one. For a model with BOS
 * each is scored by itself, and the byte that ends it is the prediction of EOS (where the model has
 * none, it is not counted). A model without BOS reads the text as it is.
 *
 * Throws EMPTY_PROMPT for an empty text, or for one that a model without BOS cannot begin.
 */
export async function score(
  session: Session, text: string, options: ScoreOptions,
): Promise<ScoreResult> {
  checkText(text);
  const noisy = withNoise(text, options.noise ?? 0, options.seed ?? 1);
  const documents = documentsOf(session.host.engine, noisy);
  const totalTokens = documents.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const bytes = documents.reduce((sum, document) => sum + document.bytes, 0);
  if (documents.length === 0) {
    throw new NibbleError("EMPTY_PROMPT", "There is nothing to score: the text is too short.");
  }
  let nats = 0;
  let before = 0;
  for (const { tokens } of documents) {
    nats += await natsOf(session, tokens, options.signal, (scored) => {
      options.onProgress?.({ scoredTokens: before + scored, totalTokens });
    });
    before += tokens.length;
  }
  const bits = nats / Math.LN2;
  return {
    documents: documents.length, bytes, tokens: totalTokens, bits, bitsPerByte: bits / bytes,
  };
}

/** The documents of a text in which there is something to predict. */
function documentsOf(engine: Engine, text: string): Document[] {
  const bos = engine.fact("bos");
  const eos = engine.fact("eos");
  const document = (part: string, isEnded: boolean): Document => {
    const tokens = encodeText(engine, part, ENCODE.first);
    if (bos >= 0) tokens.unshift(bos);
    if (isEnded) tokens.push(eos);
    return { tokens, bytes: new TextEncoder().encode(part).length + (isEnded ? 1 : 0) };
  };
  // What follows the last 0x00 is a document that goes on.
  const parts = bos >= 0 ? text.split("\0") : [text];
  return parts.map((part, i) => document(part, eos >= 0 && i < parts.length - 1))
    .filter(({ tokens }) => tokens.length > 1);
}

/** -ln of the probability of tokens[1...]. */
async function natsOf(
  session: Session, tokens: readonly number[], signal: AbortSignal | undefined,
  onScored: (tokens: number) => void,
): Promise<number> {
  const { engine } = session.host;
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
    }, { signal });
    onScored(scored);
  }
  return nats;
}
