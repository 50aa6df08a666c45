// Texts that commands read from files or from standard input: UTF-8 and nothing else, and never
// more than a limit. Knows nothing of what they are for.

import { addAbortSignal, type Readable } from "node:stream";
import { createReadStream } from "node:fs";
import { NibbleError } from "../errors";
import { printable } from "../source";

interface TextLimits {
  /** Most bytes that are taken, and why no more: the end of a sentence. */
  bytesMax: number;
  reason: string;
  /** Take only so many bytes, less those of a character that is cut. */
  firstBytes?: number | undefined;
}

const STANDARD_INPUT = "standard input";

/**
 * The text of a file, or of standard input for "-". Throws FILE_NOT_FOUND, IS_DIRECTORY,
 * FILE_UNREADABLE, FILE_TOO_LARGE, TEXT_NOT_UTF8 or the signal's reason.
 */
export async function readText(
  file: string, limits: TextLimits, signal: AbortSignal,
): Promise<string> {
  const name = file === "-" ? STANDARD_INPUT : printable(file);
  const wanted = limits.firstBytes ?? Infinity;
  const stream: Readable = file === "-" ? process.stdin : createReadStream(file);
  const pieces: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const piece of addAbortSignal(signal, stream) as AsyncIterable<Buffer>) {
      pieces.push(piece);
      bytes += piece.length;
      if (bytes > limits.bytesMax || bytes > wanted) break;
    }
  } catch (cause) {
    signal.throwIfAborted();
    throw fileError(name, cause);
  }
  if (bytes > limits.bytesMax && wanted > limits.bytesMax) {
    throw tooLarge(name, limits);
  }
  return decode(Buffer.concat(pieces).subarray(0, Math.min(bytes, wanted)), bytes > wanted, name);
}

/**
 * The lines of standard input, without what ends them. What nobody has asked for yet stays in the
 * pipe, so that one without end does no harm. Throws FILE_TOO_LARGE for a line of more bytes than
 * `bytesMax`, TEXT_NOT_UTF8, FILE_UNREADABLE or the signal's reason.
 */
export async function* readLines(
  limits: TextLimits, signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  let pieces: Buffer[] = [];
  let bytes = 0;
  const add = (piece: Buffer): void => {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes > limits.bytesMax) throw tooLarge("A line of standard input", limits);
  };
  const line = (): string => {
    const text = decode(Buffer.concat(pieces), false, STANDARD_INPUT).replace(/\r$/, "");
    pieces = [];
    bytes = 0;
    return text;
  };
  try {
    for await (const piece of addAbortSignal(signal, process.stdin) as AsyncIterable<Buffer>) {
      let from = 0;
      for (let end = piece.indexOf("\n"); end >= 0; end = piece.indexOf("\n", from)) {
        add(piece.subarray(from, end));
        yield line();
        from = end + 1;
      }
      add(piece.subarray(from));
    }
  } catch (cause) {
    signal.throwIfAborted();
    throw cause instanceof NibbleError ? cause : fileError(STANDARD_INPUT, cause);
  }
  if (bytes > 0) yield line();
}

function tooLarge(name: string, { bytesMax, reason }: TextLimits): NibbleError {
  return new NibbleError("FILE_TOO_LARGE", `${name} is larger than ${bytesMax / 1e6} MB, `
    + `${reason}.`);
}

/** `isCut`: an unfinished character at the end is left out. */
function decode(bytes: Uint8Array, isCut: boolean, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(bytes, { stream: isCut });
  } catch (cause) {
    throw new NibbleError("TEXT_NOT_UTF8",
      `${name} is not UTF-8 text; convert it first, for example with iconv.`, { cause });
  }
}

function fileError(name: string, cause: unknown): NibbleError {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new NibbleError("FILE_NOT_FOUND", `${name} does not exist; check the path.`, { cause });
  }
  if (code === "EISDIR") {
    return new NibbleError("IS_DIRECTORY", `${name} is a directory; a text file was expected.`,
      { cause });
  }
  return new NibbleError("FILE_UNREADABLE", `${name} cannot be read (${code ?? String(cause)}).`,
    { cause });
}
