// A model's file, piece by piece into the engine: header, plan, tensor data, as host/load.ts does
// it. Knows nothing of what is done with the model.

import * as engine from "../index";
import * as errors from "../errors";
import { equals } from "../text";
import {
  CACHE, CONTEXT, MEMORY_LIMIT, WEIGHTS, checkInteger, isAddress, lengthOf, model, numberOption,
  refuseText, valueOf,
} from "./arguments";
import { embeddedBytes, isEmbedded, readEmbedded, seekEmbedded } from "./embedded";
import { numberOf } from "./numbers";
import { beginFailure, check, endFailure, put, putDecimal, putName } from "./output";
import {
  IS_DIRECTORY, NOT_CAPABLE, NOT_DIRECTORY, NOT_PERMITTED, NO_ACCESS, NO_ENTRY, NO_FOLDER,
  openFile, read, seek, sizeOf,
} from "./system";

/** First read; enough for small headers whole. Doubled until the header is complete. */
const FIRST_BYTES: i32 = 65536;
const HEADER_BYTES_MAX: i32 = 32 << 20;
/** Default context: longer ones are asked for, because the cache grows with them. */
const CONTEXT_DEFAULT: i32 = 2048;

const limitText = memory.data(32);

/** In place of a file: the model that this build carries. */
const EMBEDDED: i32 = -1;

/** Loads the model that the arguments name. Ends the program when that fails. */
export function loadModel(): void {
  const context = numberOption(CONTEXT, 0);
  if (valueOf(CONTEXT) != 0) checkInteger(CONTEXT, context, 1, 1048576, "from 1 to 1048576");
  const weights = weightsOption();
  const cache = cacheOption();
  const limit = limitOption();
  const file = open();
  readHeader(file);
  const positions = valueOf(CONTEXT) != 0 ? <i32>context
    : <i32>min<i64>(engine.fact(1), CONTEXT_DEFAULT);
  check(engine.plan(positions, 1, weights, cache, 1, limit), model);
  readData(file);
}

function weightsOption(): i32 {
  const text = valueOf(WEIGHTS);
  if (text == 0) return -1;
  const length = lengthOf(text);
  if (equals(text, length, "f32")) return 0;
  if (equals(text, length, "q4_0")) return 1;
  if (equals(text, length, "q8_0")) return 2;
  return refuseChoice(WEIGHTS, "; it must be q4_0, q8_0 or f32.");
}

function cacheOption(): i32 {
  const text = valueOf(CACHE);
  if (text == 0) return -1;
  const length = lengthOf(text);
  if (equals(text, length, "f32")) return 0;
  if (equals(text, length, "int8")) return 1;
  return refuseChoice(CACHE, "; it must be int8 or f32.");
}

function refuseChoice(option: i32, words: string): i32 {
  refuseText(option);
  put(words);
  endFailure("BAD_OPTION", 2);
  return 0;
}

/** Bytes of a text like "128MB" (MB = 10^6); 0 without the option. */
function limitOption(): i64 {
  const text = valueOf(MEMORY_LIMIT);
  if (text == 0) return 0;
  let digits = lengthOf(text);
  let unit: f64 = 1;
  if (digits > 0 && (load<u8>(text + digits - 1) | 0x20) == 0x62) {
    digits--;
    const letter = digits > 0 ? load<u8>(text + digits - 1) | 0x20 : 0;
    unit = letter == 0x6b ? 1e3 : letter == 0x6d ? 1e6 : letter == 0x67 ? 1e9 : 1;
    if (unit > 1) digits--;
  }
  let isPlain = digits > 0 && digits < 31;
  for (let i: i32 = 0; i < digits && isPlain; i++) {
    const byte = load<u8>(text + i);
    isPlain = byte - 0x30 < 10 || (byte == 0x2e && i > 0 && i + 1 < digits) || byte == 0x20;
    store<u8>(limitText + i, byte);
  }
  if (isPlain) store<u8>(limitText + digits, 0);
  const bytes = isPlain ? floor<f64>(numberOf(limitText) * unit) : NaN;
  if (isNaN(bytes)) refuseChoice(MEMORY_LIMIT, "; write it like 128MB.");
  return <i64>checkInteger(MEMORY_LIMIT, bytes, 1, 4294967296, "from 1 to 4294967296");
}

/** The model's file. */
function open(): i32 {
  if (model == 0 && isEmbedded()) return EMBEDDED;
  if (model == 0) {
    beginFailure();
    put("No model was given and this build has none embedded; name a GGUF file by its path.");
    endFailure("MODEL_REQUIRED");
  }
  if (load<u8>(model) == 0) {
    beginFailure();
    put("The path of the model is empty.");
    endFailure("BAD_SOURCE");
  }
  if (isAddress(model)) {
    beginFailure();
    putName(model);
    put(" is an address; this program reads files only.");
    endFailure("BAD_SOURCE");
  }
  const file = openFile(model);
  if (file < 0) failFile(-file);
  return file;
}

/** Ends the program with a sentence about the file. */
function failFile(number: i32): void {
  beginFailure();
  putName(model);
  if (number == NO_ENTRY || number == NOT_DIRECTORY) {
    put(" does not exist; check the path.");
    endFailure("FILE_NOT_FOUND");
  }
  if (number == IS_DIRECTORY) {
    put(" is a directory; a GGUF file was expected.");
    endFailure("IS_DIRECTORY");
  }
  if (number == NO_FOLDER || number == NOT_CAPABLE || number == NOT_PERMITTED) {
    put(" is in no folder that this program was given; name one, as with wasmtime --dir FOLDER.");
    endFailure("FILE_UNREADABLE");
  }
  put(" cannot be read (");
  if (number == NO_ACCESS) put("EACCES");
  else {
    put("error ");
    putDecimal(number);
  }
  put(").");
  endFailure("FILE_UNREADABLE");
}

/** Reads into `target`; returns how many bytes, 0 at the end. */
function readPiece(file: i32, target: usize, length: i32): i32 {
  const got = file == EMBEDDED ? readEmbedded(target, length) : read(file, target, length);
  if (got < 0) failFile(-got);
  return got;
}

/** Reads until `length` bytes are there or the file ends; returns how many came. */
function readFully(file: i32, target: usize, length: i32): i32 {
  let have: i32 = 0;
  while (have < length) {
    const got = readPiece(file, target + have, length - have);
    if (got == 0) break;
    have += got;
  }
  return have;
}

/** Reads until the header is whole, and leaves the file where tensor data begins. */
function readHeader(file: i32): void {
  const size = file == EMBEDDED ? <i64>embeddedBytes() : sizeOf(file);
  if (size < 0) failFile(IS_DIRECTORY);
  let length: i32 = 0;
  let wanted = FIRST_BYTES;
  let status = errors.NEED_MORE;
  while (status == errors.NEED_MORE) {
    const room = check(engine.headerRoom(wanted), model);
    length += readFully(file, room + length, wanted - length);
    const isEnd = length < wanted;
    if (isEnd && length == 0) check(errors.fail(errors.EMPTY_SOURCE), model);
    status = engine.open(length, isEnd ? length : size);
    wanted = min<i32>(wanted * 2, HEADER_BYTES_MAX);
  }
  check(status, model);
  // What came beyond the header is read again: planning builds the vocabulary over it.
  const start = engine.headerBytes();
  if (file == EMBEDDED) return seekEmbedded(start);
  const failed = seek(file, start);
  if (failed < 0) failFile(-failed);
}

function readData(file: i32): void {
  const staging = engine.stagingAddress();
  const room = engine.stagingBytes();
  while (engine.hasAllData() == 0) {
    const got = readPiece(file, staging, room);
    if (got == 0) break;
    check(engine.write(got), model);
  }
  check(engine.finish(), model);
}
