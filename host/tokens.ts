// Text to tokens and back, through the engine's staging window. Knows nothing of sessions.

import { DECODE, ENCODE, type Engine } from "./engine";
import { NibbleError } from "./errors";
import { checkText, checkTokens } from "./options";

/** Tokens of a text of any length. `flags` are those of its first piece (ENCODE). */
export function encodeText(engine: Engine, text: string, flags: number): number[] {
  checkText(text);
  const bytes = new TextEncoder().encode(text);
  const room = engine.exports.stagingBytes();
  const tokens: number[] = [];
  let first = flags;
  let at = 0;
  do {
    const piece = bytes.subarray(at, at + room);
    const isLast = at + piece.length === bytes.length;
    engine.bytes(engine.exports.stagingAddress(), piece.length).set(piece);
    const step = first | (isLast ? ENCODE.last : 0);
    const count = engine.call((e) => e.encode(piece.length, step));
    const ids = engine.bytes(engine.exports.encodedIds(), count * 4);
    tokens.push(...new Int32Array(ids.buffer, ids.byteOffset, count));
    at += engine.exports.encodedBytes();
    first &= ~ENCODE.first;
  } while (at < bytes.length);
  return tokens;
}

/**
 * The first tokens of text that goes on: those that stay the same whatever comes behind it, or all
 * when it `isLast`. `isFirst` where the conversation begins. At most one staging window of bytes.
 */
export function encodeSettled(
  engine: Engine, bytes: Uint8Array, isFirst: boolean, isLast: boolean,
): number[] {
  // The engine remembers whether a control token came last, of whatever text that was; behind this
  // letter it knows that none did.
  if (!isFirst) encodeText(engine, "a", ENCODE.first);
  engine.bytes(engine.exports.stagingAddress(), bytes.length).set(bytes);
  const flags = (isFirst ? ENCODE.first : 0) | (isLast ? ENCODE.last : 0);
  const count = engine.call((e) => e.encode(bytes.length, flags));
  const ids = engine.bytes(engine.exports.encodedIds(), count * 4);
  return [...new Int32Array(ids.buffer, ids.byteOffset, count)];
}

/** A copy of a token's bytes. */
export function decodeToken(engine: Engine, token: number, isFirst: boolean): Uint8Array {
  checkTokens([token]);
  const length = engine.call((e) => e.decode(token, isFirst ? DECODE.first : 0));
  return engine.bytes(engine.exports.stagingAddress(), length).slice();
}

/** The text of tokens, as one text begins with them. */
export function decodeTokens(engine: Engine, tokens: readonly number[]): string {
  checkTokens(tokens);
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let text = "";
  let isFirst = true;
  for (const token of tokens) {
    const bytes = decodeToken(engine, token, isFirst);
    // The first token that is text loses the prefix space; control tokens have no bytes at all.
    if (isFirst && decodeToken(engine, token, false).length > 0) isFirst = false;
    text += decoder.decode(bytes, { stream: true });
  }
  return text + decoder.decode();
}

/**
 * A token's text by itself: control tokens by their names; bytes that are no whole character as
 * SentencePiece names them, `<0xE2>`.
 */
export function pieceOf(engine: Engine, token: number): string {
  checkTokens([token]);
  const length = engine.call((e) => e.decode(token, DECODE.named));
  const bytes = engine.bytes(engine.exports.stagingAddress(), length);
  let piece = "";
  for (let at = 0; at < length;) {
    const size = characterBytes(bytes, at);
    piece += size === 0 ? byteName(bytes[at] as number)
      : new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.slice(at, at + size));
    at += Math.max(1, size);
  }
  return piece;
}

/** Bytes of the whole character that begins at `at`; 0 where none does. */
function characterBytes(bytes: Uint8Array, at: number): number {
  for (let size = 1; size <= 4 && at + size <= bytes.length; size++) {
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.slice(at, at + size));
      return size;
    } catch {
      // Not yet, or never: more bytes may make it one.
    }
  }
  return 0;
}

function byteName(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}

/** The tokens in a session's cache; valid until the next pass. */
export function tokensOf(engine: Engine, session: number): Int32Array {
  const count = engine.call((e) => e.position(session));
  const bytes = engine.bytes(engine.call((e) => e.tokensAddress(session)), count * 4);
  return new Int32Array(bytes.buffer, bytes.byteOffset, count);
}

/** How many tokens at the beginning are in the session's cache already, in the same order. */
export function sharedTokens(engine: Engine, session: number, tokens: readonly number[]): number {
  const cached = tokensOf(engine, session).subarray(0, tokens.length);
  const differs = cached.findIndex((token, i) => token !== tokens[i]);
  return differs < 0 ? cached.length : differs;
}

/**
 * Of free sessions the one whose text these tokens go on from, which keeps more of it than it
 * loses; else the first, which has been idle the longest, so that other conversations can go on.
 */
export function closestSession(
  engine: Engine, free: readonly number[], tokens: readonly number[],
): number {
  let best = free[0] as number;
  let most = 0;
  for (const index of free) {
    const shared = sharedTokens(engine, index, tokens);
    if (shared <= most || shared * 2 <= engine.call((e) => e.position(index))) continue;
    best = index;
    most = shared;
  }
  return best;
}

/** PROMPT_TOO_LONG, in words. */
export function tooLong(engine: Engine, count: number, room: number): NibbleError {
  const context = engine.fact("context");
  return new NibbleError("PROMPT_TOO_LONG", `The text has ${count} tokens, but only ${room} of the `
    + `context's ${context} positions are free; shorten it or load with a larger context.`);
}
