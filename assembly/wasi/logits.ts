// nibble logits: one hash over the logits of every position, the check that hosts agree.

import * as engine from "../index";
import { JSON, ROWS, numberOption, valueOf } from "./arguments";
import { loadModel } from "./model";
import {
  beginFailure, check, endUsage, flush, put, putBytes, putDecimal,
} from "./output";
import { checkRoom, readPrompt, tokenCount, tokenize, tokens } from "./prompt";

const ROWS_MAX: i32 = 32;

export function printLogits(): void {
  const rows = numberOption(ROWS, ROWS_MAX);
  if (rows != floor<f64>(rows) || rows < 1 || rows > ROWS_MAX) {
    beginFailure();
    put("--rows takes a whole number from 1 to 32.");
    endUsage();
  }
  loadModel();
  readPrompt();
  tokenize();
  checkRoom();
  engine.hashBegin();
  for (let at: i32 = 0; at < tokenCount; at += <i32>rows) {
    runRows(at, min<i32>(<i32>rows, tokenCount - at));
  }
  engine.hashEnd();
  const isJson = valueOf(JSON) != 0;
  if (isJson) {
    put("{\"tokens\":");
    putDecimal(tokenCount);
    put(",\"sha256\":\"");
  }
  putBytes(engine.messageAddress(), 64);
  if (isJson) {
    put("\"}\n");
  } else {
    put("  ");
    putDecimal(tokenCount);
    put(" tokens\n");
  }
  flush();
}

/** One forward pass, then the logits of each of its rows. */
function runRows(at: i32, rows: i32): void {
  for (let row: i32 = 0; row < rows; row++) {
    check(engine.push(0, load<i32>(tokens + ((<usize>(at + row)) << 2)), 0));
  }
  check(engine.run(-1));
  for (let row: i32 = 0; row < rows; row++) {
    check(engine.logitsOf(row));
    check(engine.hashLogits(0));
  }
}
