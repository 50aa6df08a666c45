// What the program prints: bytes that are gathered in one buffer and written in one call, and
// failures, which end the program. Knows nothing of what the bytes say.

import { describe } from "../sentences";
import { writeDecimal } from "../text";
import { STDERR, STDOUT, exit, write } from "./system";

const BUFFER_BYTES: i32 = 16384;
const buffer = memory.data(16384, 16);
const sentence = memory.data(1024, 16);
const digits = memory.data(32);
let length: i32 = 0;
let stream: i32 = STDOUT;
/** What standard output ends with so far; 0 while it is empty. */
let lastByte: u8 = 0;
/** Whether a failure must first end the line of a text that was begun. */
export let isInText: bool = false;

/** Writes what was gathered. */
export function flush(): void {
  const count = length;
  length = 0; // first: a failed write ends the program, which flushes again
  write(stream, buffer, count);
}

export function putByte(byte: u8): void {
  if (length == BUFFER_BYTES) flush();
  store<u8>(buffer + length, byte);
  length++;
  lastByte = byte;
}

export function putBytes(address: usize, count: i32): void {
  if (count <= 0) return;
  if (count > BUFFER_BYTES - length) flush();
  lastByte = load<u8>(address + count - 1);
  if (count > BUFFER_BYTES) {
    write(stream, address, count);
    return;
  }
  memory.copy(buffer + length, address, count);
  length += count;
}

/** A text of ASCII. */
export function put(literal: string): void {
  const count = literal.length;
  for (let i: i32 = 0; i < count; i++) {
    putByte(<u8>load<u16>(changetype<usize>(literal) + ((<usize>i) << 1)));
  }
}

export function putDecimal(value: i64): void {
  putBytes(digits, writeDecimal(digits, value));
}

/** A text that ends with a zero. Control characters must not reach a terminal. */
export function putName(address: usize): void {
  for (let at = address; load<u8>(at) != 0; at++) {
    const byte = load<u8>(at);
    putByte(byte < 0x20 || byte == 0x7f ? 0x3f : byte);
  }
}

/** From here on a text is being written, whose line must end. */
export function beginText(): void {
  isInText = true;
}

/** Ends the line of the text, if it has not ended already. */
export function endText(): void {
  if (lastByte != 0x0a) putByte(0x0a);
  flush();
  isInText = false;
}

/** What follows goes to standard error. */
export function toErrors(): void {
  flush();
  stream = STDERR;
}

/** Begins a sentence of failure on standard error. */
export function beginFailure(): void {
  if (isInText) endText();
  toErrors();
  put("nibble: ");
}

/** Ends the sentence with its code, and the program. */
export function endFailure(code: string, exitCode: i32 = 1): void {
  put(" [");
  put(code);
  put("]\n");
  flush();
  exit(exitCode);
}

/** Ends the sentence, and the program, as wrong usage. */
export function endUsage(): void {
  put("\n");
  flush();
  exit(2);
}

/** Fails in the engine's own words when `status` is negative; `name`: of the file, or 0. */
export function check(status: i32, name: usize = 0): i32 {
  if (status >= 0 || status < -1024) return status; // addresses above 2^31 are negative
  const count = describe(status, sentence);
  let bar: i32 = 0;
  while (load<u8>(sentence + bar) != 0x7c) bar++;
  beginFailure();
  if (name != 0) {
    putName(name);
    put(": ");
  }
  putBytes(sentence + bar + 1, count - bar - 1);
  put(" [");
  putBytes(sentence, bar);
  put("]\n");
  flush();
  exit(1);
  return status;
}
