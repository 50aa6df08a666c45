// nibble tokenize: the tokens of a text, by id and by text. A file with nothing but a vocabulary is
// enough.

import * as engine from "../index";
import { JSON, TRUSTED, valueOf } from "./arguments";
import { loadModel } from "./model";
import { check, flush, put, putByte, putBytes, putDecimal } from "./output";
import { readPrompt, tokenCount, tokenizeAll, tokens } from "./prompt";

/** Flag of `decode`: control tokens give their names. */
const NAMED: i32 = 2;

export function printTokens(): void {
  loadModel();
  readPrompt();
  tokenizeAll(valueOf(TRUSTED) != 0);
  if (valueOf(JSON) != 0) printObject();
  else for (let i: i32 = 0; i < tokenCount; i++) printLine(tokenAt(i));
  flush();
}

function tokenAt(index: i32): i32 {
  return load<i32>(tokens + ((<usize>index) << 2));
}

function printObject(): void {
  put("{\"ids\":[");
  for (let i: i32 = 0; i < tokenCount; i++) {
    if (i > 0) putByte(0x2c);
    putDecimal(tokenAt(i));
  }
  put("],\"pieces\":[");
  for (let i: i32 = 0; i < tokenCount; i++) {
    if (i > 0) putByte(0x2c);
    putPiece(tokenAt(i));
  }
  put("]}\n");
}

/** The id in seven columns, two spaces, the piece. */
function printLine(token: i32): void {
  for (let least: i32 = 1000000; least > token && least > 1; least /= 10) putByte(0x20);
  putDecimal(token);
  put("  ");
  putPiece(token);
  putByte(0x0a);
}

/** A token's text as JSON; bytes that are no whole character as SentencePiece names them. */
function putPiece(token: i32): void {
  const length = check(engine.decode(token, NAMED));
  const end = engine.stagingAddress() + <usize>length;
  putByte(0x22);
  for (let at = engine.stagingAddress(); at < end;) {
    const size = wholeCharacter(at, end);
    if (size == 0) putByteName(load<u8>(at));
    else if (size == 1) putEscaped(load<u8>(at));
    else putBytes(at, size);
    at += <usize>max<i32>(1, size);
  }
  putByte(0x22);
}

/** Bytes of the character that begins at `at`, as strictly as the Encoding Standard; 0 for none. */
function wholeCharacter(at: usize, end: usize): i32 {
  const lead = load<u8>(at);
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const size: i32 = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (at + <usize>size > end) return 0;
  const second = load<u8>(at, 1);
  if (second < (lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80)) return 0;
  if (second > (lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf)) return 0;
  for (let i: i32 = 2; i < size; i++) {
    if ((load<u8>(at + <usize>i) & 0xc0) != 0x80) return 0;
  }
  return size;
}

function putByteName(byte: u8): void {
  put("<0x");
  putHex(byte >> 4);
  putHex(byte & 15);
  putByte(0x3e);
}

function putHex(digit: u8, ten: u8 = 0x41): void {
  putByte(digit < 10 ? 0x30 + digit : ten + digit - 10);
}

/** A character of ASCII as JSON.stringify has it in a string. */
function putEscaped(byte: u8): void {
  if (byte >= 0x20) {
    if (byte == 0x22 || byte == 0x5c) putByte(0x5c);
    putByte(byte);
    return;
  }
  putByte(0x5c);
  if (byte == 0x0a) return putByte(0x6e);
  if (byte == 0x0d) return putByte(0x72);
  if (byte == 0x09) return putByte(0x74);
  if (byte == 0x08) return putByte(0x62);
  if (byte == 0x0c) return putByte(0x66);
  put("u00");
  putHex(byte >> 4, 0x61);
  putHex(byte & 15, 0x61);
}
