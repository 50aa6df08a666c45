// Text to tokens and back, through the engine's staging window. Knows nothing of sessions.

import { ENCODE, type Engine } from "./engine";
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

/** A copy of a token's bytes. */
export function decodeToken(engine: Engine, token: number, isFirst: boolean): Uint8Array {
  checkTokens([token]);
  const length = engine.call((e) => e.decode(token, isFirst ? 1 : 0));
  return engine.bytes(engine.exports.stagingAddress(), length).slice();
}

/** How many tokens at the beginning are in the session's cache already, in the same order. */
export function sharedTokens(engine: Engine, session: number, tokens: readonly number[]): number {
  const count = Math.min(engine.call((e) => e.position(session)), tokens.length);
  const bytes = engine.bytes(engine.call((e) => e.tokensAddress(session)), count * 4);
  const cached = new Int32Array(bytes.buffer, bytes.byteOffset, count);
  const differs = cached.findIndex((token, i) => token !== tokens[i]);
  return differs < 0 ? count : differs;
}
