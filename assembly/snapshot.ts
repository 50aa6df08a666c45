// A session as bytes, and back: in another instance, on another host, in another build. Only what
// is filled goes in, without the padding of the memory layout, so one conversation gives the same
// bytes everywhere.
//
//   |"NBLS"|u32 version|u32 NUMERICS|u32 form|u64 model id|u64 random|u32 position|u32 has logits|
//   |u32[position] tokens|
//   |trunk, then local blocks; of each layer and key head: keys and values [position][headSize];
//    of the int8 cache also key scales and value scales f32[position], first key f32[headSize]|
//   |byte-pooled models: f32[closed patches][local width] what they told, f32[local width] the sum
//    of the open patch, unless that is empty|
//   |f32[vocabulary] logits, if there are any|f64 drift, in version 2|u64 XXH64 of all before|
//
// The form says what else decides numbers: 1 for an int8 cache, and 16 times one more than the type
// that matrices were converted to while loading. Version 2 has mirostat's drift, where that is not
// 0; all other sessions are version 1, which every reader knows. Knows nothing of where snapshots
// are kept.

import { tokenRows } from "./batch";
import { Stack, isPooled, local, trunk, vocabulary } from "./config";
import * as errors from "./errors";
import { fail, failAbout } from "./errors";
import { modelId } from "./identity";
import { closedBefore, notePatch, patchStart } from "./patches";
import {
  Session, context, firstKeyOf, isInt8Cache, keyScalesOf, keysOf, sessionAt, stateBytes,
  valueScalesOf, valuesOf,
} from "./session";
import { xxh64Begin, xxh64Update, xxh64Value } from "./xxhash";

const MAGIC: u32 = 0x534c424e; // "NBLS"
const VERSION: u32 = 2;
const HEADER_BYTES: usize = 40;

const head = memory.data(40, 8); // the header
const hash = memory.data(72, 8); // XXH64 of what has passed
const trailer = memory.data(8, 8); // the hash at the end

let session: Session = changetype<Session>(0);
let isRestoring: bool = false;
/** Whether pieces are expected. */
let isOpen: bool = false;
let expectedNumerics: u32 = 0;
let expectedForm: u32 = 0;
/** Tokens in the snapshot. */
let length: i32 = 0;

// The segment under the cursor, rows of equal length some bytes apart, and how far it has gone.
let index: i32 = 0;
let address: usize = 0;
let rowBytes: usize = 0;
let rowStep: usize = 0;
let rowCount: usize = 0;
let row: usize = 0;
let offset: usize = 0;
let isTrailer: bool = false;

/** Starts to save a session; `savePiece` gives the bytes. */
export function beginSave(which: i32, numerics: u32, convertedTo: i32): i32 {
  if (tokenRows.count > 0) return failAbout(errors.OUT_OF_ORDER, "rows wait to be run");
  session = sessionAt(which);
  length = session.position;
  const hasLogits = length > 0 && session.logitsPosition == length;
  store<u32>(head, MAGIC);
  store<u32>(head, session.drift == 0 ? 1 : VERSION, 4);
  store<u32>(head, numerics, 8);
  store<u32>(head, formOf(convertedTo), 12);
  store<u64>(head, modelId(), 16);
  store<u64>(head, session.random, 24);
  store<i32>(head, length, 32);
  store<u32>(head, hasLogits ? 1 : 0, 36);
  begin(false);
  return errors.OK;
}

/** Starts to restore into a session, which stays empty until `endRestore` says OK. */
export function beginRestore(which: i32, numerics: u32, convertedTo: i32): i32 {
  if (tokenRows.count > 0) return failAbout(errors.OUT_OF_ORDER, "rows wait to be run");
  session = sessionAt(which);
  session.position = 0;
  session.logitsPosition = -1;
  session.drift = 0;
  length = 0;
  expectedNumerics = numerics;
  expectedForm = formOf(convertedTo);
  begin(true);
  return errors.OK;
}

function formOf(convertedTo: i32): u32 {
  return (isInt8Cache ? 1 : 0) | (<u32>(convertedTo + 1) << 4);
}

function begin(restoring: bool): void {
  isRestoring = restoring;
  isOpen = true;
  isTrailer = false;
  xxh64Begin(hash);
  index = 0;
  select();
}

/** The next bytes, at most `room`, into `target`; returns how many, 0 at the end. */
export function savePiece(target: usize, room: i32): i32 {
  if (!isOpen || isRestoring) return failAbout(errors.OUT_OF_ORDER, "nothing is being saved");
  return transfer(target, <usize>room);
}

/** Takes the next bytes. */
export function restorePiece(source: usize, count: i32): i32 {
  if (!isOpen || !isRestoring) return failAbout(errors.OUT_OF_ORDER, "nothing is being restored");
  const taken = transfer(source, <usize>count);
  if (taken < 0) return taken;
  return taken == count ? errors.OK : refuse(fail(errors.SNAPSHOT_DAMAGED));
}

/** Ends restoring: the session is whole, or stays empty. */
export function endRestore(): i32 {
  if (!isOpen || !isRestoring) return failAbout(errors.OUT_OF_ORDER, "nothing is being restored");
  const more = advance();
  if (more < 0) return more;
  // A drift that is no number would never come back to one.
  if (more > 0 || session.drift - session.drift != 0) {
    return refuse(fail(errors.SNAPSHOT_DAMAGED));
  }
  isOpen = false;
  session.position = length;
  session.random = load<u64>(head, 24);
  session.logitsPosition = load<u32>(head, 36) ? length : -1;
  return errors.OK;
}

function refuse(code: i32): i32 {
  isOpen = false;
  return code;
}

/** Copies up to `count` bytes between the segments and `buffer`; returns how many. */
function transfer(buffer: usize, count: usize): i32 {
  let done: usize = 0;
  while (done < count) {
    const more = advance();
    if (more < 0) return more;
    if (more == 0) break;
    const size = min<usize>(rowBytes - offset, count - done);
    const place = address + row * rowStep + offset;
    if (isRestoring) memory.copy(place, buffer + done, size);
    else memory.copy(buffer + done, place, size);
    if (!isTrailer) xxh64Update(hash, buffer + done, size);
    done += size;
    offset += size;
    if (offset == rowBytes) {
      offset = 0;
      row++;
    }
  }
  return <i32>done;
}

/** Moves on over segments that are complete: 1 at one that is not, 0 at the end, or a failure. */
function advance(): i32 {
  while (row == rowCount || rowBytes == 0) {
    if (isRestoring) {
      const status = check();
      if (status < 0) return refuse(status);
    }
    if (isTrailer) return 0;
    index++;
    select();
  }
  return 1;
}

/** Judges a segment that has come whole. */
function check(): i32 {
  if (index == 0) return checkHead();
  if (index == 1) return checkTokens();
  if (isTrailer && load<u64>(trailer) != xxh64Value(hash)) return fail(errors.SNAPSHOT_DAMAGED);
  return errors.OK;
}

function checkHead(): i32 {
  if (load<u32>(head) != MAGIC) return fail(errors.NOT_SNAPSHOT);
  if (load<u32>(head, 4) - 1 >= VERSION) {
    return failAbout(errors.SNAPSHOT_MISMATCH, "version of the format", load<u32>(head, 4),
      VERSION);
  }
  if (load<u32>(head, 8) != expectedNumerics) {
    return failAbout(errors.SNAPSHOT_MISMATCH, "version of numerics", load<u32>(head, 8),
      expectedNumerics);
  }
  if (load<u64>(head, 16) != modelId()) {
    return failAbout(errors.SNAPSHOT_MISMATCH, "model", load<u64>(head, 16), modelId());
  }
  if (load<u32>(head, 12) != expectedForm) {
    return failAbout(errors.SNAPSHOT_MISMATCH, "cache or weight type", load<u32>(head, 12),
      expectedForm);
  }
  if (load<u32>(head, 36) > 1) return fail(errors.SNAPSHOT_DAMAGED);
  length = load<i32>(head, 32);
  if (<u32>length > <u32>context) {
    const asked = length;
    length = 0;
    return fail(errors.SNAPSHOT_TOO_LONG, asked, context);
  }
  return errors.OK;
}

/** Tokens must exist; the patches that they form must find room. */
function checkTokens(): i32 {
  for (let i: i32 = 0; i < length; i++) {
    const token = load<u32>(session.tokens + ((<usize>i) << 2));
    if (token >= <u32>vocabulary) return fail(errors.SNAPSHOT_DAMAGED);
    if (isPooled) notePatch(session.closed, session.tokens, i);
  }
  if (!isPooled) return errors.OK;
  // A full cache of patches takes no further token, so no open patch can lie behind it.
  const closed = closedBefore(session.closed, length);
  const isOpenPatch = patchStart(session.closed, length) != length;
  if (closed > trunk.positions || (closed == trunk.positions && isOpenPatch)) {
    return fail(errors.SNAPSHOT_TOO_LONG, length, context);
  }
  return errors.OK;
}

/** Points at the segment with the number `index`. */
function select(): void {
  if (index == 0) return segment(head, HEADER_BYTES, HEADER_BYTES, 1);
  if (index == 1) return segment(session.tokens, 4, 4, length);
  const patches = isPooled ? closedBefore(session.closed, length) : 0;
  let number = index - 2;
  const slices = slicesOf(trunk);
  if (number < slices) return selectSlice(trunk, number, isPooled ? patches : length);
  number -= slices;
  const localSlices = isPooled ? slicesOf(local) : 0;
  if (number < localSlices) return selectSlice(local, number, length);
  selectRest(number - localSlices, patches);
}

function segment(at: usize, bytes: usize, step: usize, rows: i32): void {
  address = at;
  // Rows without gaps are one.
  rowBytes = bytes == step ? bytes * <usize>rows : bytes;
  rowCount = bytes == step ? 1 : <usize>rows;
  rowStep = step;
  row = 0;
  offset = 0;
}

/** Segments of a key head's slice: keys and values, and what the int8 cache has besides. */
function partsOfSlice(): i32 {
  return isInt8Cache ? 5 : 2;
}

function slicesOf(stack: Stack): i32 {
  return stack.layers * stack.kvHeads * partsOfSlice();
}

function selectSlice(stack: Stack, number: i32, positions: i32): void {
  const slice = number / partsOfSlice();
  const keys = keysOf(session, stack, slice / stack.kvHeads, slice % stack.kvHeads);
  const size: usize = isInt8Cache ? 1 : 4;
  const bytes = <usize>stack.headSize * size;
  const step = <usize>stack.stride * size;
  switch (number % partsOfSlice()) {
    case 0: return segment(keys, bytes, step, positions);
    case 1: return segment(valuesOf(stack, keys), bytes, step, positions);
    case 2: return segment(keyScalesOf(stack, keys), 4, 4, positions);
    case 3: return segment(valueScalesOf(stack, keys), 4, 4, positions);
    default: return segment(firstKeyOf(stack, keys), stack.firstKeyBytes, 0, min(positions, 1));
  }
}

/** What follows the caches. */
function selectRest(number: i32, patches: i32): void {
  const width = isPooled ? (<usize>local.width) << 2 : 0;
  switch (number) {
    case 0: return segment(session.patchStates, width, stateBytes, patches);
    case 1: {
      const isEmpty = !isPooled || patchStart(session.closed, length) == length;
      return segment(session.sum, width, 0, isEmpty ? 0 : 1);
    }
    case 2: return segment(session.logits, (<usize>vocabulary) << 2, 0, <i32>load<u32>(head, 36));
    case 3: {
      const at = changetype<usize>(session) + offsetof<Session>("drift");
      return segment(at, 8, 0, <i32>load<u32>(head, 4) - 1);
    }
    default:
      isTrailer = true;
      if (!isRestoring) store<u64>(trailer, xxh64Value(hash));
      segment(trailer, 8, 8, 1);
  }
}
