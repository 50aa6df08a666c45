// A model's tokens as a tree of their bytes, flat, in the order in which a walk meets them: whoever
// walks it with an automaton learns at once what all tokens with the same beginning have in common.
// Knows nothing of grammars.

import type { Engine } from "../engine";

/** Bytes of the longest token (assembly/tokenizer/index.ts). */
const TOKEN_BYTES_MAX = 1024;

/**
 * Nodes are numbered so that a node's subtree follows it: node n's is n + 1 to skip[n] - 1. Its
 * tokens are `tokens` from firsts[n] to firsts[n + 1].
 */
export interface Trie {
  readonly count: number;
  /** The byte that leads to a node, and how many bytes lead there in all. */
  readonly bytes: Uint8Array;
  readonly depths: Uint16Array;
  readonly skips: Int32Array;
  readonly firsts: Int32Array;
  readonly tokens: Int32Array;
  /** Bytes of the longest token. */
  readonly depth: number;
}

/** What a model writes, for constraints. */
export interface Vocabulary {
  /** Tokens, of whatever kind. */
  readonly size: number;
  /** Tokens that end a text. */
  readonly endings: readonly number[];
  /** Inside a text. */
  readonly inside: Trie;
  /** Where a text begins: SentencePiece leaves out the space before the first word. */
  readonly first: Trie;
  /** Where all tokens are single bytes, the lowest one of each byte, or -1. */
  readonly byteTokens: readonly number[] | undefined;
}

const known = new WeakMap<Engine, Vocabulary>();

/** The vocabulary of a loaded model, built when it is first asked for. */
export function vocabularyOf(engine: Engine): Vocabulary {
  let vocabulary = known.get(engine);
  if (vocabulary) return vocabulary;
  const size = engine.fact("vocabulary");
  const ids = Array.from({ length: size }, (_, token) => token);
  const endings = ids.filter((token) => engine.exports.endsAt(token) === 1);
  const controls = controlsOf(engine, size);
  const texts = textsOf(engine, size, controls, false);
  const firstTexts = textsOf(engine, size, controls, true);
  const inside = trieOf(texts);
  const isSame = firstTexts.every((text, token) => text === texts[token]);
  vocabulary = {
    size, endings, inside, first: isSame ? inside : trieOf(firstTexts),
    byteTokens: inside.depth === 1 ? tokensOfBytes(inside).map(([token = -1]) => token) : undefined,
  };
  known.set(engine, vocabulary);
  return vocabulary;
}

function controlsOf(engine: Engine, size: number): Set<number> {
  const controls = new Set<number>();
  for (let token = 0; ; token++) {
    token = engine.call((e) => e.nextControl(token));
    if (token >= size) return controls;
    controls.add(token);
  }
}

/** Bytes of all tokens as the characters U+0000 to U+00FF; empty for those that write nothing. */
function textsOf(
  engine: Engine, size: number, controls: ReadonlySet<number>, isFirst: boolean,
): string[] {
  const window = engine.bytes(engine.exports.stagingAddress(), TOKEN_BYTES_MAX);
  const flags = isFirst ? 1 : 0;
  return Array.from({ length: size }, (_, token) => {
    if (controls.has(token)) return "";
    const length = engine.call((e) => e.decode(token, flags));
    let text = "";
    for (let i = 0; i < length; i++) text += String.fromCharCode(window[i] as number);
    return text;
  });
}

/** The tree of the tokens that have a text. */
export function trieOf(texts: readonly string[]): Trie {
  const tokens = Int32Array.from(texts.keys()).filter((token) => texts[token] !== "");
  const sorted = Array.from(tokens).sort((a, b) => {
    const one = texts[a] as string;
    const other = texts[b] as string;
    return one < other ? -1 : one > other ? 1 : a - b;
  });
  tokens.set(sorted);
  const most = tokens.reduce((sum, token) => sum + (texts[token] as string).length, 0);
  const bytes = new Uint8Array(most);
  const depths = new Uint16Array(most);
  const skips = new Int32Array(most);
  const firsts = new Int32Array(most + 1);
  const path: number[] = []; // the nodes that the last token is made of
  let count = 0;
  let depth = 0;
  let last = "";
  tokens.forEach((token, place) => {
    const text = texts[token] as string;
    let shared = 0;
    while (shared < last.length && text.charCodeAt(shared) === last.charCodeAt(shared)) shared++;
    for (const node of path.splice(shared)) skips[node] = count;
    for (let at = shared; at < text.length; at++) {
      bytes[count] = text.charCodeAt(at);
      depths[count] = at + 1;
      firsts[count] = place;
      path.push(count++);
    }
    depth = Math.max(depth, text.length);
    last = text;
  });
  for (const node of path) skips[node] = count;
  firsts[count] = tokens.length;
  return {
    count, depth, tokens, bytes: bytes.slice(0, count), depths: depths.slice(0, count),
    skips: skips.slice(0, count), firsts: firsts.slice(0, count + 1),
  };
}

/** The tokens of each byte, of a tree with nothing but bytes. */
export function tokensOfBytes(trie: Trie): number[][] {
  const all = Array.from({ length: 256 }, (): number[] => []);
  trie.bytes.forEach((byte, node) => {
    all[byte] = Array.from(trie.tokens.subarray(trie.firsts[node], trie.firsts[node + 1]));
  });
  return all;
}
