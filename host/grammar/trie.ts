// A model's tokens as a tree of their bytes, flat, in the order in which a walk meets them: whoever
// walks it with an automaton learns at once what all tokens with the same beginning have in common.
// Knows nothing of grammars.

import type { Engine } from "../engine";

/** Bytes of the longest token (assembly/tokenizer/index.ts). */
const TOKEN_BYTES_MAX = 1024;

/** Tokens of more bytes, which are few, have a tree of their own: see mask.ts. */
const SHORT_BYTES = 16;

/**
 * Nodes are numbered so that a node's subtree follows it: node n's is n + 1 to skip[n] - 1. Its
 * tokens are the one in `tokens`, or -1, and of equal ones `twins` says the next, or -1.
 */
export interface Trie {
  readonly count: number;
  /** The byte that leads to a node, and how many bytes lead there in all. */
  readonly bytes: Uint8Array;
  readonly depths: Uint16Array;
  readonly skips: Int32Array;
  readonly tokens: Int32Array;
  /** By token. */
  readonly twins: Int32Array;
  /** Bytes of the longest token. */
  readonly depth: number;
}

/** What a model writes, for constraints. */
export interface Vocabulary {
  /** Tokens, of whatever kind. */
  readonly size: number;
  /** Tokens that end a text. */
  readonly endings: readonly number[];
  /** Inside a text: short tokens, and long ones if there are any. */
  readonly inside: readonly Trie[];
  /** Where a text begins: SentencePiece leaves out the space before the first word. */
  readonly first: readonly Trie[];
  /** Where all tokens are single bytes, the tokens of each byte. */
  readonly byteTokens: readonly (readonly number[])[] | undefined;
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
  const inside = triesOf(texts);
  const isSame = firstTexts.every((text, token) => text === texts[token]);
  const isBytes = texts.every(({ length }) => length <= 1);
  vocabulary = {
    size, endings, inside, first: isSame ? inside : triesOf(firstTexts),
    byteTokens: isBytes ? tokensOfBytes(texts) : undefined,
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

function tokensOfBytes(texts: readonly string[]): number[][] {
  const all = Array.from({ length: 256 }, (): number[] => []);
  texts.forEach((text, token) => {
    if (text !== "") (all[text.charCodeAt(0)] as number[]).push(token);
  });
  return all;
}

/** The tree of the short tokens that have a text, and that of the long ones. */
export function triesOf(texts: readonly string[]): Trie[] {
  const isShort = (text: string): boolean => text.length <= SHORT_BYTES;
  const long = texts.some((text) => !isShort(text));
  const short = trieOf(texts.map((text) => (isShort(text) ? text : "")));
  return long ? [short, trieOf(texts.map((text) => (isShort(text) ? "" : text)))] : [short];
}

function trieOf(texts: readonly string[]): Trie {
  const sorted = [...texts.keys()].filter((token) => texts[token] !== "").sort((a, b) => {
    const one = texts[a] as string;
    const other = texts[b] as string;
    return one < other ? -1 : one > other ? 1 : a - b;
  });
  const most = sorted.reduce((sum, token) => sum + (texts[token] as string).length, 0);
  const bytes = new Uint8Array(most);
  const depths = new Uint16Array(most);
  const skips = new Int32Array(most);
  const tokens = new Int32Array(most).fill(-1);
  const twins = new Int32Array(texts.length).fill(-1);
  const path: number[] = []; // the nodes that the last token is made of
  let count = 0;
  let depth = 0;
  let last = "";
  for (const token of sorted) {
    const text = texts[token] as string;
    let shared = 0;
    while (shared < last.length && text.charCodeAt(shared) === last.charCodeAt(shared)) shared++;
    for (const node of path.splice(shared)) skips[node] = count;
    for (let at = shared; at < text.length; at++) {
      bytes[count] = text.charCodeAt(at);
      depths[count] = at + 1;
      path.push(count++);
    }
    const node = path[path.length - 1] as number;
    twins[token] = tokens[node] as number;
    tokens[node] = token;
    depth = Math.max(depth, text.length);
    last = text;
  }
  for (const node of path) skips[node] = count;
  return {
    count, depth, twins, bytes: bytes.slice(0, count), depths: depths.slice(0, count),
    skips: skips.slice(0, count), tokens: tokens.slice(0, count),
  };
}
