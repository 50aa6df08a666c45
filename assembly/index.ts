// The boundary: what a host may call. Integers and settings go in, integers come out, bytes pass
// through the staging window; negative results are codes of errors.ts. Decides nothing itself.

import { modelId } from "./identity";
import {
  convertedTo, finishModel, headerRoom, isPlanned, isReady, measureModel, openModel, planModel,
  staging, stagingSize, writeModel,
} from "./load";
import { dropRows, pushRow, tokenRows } from "./batch";
import { isPooled, tokenStack, vocabulary } from "./config";
import { beginEmbedding, endEmbedding } from "./embedding";
import * as errors from "./errors";
import { fail, failAbout } from "./errors";
import { forward, readOut, residualOf, rewind as rewindTo } from "./forward";
import { fact } from "./facts";
import { dataStart, entriesRead, tensorCount } from "./gguf";
import { exp, log } from "./math";
import { keptEntry } from "./metadata";
import { tensorAt } from "./model";
import {
  joinPart, joinedBytes, joinedHeader, partBytes, partPadded, partStart, roomForPart,
} from "./parts";
import { closedBefore } from "./patches";
import { categoryBytes, planStart, plannedBytes } from "./plan";
import { fileBytes, isComplete } from "./repack";
import { sampleToken } from "./sampler";
import { describe } from "./sentences";
import { checkSession, roomOf, sessionAt } from "./session";
import {
  beginRestore, beginSave, endRestore, restorePiece, savePiece,
} from "./snapshot";
import { digestBegin, digestEnd, digestUpdate } from "./sha256";
import { areSumsRight, sumBits } from "./sums";
import { endThreads, serve } from "./threads";
import * as control from "./tokenizer/control";
import * as tokenizer from "./tokenizer/index";
import { endsText } from "./tokenizer/settings";

/** Version of docs/NUMERICS.md that every output follows. */
export const NUMERICS: i32 = 2;

const message = memory.data(1024, 16);

/** The sentence of a failure, as `NAME|sentence` at `messageAddress`; returns its length. */
export function messageLength(code: i32): i32 {
  return describe(code, message);
}

export function messageAddress(): usize {
  return message;
}

// Loading, in this order: headerRoom, open (until it is not NEED_MORE), plan, write ..., finish.

export { headerRoom };

// In the builds with threads: `serve` is what every thread but the first is in until `endThreads`.

export { endThreads, serve };

/** 1 when this build's products are right on this engine. */
export function knownAnswer(): i32 {
  return areSumsRight() ? 1 : 0;
}

export { sumBits };

export function open(length: i32, sourceBytes: i64): i32 {
  return openModel(length, sourceBytes);
}

/** Bytes of the file before its tensor data. */
export function headerBytes(): i64 {
  return dataStart;
}

/** Bytes of the file to the end of its last tensor, once planned. */
export function modelBytes(): i64 {
  return isPlanned() ? fileBytes() : 0;
}

/** Only measures what `plan` would plan, for `planBytes`. */
export function measure(
  positions: i32, sessions: i32, weights: i32, cache: i32, threads: i32, memoryLimit: i64,
): i32 {
  return measureModel(positions, sessions, weights, cache, threads, memoryLimit);
}

export function plan(
  positions: i32, sessions: i32, weights: i32, cache: i32, threads: i32, memoryLimit: i64,
): i32 {
  return planModel(positions, sessions, weights, cache, threads, memoryLimit);
}

/** The staging window; it is another one once the model is ready. */
export function stagingAddress(): usize {
  return staging;
}

export function stagingBytes(): i32 {
  return stagingSize;
}

/** Takes tensor data from the staging window. */
export function write(length: i32): i32 {
  return writeModel(length);
}

/** 1 when all tensors are complete, so that the rest of a source need not be read. */
export function hasAllData(): i32 {
  return isPlanned() && isComplete() ? 1 : 0;
}

export function finish(): i32 {
  return finishModel();
}

// A model in several files: before `open`, for each of them partRoom, join (until it is not
// NEED_MORE). `open` then takes joinedHeader and joinedBytes; data is written part after part, each
// padded with zeros.

export { joinedBytes, joinedHeader, partBytes, partPadded, partStart };

export function partRoom(bytes: i32): i32 {
  return roomForPart(bytes);
}

export function join(length: i32, sourceBytes: i64): i32 {
  return joinPart(length, sourceBytes);
}

// What the model is.

export { fact };

/** Address of a kept metadata entry (metadata.ts), or a failure. */
export function metadataEntry(index: i32): i32 {
  if (!isPlanned() || index < 0 || index >= entriesRead()) {
    return failAbout(errors.OUT_OF_ORDER, "no such entry");
  }
  return <i32>changetype<usize>(keptEntry(index));
}

/** Address of a tensor's record (model.ts), in file order. */
export function tensorRecord(index: i32): i32 {
  if (!isPlanned() || index < 0 || index >= tensorCount) {
    return failAbout(errors.OUT_OF_ORDER, "no such tensor");
  }
  return <i32>changetype<usize>(tensorAt(index));
}

/** Bytes of a category of the plan (plan.ts); -1 the engine's statics, 5 the whole memory. */
export function planBytes(category: i32): i64 {
  if (category < 0) return planStart();
  return category > 4 ? <i64>plannedBytes() : <i64>categoryBytes(category);
}

// Text.

/**
 * Tokens of text in the staging window; returns how many. Flags: 1 first, 2 last, 4 special,
 * 8 trusted (tokenizer/index.ts).
 */
export function encode(length: i32, flags: i32): i32 {
  if (!isReady()) return failAbout(errors.OUT_OF_ORDER, "the model is not loaded");
  if (<u32>length > <u32>stagingSize) {
    return failAbout(errors.OUT_OF_ORDER, "more than the staging window was announced");
  }
  return tokenizer.encode(staging, length, (flags & 1) != 0, (flags & 2) != 0, (flags & 4) != 0,
    (flags & 8) != 0);
}

export function encodedBytes(): i32 {
  return tokenizer.encodedBytes();
}

export function encodedIds(): usize {
  return tokenizer.encodedIds();
}

/** A token's bytes into the staging window; returns how many. Flags: 1 first, 2 named. */
export function decode(token: i32, flags: i32): i32 {
  if (!isReady()) return failAbout(errors.OUT_OF_ORDER, "the model is not loaded");
  if (token < 0 || token >= vocabulary) return fail(errors.BAD_TOKEN, token, vocabulary);
  return tokenizer.decode(token, (flags & 1) != 0, (flags & 2) != 0, staging);
}

/** The first control token from `token` on, or `vocabulary` when there is none. */
export function nextControl(token: i32): i32 {
  if (!isReady()) return failAbout(errors.OUT_OF_ORDER, "the model is not loaded");
  return control.nextControl(token);
}

/** A token's text as the vocabulary spells it, into the staging window; returns its length. */
export function spell(token: i32): i32 {
  if (!isReady()) return failAbout(errors.OUT_OF_ORDER, "the model is not loaded");
  if (token < 0 || token >= vocabulary) return fail(errors.BAD_TOKEN, token, vocabulary);
  return control.spell(token, staging);
}

/** 1 when a generated token ends the text. */
export function endsAt(token: i32): i32 {
  return endsText(token) ? 1 : 0;
}

// Running.

/** Adds a row to the next pass; its logits are computed only if wanted. */
export function push(session: i32, token: i32, wantsLogits: i32): i32 {
  if (!isReady()) return failAbout(errors.OUT_OF_ORDER, "the model is not loaded");
  const status = checkSession(session);
  return status < 0 ? status : pushRow(session, token, wantsLogits != 0);
}

/** Takes back the rows that were pushed but not run. */
export function drop(): void {
  dropRows();
}

/** Runs the pushed rows through `depth` layers of their stack, all of them when negative. */
export function run(depth: i32): i32 {
  if (!isReady()) return failAbout(errors.OUT_OF_ORDER, "the model is not loaded");
  return forward(depth < 0 ? tokenStack.layers : min<i32>(depth, tokenStack.layers));
}

/** Logits of a row of the last pass, into its session's buffer. */
export function logitsOf(row: i32): i32 {
  if (!isReady()) return failAbout(errors.OUT_OF_ORDER, "the model is not loaded");
  return readOut(row);
}

export { keepTo } from "./forward";

/** Address of the residual stream of a row after the last pass: f32[width]. */
export function residual(row: i32): usize {
  return residualOf(row);
}

// The mean of final states, which stands for a whole text.

export { embedRow } from "./embedding";

export function embedBegin(session: i32): i32 {
  const status = checkSession(session);
  if (status >= 0) beginEmbedding(session);
  return status;
}

/** Address of the mean's direction, f32[token width] of length 1. */
export function embedEnd(session: i32): i32 {
  const status = checkSession(session);
  return status < 0 ? status : <i32>endEmbedding(session);
}

/** Address of a session's logits, f32[vocabulary], or a failure when it has none. */
export function logitsAddress(session: i32): i32 {
  const status = checkLogits(session);
  return status < 0 ? status : <i32>sessionAt(session).logits;
}

export function position(session: i32): i32 {
  const status = checkSession(session);
  return status < 0 ? status : sessionAt(session).position;
}

/** The patch that holds, or will hold, the token at a position; 0 where tokens form none. */
export function patchOf(session: i32, position: i32): i32 {
  const status = checkSession(session);
  if (status < 0) return status;
  const own = sessionAt(session);
  if (position < 0 || position > own.position) {
    return fail(errors.BAD_POSITION, position, own.position);
  }
  return isPooled ? closedBefore(own.closed, position) : 0;
}

/** Address of the tokens that are in a session's cache, u32[position]. */
export function tokensAddress(session: i32): i32 {
  const status = checkSession(session);
  return status < 0 ? status : <i32>sessionAt(session).tokens;
}

/** Tokens that a session has room for. */
export function room(session: i32): i32 {
  const status = checkSession(session);
  return status < 0 ? status : roomOf(sessionAt(session));
}

export function rewind(session: i32, position: i32): i32 {
  if (tokenRows.count > 0) return failAbout(errors.OUT_OF_ORDER, "rows wait to be run");
  const status = checkSession(session);
  return status < 0 ? status : rewindTo(session, position);
}

// Sessions as bytes (snapshot.ts), in pieces through the staging window.

export function saveBegin(session: i32): i32 {
  const status = checkSession(session);
  return status < 0 ? status : beginSave(session, NUMERICS, convertedTo);
}

/** Puts the next piece into the staging window; returns its length, 0 at the end. */
export function save(): i32 {
  return savePiece(staging, stagingSize);
}

export function restoreBegin(session: i32): i32 {
  const status = checkSession(session);
  return status < 0 ? status : beginRestore(session, NUMERICS, convertedTo);
}

/** Takes the next piece out of the staging window. */
export function restore(length: i32): i32 {
  if (<u32>length > <u32>stagingSize) {
    return failAbout(errors.OUT_OF_ORDER, "more than the staging window was announced");
  }
  return restorePiece(staging, length);
}

export function restoreEnd(): i32 {
  return endRestore();
}

/** OK when the session has logits, of whatever row of it was asked for last. */
function checkLogits(session: i32): i32 {
  const status = checkSession(session);
  if (status < 0) return status;
  return sessionAt(session).logitsPosition >= 0 ? errors.OK : fail(errors.NO_LOGITS, session);
}

export { seed } from "./random";
export { bias, configure, dry, maskAddress, penalize, refine } from "./sampling";

/** The next token of a session that has logits. */
export function sample(session: i32): i32 {
  return pick(session, false);
}

/** The same, one that the mask allows. */
export function sampleMasked(session: i32): i32 {
  return pick(session, true);
}

function pick(session: i32, isMasked: bool): i32 {
  const status = checkLogits(session);
  if (status < 0) return status;
  const own = sessionAt(session);
  // Logits of an inner row would pick a token for a place that is taken.
  if (own.logitsPosition != own.position) return fail(errors.NO_LOGITS, session);
  return sampleToken(session, isMasked);
}

/** Natural logarithm of the probability of a token, from the session's logits; 1 on failure. */
export function logProbability(session: i32, token: i32): f64 {
  if (checkLogits(session) < 0 || token < 0 || token >= vocabulary) return 1;
  const logits = sessionAt(session).logits;
  const end = logits + ((<usize>vocabulary) << 2);
  let most: f32 = -Infinity;
  for (let at = logits; at < end; at += 4) most = max<f32>(most, load<f32>(at));
  let sum: f64 = 0;
  for (let at = logits; at < end; at += 4) sum += exp(<f64>load<f32>(at) - <f64>most);
  return <f64>load<f32>(logits + ((<usize>token) << 2)) - <f64>most - log(sum);
}

/** XXH64 of the model's file (identity.ts), once it is loaded. */
export function id(): u64 {
  return modelId();
}

// SHA-256 of logits, or of a source's bytes, in the order in which they are added.

export function hashBegin(): void {
  digestBegin();
}

export function hashLogits(session: i32): i32 {
  const status = checkLogits(session);
  if (status < 0) return status;
  digestUpdate(sessionAt(session).logits, (<usize>vocabulary) << 2);
  return errors.OK;
}

/** Adds `length` bytes from `address` on. */
export function hashBytes(address: usize, length: i32): i32 {
  if (<u64>address + <u64>(<u32>length) > (<u64>memory.size() << 16)) {
    return failAbout(errors.OUT_OF_ORDER, "bytes beyond the memory");
  }
  digestUpdate(address, <usize>length);
  return errors.OK;
}

/** 64 hexadecimal digits at `messageAddress`. */
export function hashEnd(): void {
  digestEnd(message);
}
