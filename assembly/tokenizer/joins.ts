// Which two characters can stand side by side inside of a token, so that a long text can be cut
// between all others without changing its tokens. Knows nothing of words.
//
// A set that errs to one side: it may take a pair for joinable that is not, never the other way.

import { vocabulary } from "../config";
import { VOCABULARY, isMeasuring, reserve } from "../plan";
import { characterBytes } from "../text";
import { KIND_BYTE, KIND_SPM, kind } from "./settings";
import { lookUp, tokenLength, tokenText } from "./tokens";

/** U+2581, which stands for a space in SentencePiece's vocabularies, as its three bytes. */
const SPACE_MARK: u32 = 0x8196e2;
/** As many bits as there are pairs of bytes; more for vocabularies with many characters. */
const BITS_LEAST: u32 = 65536;

let pairs: usize = 0; // u1[1 << (32 - shift)]
let shift: u32 = 0;

/** Bytes of the last character that `characterAt` read. */
export let characterSize: i32 = 0;

/** A character of SentencePiece's: its bytes as a number; a space is its mark. */
export function characterAt(text: usize, length: i32): u32 {
  const lead = load<u8>(text);
  characterSize = min<i32>(characterBytes(lead), length);
  if (lead == 0x20) return SPACE_MARK;
  let character: u32 = 0;
  for (let i = characterSize - 1; i >= 0; i--) character = (character << 8) | load<u8>(text + i);
  return character;
}

// @ts-ignore: decorator
@inline export function isSpace(character: u32): bool {
  return character == SPACE_MARK;
}

// @ts-ignore: decorator
@inline function slotOf(left: u32, right: u32): u32 {
  return ((left * 0x9e3779b1) ^ (right * 0x85ebca6b)) * 0x2c1b3c6d >> shift;
}

/** Whether some token may hold these two side by side: characters, or bytes of byte-level texts. */
export function canJoin(left: u32, right: u32): bool {
  const slot = slotOf(left, right);
  return ((<u32>load<u8>(pairs + (<usize>slot >> 3)) >> (slot & 7)) & 1) != 0;
}

function note(left: u32, right: u32): void {
  const slot = slotOf(left, right);
  const at = pairs + (<usize>slot >> 3);
  store<u8>(at, <u8>(load<u8>(at) | (<u32>1 << (slot & 7))));
}

/** Reserves the set, and fills it when placing. */
export function layoutJoins(): void {
  if (kind == KIND_BYTE) return;
  let bits = BITS_LEAST;
  while (bits < <u32>vocabulary * 2) bits <<= 1;
  shift = <u32>clz<u32>(bits) + 1;
  pairs = reserve(VOCABULARY, <u64>bits >> 3);
  if (isMeasuring()) return;
  memory.fill(pairs, 0, <usize>bits >> 3);
  for (let i: i32 = 0; i < vocabulary; i++) {
    const text = tokenText(i);
    const length = tokenLength(i);
    if (length < 2 || lookUp(text, length) < 0) continue;
    if (kind == KIND_SPM) noteCharacters(text, length);
    else noteBytes(text, length);
  }
}

function noteBytes(text: usize, length: i32): void {
  for (let at = text; at + 1 < text + <usize>length; at++) note(load<u8>(at), load<u8>(at, 1));
}

function noteCharacters(text: usize, length: i32): void {
  let left = characterAt(text, length);
  let at = characterSize;
  while (at < length) {
    const right = characterAt(text + at, length - at);
    note(left, right);
    left = right;
    at += characterSize;
  }
}
