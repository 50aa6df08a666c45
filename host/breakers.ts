// Which tokens break DRY's matches: those whose bytes hold one of the texts, and the last token of
// each text, which may be longer than any token. Knows nothing of sessions.

import type { Engine } from "./engine";
import { decodeToken, encodeText } from "./tokens";

/** Lists of texts that are remembered: clients of a server may send different ones. */
const LISTS_MAX = 16;

const known = new WeakMap<Engine, Map<string, Uint8Array>>();

/** A bit for each token of the vocabulary, the lowest first; looked for once for each list. */
export function breakerBits(engine: Engine, texts: readonly string[]): Uint8Array {
  const lists = known.get(engine) ?? new Map<string, Uint8Array>();
  known.set(engine, lists);
  const name = JSON.stringify(texts);
  const bits = lists.get(name) ?? find(engine, texts);
  // The list that was used last goes to the end; the first has not been used the longest.
  lists.delete(name);
  lists.set(name, bits);
  for (const oldest of lists.keys()) {
    if (lists.size <= LISTS_MAX) break;
    lists.delete(oldest);
  }
  return bits;
}

function find(engine: Engine, texts: readonly string[]): Uint8Array {
  const vocabulary = engine.fact("vocabulary");
  const bits = new Uint8Array((vocabulary + 7) >> 3);
  const add = (token: number): void => {
    bits[token >> 3] = (bits[token >> 3] as number) | (1 << (token & 7));
  };
  // As text with a character for each byte, in which a search finds bytes.
  const wanted = texts.map((text) => binary(new TextEncoder().encode(text)));
  for (let token = 0; token < vocabulary && wanted.length > 0; token++) {
    const bytes = binary(decodeToken(engine, token, false));
    if (wanted.some((text) => bytes.includes(text))) add(token);
  }
  for (const text of texts) {
    const last = encodeText(engine, text, 0).at(-1);
    if (last !== undefined) add(last);
  }
  return bits;
}

function binary(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
