// Typing mistakes for measuring robustness: letters and digits replaced by others of their kind,
// the same ones for the same seed on every host. Knows nothing of models.

const KINDS = [{ first: 0x61, count: 26 }, { first: 0x41, count: 26 }, { first: 0x30, count: 10 }];

/**
 * The text with each ASCII letter replaced with probability `share` by another letter of its case,
 * each ASCII digit by another digit. Everything else stays, so the text keeps its length, its words
 * and its characters. With one seed, the replacements of a smaller share are among those of a
 * larger one.
 */
export function withNoise(text: string, share: number, seed: number): string {
  if (share === 0) return text;
  const bytes = new TextEncoder().encode(text);
  const random = generator(seed);
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    const kind = KINDS.find(({ first, count }) => byte >= first && byte < first + count);
    if (!kind) continue;
    const isReplaced = random() < share;
    // One of the others: from 1 to count - 1 places further on.
    const step = 1 + Math.floor(random() * (kind.count - 1));
    if (isReplaced) bytes[i] = kind.first + ((byte - kind.first + step) % kind.count);
  }
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/** Numbers from 0 to below 1, by "mulberry32": exact in any JavaScript. */
function generator(seed: number): () => number {
  let state = (seed >>> 0) ^ Math.imul(Math.floor(seed / 2 ** 32), 0x9e3779b9);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
