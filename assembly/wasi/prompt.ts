// The prompt, from the arguments or from standard input, and its tokens: behind everything that the
// engine has planned. Knows nothing of what is written on from it.

import * as engine from "../index";
import { growTo } from "../plan";
import { lengthOf, prompt } from "./arguments";
import { charactersMax, endCharacters, replaced, writeCharacters } from "./characters";
import { beginFailure, check, endFailure, put, putDecimal } from "./output";
import { STDIN, isTerminal, read } from "./system";

/** Most bytes of standard input: far more than any context takes. */
const INPUT_BYTES_MAX: i32 = 16 << 20;
const FIRST: i32 = 1;
const LAST: i32 = 2;
const SPECIAL: i32 = 4;
const TRUSTED: i32 = 8;

export let text: usize = 0; // u8[length]: UTF-8
export let length: i32 = 0;
export let tokens: usize = 0; // i32[kept]
/** Tokens of the prompt; more than the context's are counted, but not kept. */
export let tokenCount: i32 = 0;

/** Takes the prompt of the arguments, or standard input for "-" or for none with a pipe. */
export function readPrompt(): void {
  const isNamed = prompt != 0 && !(load<u8>(prompt) == 0x2d && load<u8>(prompt, 1) == 0);
  if (isNamed) {
    text = prompt;
    length = lengthOf(prompt);
    return;
  }
  text = (<usize>memory.size()) << 16;
  length = 0;
  if (prompt == 0 && isTerminal(STDIN)) return;
  const before = replaced;
  const window = engine.stagingAddress();
  const room = engine.stagingBytes();
  while (true) {
    const got = read(STDIN, window, room);
    if (got <= 0) break;
    makeRoom(charactersMax(got));
    length += writeCharacters(window, got, text + length);
    if (length > INPUT_BYTES_MAX) {
      beginFailure();
      put("standard input is larger than 16 MB, far more than any context takes.");
      endFailure("FILE_TOO_LARGE");
    }
  }
  makeRoom(charactersMax(0));
  length += endCharacters(text + length);
  if (replaced > before) {
    beginFailure();
    put("standard input is not UTF-8 text; convert it first, for example with iconv.");
    endFailure("TEXT_NOT_UTF8");
  }
  trim();
}

function makeRoom(bytes: i32): void {
  check(growTo(<u64>text + <u64>length + <u64>bytes));
}

/** Neither a byte order mark nor the newline with which `echo` ends a text is part of it. */
function trim(): void {
  if (length >= 3 && (load<u32>(text) & 0xffffff) == 0xbfbbef) {
    text += 3;
    length -= 3;
  }
  if (length == 0 || load<u8>(text + length - 1) != 0x0a) return;
  length--;
  if (length > 0 && load<u8>(text + length - 1) == 0x0d) length--;
}

/** Cuts the prompt into tokens, of which the context's and one more are kept. */
export function tokenize(): void {
  tokenizeInto(<i32>engine.fact(2) + 1, false);
}

/** Cuts it and keeps all tokens; of a text that is trusted, control tokens that it spells, too. */
export function tokenizeAll(trusted: bool): void {
  // No vocabulary makes more of a byte than the three of a space's mark.
  tokenizeInto(3 * length + 8, trusted);
}

function tokenizeInto(kept: i32, trusted: bool): void {
  tokens = (<usize>memory.size()) << 16;
  check(growTo(<u64>tokens + <u64>kept * 4));
  const window = engine.stagingAddress();
  const room = engine.stagingBytes();
  let flags = FIRST | SPECIAL | (trusted ? TRUSTED : 0);
  let at: i32 = 0;
  tokenCount = 0;
  do {
    const piece = min<i32>(room, length - at);
    const isLast = at + piece == length;
    memory.copy(window, text + at, piece);
    const found = check(engine.encode(piece, isLast ? flags | LAST : flags));
    const fitting = max<i32>(0, min<i32>(found, kept - tokenCount));
    memory.copy(tokens + ((<usize>tokenCount) << 2), engine.encodedIds(), fitting << 2);
    tokenCount += found;
    at += engine.encodedBytes();
    flags &= ~FIRST;
  } while (at < length);
}

/** Adds BOS to no tokens at all, so that there is something to write on from. */
export function beginEmpty(): void {
  if (tokenCount > 0) return;
  const bos = <i32>engine.fact(12);
  if (bos < 0) {
    beginFailure();
    put("The prompt is empty, and this model has no token to begin a text with.");
    endFailure("EMPTY_PROMPT");
  }
  store<i32>(tokens, bos);
  tokenCount = 1;
}

/** Refuses a prompt that the context has no room for. */
export function checkRoom(): void {
  const context = <i32>engine.fact(2);
  if (tokenCount <= context) return;
  beginFailure();
  put("The text has ");
  putDecimal(tokenCount);
  put(" tokens, but only ");
  putDecimal(context);
  put(" of the context's ");
  putDecimal(context);
  put(" positions are free; shorten it or load with a larger context.");
  endFailure("PROMPT_TOO_LONG");
}
