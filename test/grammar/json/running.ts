// What the tests of JSON schemas share: a value in the form that is promised, an automaton that is
// asked about texts, and one that is let loose. Knows nothing of schemas.

import type { Automaton } from "../../../host/grammar/automaton";

/** A value on one line, with a blank behind each comma and colon: written here once more. */
export function line(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(line).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{${Object.entries(value).map(([name, it]) => (
    `${JSON.stringify(name)}: ${line(it)}`)).join(", ")}}`;
}

export function accepts(automaton: Automaton, text: string): boolean {
  let state = automaton.start;
  for (const byte of new TextEncoder().encode(text)) {
    state = automaton.step(state, byte);
    if (state < 0) return false;
  }
  return automaton.isAccepting(state);
}

/** The bytes of a set. */
export function bytesIn(set: Uint32Array): number[] {
  return Array.from({ length: 256 }, (_, byte) => byte)
    .filter((byte) => ((set[byte >> 5] as number) >>> (byte & 31) & 1) === 1);
}

/**
 * A text that an untrained model might write: any allowed byte, with a liking for those that close
 * something. Undefined if it is not at an end after so many bytes.
 */
export function stroll(
  automaton: Automaton, random: () => number, bytesMax: number,
): string | undefined {
  const text: number[] = [];
  let state = automaton.start;
  while (text.length < bytesMax) {
    if (automaton.isComplete(state)) break;
    if (automaton.isAccepting(state) && random() < 0.3) break;
    const allowed = bytesIn(automaton.allowed(state));
    const closing = allowed.filter((byte) => byte === 0x22 || byte === 0x5d || byte === 0x7d);
    const from = closing.length > 0 && random() < 0.2 + text.length / bytesMax ? closing : allowed;
    const byte = from[Math.floor(random() * from.length)] as number;
    text.push(byte);
    state = automaton.step(state, byte);
  }
  if (!automaton.isAccepting(state)) return undefined;
  return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(text));
}

/** All texts of an automaton that has few; throws when there are more. */
export function allTexts(automaton: Automaton, most: number): string[] {
  const found: string[] = [];
  const walk = (state: number, text: number[]): void => {
    if (automaton.isAccepting(state)) found.push(new TextDecoder().decode(Uint8Array.from(text)));
    if (found.length > most || text.length > 200) throw new Error("there are too many texts");
    for (const byte of bytesIn(automaton.allowed(state))) {
      walk(automaton.step(state, byte), [...text, byte]);
    }
  };
  walk(automaton.start, []);
  return found;
}
