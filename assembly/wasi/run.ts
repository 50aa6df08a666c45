// nibble run: the prompt, then its continuation, one write a token.

import * as engine from "../index";
import {
  MAX_TOKENS, MIN_P, REPEAT_PENALTY, SEED, TEMPERATURE, TOP_K, TOP_P, checkInteger, checkNumber,
  numberOption, valueOf,
} from "./arguments";
import { endCharacters, writeCharacters } from "./characters";
import { loadModel } from "./model";
import { beginText, check, endText, flush, isInText, putBytes } from "./output";
import {
  beginEmpty, checkRoom, length, readPrompt, text, tokenCount, tokenize, tokens,
} from "./prompt";
import { checkStops, isStopped, passRest, passText, shown, textSpot, wasShown } from "./stops";
import { random } from "./system";

const ROWS_MAX: i32 = 32;
/** How many recent tokens the penalty looks back on. */
const PENALTY_WINDOW: i32 = 64;
/** Whole numbers that a token count can be, and those that JavaScript counts in. */
const COUNT_MAX: f64 = 1048576;
const SEED_MAX: f64 = 9007199254740991;

let maxTokens: f64 = 0;
let temperature: f64 = 0;
let topK: f64 = 0;
let topP: f64 = 0;
let minP: f64 = 0;
let penalty: f64 = 0;
let seed: f64 = 0;

export function printRun(): void {
  readSettings();
  loadModel();
  readPrompt();
  checkSettings();
  tokenize();
  beginEmpty();
  checkRoom();
  for (let at: i32 = 0; at < tokenCount; at += ROWS_MAX) {
    runRows(at, min<i32>(ROWS_MAX, tokenCount - at));
  }
  const bits = <u64>seed;
  engine.seed(0, <u32>bits, <u32>(bits >> 32));
  engine.configure(0, <f32>temperature, <i32>topK, <f32>topP, <f32>minP, <f32>penalty,
    PENALTY_WINDOW);
  writeOn();
  showPrompt();
  endText();
}

/** The options as numbers. The defaults are those of host/options.ts. */
function readSettings(): void {
  maxTokens = numberOption(MAX_TOKENS, 256);
  temperature = numberOption(TEMPERATURE, 0.8);
  topK = numberOption(TOP_K, 40);
  topP = numberOption(TOP_P, 0.95);
  minP = numberOption(MIN_P, 0.05);
  penalty = numberOption(REPEAT_PENALTY, 1);
  seed = numberOption(SEED, valueOf(SEED) == 0 ? <f64>random() : 0);
}

function checkSettings(): void {
  checkInteger(MAX_TOKENS, maxTokens, 0, COUNT_MAX, "from 0 to 1048576");
  checkNumber(TEMPERATURE, temperature, 0, 10, "from 0 to 10");
  checkInteger(TOP_K, topK, 0, COUNT_MAX, "from 0 to 1048576");
  checkNumber(TOP_P, topP, f64.MIN_VALUE, 1, "above 0, to 1");
  checkNumber(MIN_P, minP, 0, 1, "from 0 to 1");
  checkNumber(REPEAT_PENALTY, penalty, 0.1, 10, "from 0.1 to 10");
  checkInteger(SEED, seed, 0, SEED_MAX, "from 0 to 9007199254740991");
  checkStops();
}

/** Some of the prompt's tokens; the logits of its last are needed. */
function runRows(at: i32, rows: i32): void {
  for (let row: i32 = 0; row < rows; row++) {
    const isLast = at + row == tokenCount - 1;
    check(engine.push(0, load<i32>(tokens + ((<usize>(at + row)) << 2)), isLast ? 1 : 0));
  }
  check(engine.run(-1));
}

/** Writes until the model, a stop sequence, -n or the context ends it. */
function writeOn(): void {
  let hasText = length > 0;
  let token: i32 = 0;
  for (let written: f64 = 0; written < maxTokens && !isStopped; written++) {
    if (written > 0 && !step(token)) break;
    token = check(engine.sample(0));
    if (engine.endsAt(token) != 0) break;
    const bytes = check(engine.decode(token, hasText ? 0 : 1));
    show(passText(writeCharacters(engine.stagingAddress(), bytes, textSpot())));
    hasText = true;
  }
  if (isStopped) return;
  show(passText(endCharacters(textSpot())));
  show(passRest());
}

/** Puts a token into the cache; false when there is no more room. */
function step(token: i32): bool {
  if (check(engine.room(0)) == 0) return false;
  check(engine.push(0, token, 1));
  check(engine.run(-1));
  return true;
}

/** Prints text in one write. The prompt comes with the first: a refused one prints nothing. */
function show(bytes: i32): void {
  if (bytes > 0) {
    showPrompt();
    putBytes(shown, bytes);
    flush();
  }
  wasShown(bytes);
}

function showPrompt(): void {
  if (isInText) return;
  beginText();
  putBytes(text, length);
}
