// A model's way into memory: header, plan, data, ready. Each step checks that it is its turn.
// Knows nothing of what hosts do between the steps.

import { layoutBatch } from "./batch";
import { QUANTIZED_KINDS } from "./blocks";
import { layoutCandidates } from "./candidates";
import { contextMax, isPooled, local, readConfig, trunk } from "./config";
import { layoutEmbedding } from "./embedding";
import * as errors from "./errors";
import { fail, failAbout } from "./errors";
import { prepareForward } from "./forward";
import { HEADER_BYTES_MAX, dataStart, header, headerEnd, moved, readHeader } from "./gguf";
import { identityBegin } from "./identity";
import { layoutMetadata } from "./metadata";
import { checkTensors, kinds, layoutDirectory, layoutWeights } from "./model";
import {
  CACHE, SCRATCH, beginMeasuring, beginPlacing, categoryBytes, endMeasuring, growTo, headerSpot,
  planStart, plannedBytes, reserve,
} from "./plan";
import { beginData, endData, writeData } from "./repack";
import { layoutSettings, prepareSettings } from "./sampling";
import { SESSIONS_MAX, configureSessions, layoutSessions } from "./session";
import { THREADS_MAX, startThreads } from "./threads";
import { layoutTokenizer } from "./tokenizer/index";
import { checkVocabulary, layoutVocabulary } from "./tokenizer/vocabulary";

/** Bytes of the window through which text passes, once a model is ready. */
const TEXT_BYTES: i32 = 65536;
/** Most bytes of the window through which tensor data passes; larger ones load no faster. */
const DATA_BYTES_MAX: u64 = 1 << 20;

const EMPTY: i32 = 0;
const OPENED: i32 = 1;
const PLANNED: i32 = 2;
const READY: i32 = 3;

let stage: i32 = EMPTY;
/** What the caller had all matrices converted to: PACKED_*, or -1 for nothing. */
export let convertedTo: i32 = -1;
/** The staging window: over cache and scratch while these lie idle, then a buffer for text. */
export let staging: usize = 0;
export let stagingSize: i32 = 0;
let text: usize = 0;

export function isPlanned(): bool {
  return stage >= PLANNED;
}

export function isReady(): bool {
  return stage == READY;
}

/** Makes room for a header of `bytes`; returns where it goes, or a failure. */
export function headerRoom(bytes: i32): i32 {
  if (stage != EMPTY) return failAbout(errors.OUT_OF_ORDER, "a model is open already");
  if (<u32>bytes > <u32>HEADER_BYTES_MAX) return fail(errors.HEADER_TOO_LARGE, HEADER_BYTES_MAX);
  const grown = growTo(<u64>planStart() + <u64>bytes);
  return grown < 0 ? grown : <i32>planStart();
}

/**
 * Reads the header from what has been written at `headerRoom`.
 *   length   bytes that are there
 *   source   bytes of the whole source; 0 while unknown
 */
export function openModel(length: i32, source: i64): i32 {
  if (stage != EMPTY) return failAbout(errors.OUT_OF_ORDER, "a model is open already");
  if (<u32>length > <u32>HEADER_BYTES_MAX) return fail(errors.HEADER_TOO_LARGE, HEADER_BYTES_MAX);
  let status = readHeader(planStart(), length, source);
  if (status >= 0) status = readConfig();
  if (status >= 0) status = checkTensors();
  if (status >= 0) status = checkVocabulary();
  if (status < 0) return status;
  identityBegin(header, <usize>headerEnd);
  stage = OPENED;
  return status;
}

/**
 * Finds how much memory a model takes (`plannedBytes`), without growing it.
 *   positions   of each session's context
 *   sessions    1 to 32
 *   weights     PACKED_* to convert all matrices to, or -1 for the file's own types
 *   cache       1 int8, 0 f32, -1 for what suits the model
 *   threads     that are to share the work
 *   limit       most bytes of memory, or 0
 */
export function measureModel(
  positions: i32, sessions: i32, weights: i32, cache: i32, threads: i32, limit: i64,
): i32 {
  if (stage != OPENED) return failAbout(errors.OUT_OF_ORDER, "no header has been read");
  if (positions < 1 || positions > contextMax) {
    return fail(errors.CONTEXT_TOO_LARGE, positions, contextMax);
  }
  if (sessions < 1 || sessions > SESSIONS_MAX) {
    return failAbout(errors.BAD_VALUE, "sessions", sessions, 1, SESSIONS_MAX);
  }
  if (threads < 1 || threads > THREADS_MAX) {
    return failAbout(errors.BAD_VALUE, "threads", threads, 1, THREADS_MAX);
  }
  beginMeasuring();
  const status = layout(positions, sessions, weights, cache, threads);
  return status < 0 ? status : endMeasuring(<u64>dataStart, limit);
}

/** The same, then grows the memory and lays it out. */
export function planModel(
  positions: i32, sessions: i32, weights: i32, cache: i32, threads: i32, limit: i64,
): i32 {
  let status = measureModel(positions, sessions, weights, cache, threads, limit);
  if (status >= 0) status = growTo(plannedBytes());
  if (status < 0) return status;
  const headerBytes = <usize>dataStart;
  const spot = headerSpot(headerBytes);
  memory.copy(spot, header, headerBytes);
  moved(spot);
  beginPlacing();
  status = layout(positions, sessions, weights, cache, threads);
  if (status < 0) return status;
  startThreads(threads);
  stagingSize = <i32>min<u64>(DATA_BYTES_MAX, categoryBytes(CACHE) + categoryBytes(SCRATCH));
  convertedTo = weights;
  beginData();
  stage = PLANNED;
  return errors.OK;
}

/** Everything that takes memory, in the order of its category. */
function layout(
  positions: i32, sessions: i32, weights: i32, cache: i32, threads: i32,
): i32 {
  layoutDirectory(weights);
  layoutMetadata();
  let status = layoutVocabulary();
  if (status >= 0) status = layoutWeights(weights);
  if (status < 0) return status;
  staging = reserve(CACHE, 0);
  // F32 models stay exact; heads below 32 numbers save little with int8 and lose more.
  const smallest = isPooled ? min<i32>(trunk.headSize, local.headSize) : trunk.headSize;
  const suits = (kinds & QUANTIZED_KINDS) != 0 && smallest >= 32;
  configureSessions(sessions, positions, cache < 0 ? suits : cache != 0);
  layoutSessions();
  layoutBatch(threads, kinds);
  layoutCandidates();
  layoutSettings();
  layoutEmbedding();
  layoutTokenizer();
  text = reserve(SCRATCH, TEXT_BYTES);
  return errors.OK;
}

/** Takes the next `length` bytes of tensor data from the staging window. */
export function writeModel(length: i32): i32 {
  if (stage != PLANNED) return failAbout(errors.OUT_OF_ORDER, "no memory has been planned");
  if (<u32>length > <u32>stagingSize) {
    return failAbout(errors.OUT_OF_ORDER, "more than the staging window was announced");
  }
  return writeData(staging, length);
}

/** The source has ended. OK when the model is whole. */
export function finishModel(): i32 {
  if (stage != PLANNED) return failAbout(errors.OUT_OF_ORDER, "no memory has been planned");
  const status = endData();
  if (status < 0) return status;
  staging = text;
  stagingSize = TEXT_BYTES;
  prepareForward();
  prepareSettings();
  stage = READY;
  return status;
}
