// nibble show: what a model is and where its bytes lie; of the Node command's output the lines that
// no tool is needed to read: no tensors, and of the metadata the architecture.

import { KeptEntry } from "../metadata";
import * as engine from "../index";
import { equals } from "../text";
import { loadModel } from "./model";
import { flush, put, putByte, putBytes, putDecimal } from "./output";

/** Numbers for `fact`: those of host/engine.ts. */
const VOCABULARY: i32 = 0;
const CONTEXT_MAX: i32 = 1;
const CONTEXT: i32 = 2;
const LAYERS: i32 = 4;
const WIDTH: i32 = 5;
const HEADS: i32 = 6;
const KV_HEADS: i32 = 7;
const HEAD_SIZE: i32 = 8;
const FEED_FORWARD: i32 = 9;
const PARAMETERS: i32 = 10;
const INT8_CACHE: i32 = 11;
const TOKENIZER: i32 = 15;
const VERSION: i32 = 16;
const ENTRIES: i32 = 18;
const TOKEN_WIDTH: i32 = 20;
const TOKEN_LAYERS: i32 = 21;
const PATCHES: i32 = 22;

export function printShow(): void {
  loadModel();
  putFact("GGUF version ", VERSION, ", ");
  putGrouped(engine.fact(PARAMETERS));
  put(" parameters\n");
  putShape();
  putGrouped(engine.fact(VOCABULARY));
  const tokenizer = engine.fact(TOKENIZER);
  put(tokenizer == 0 ? " tokens (sentencepiece)"
    : tokenizer == 1 ? " tokens (byte)" : " tokens (byte-pair)");
  put(", context ");
  putGrouped(engine.fact(CONTEXT));
  put(" of ");
  putGrouped(engine.fact(CONTEXT_MAX));
  put(engine.fact(INT8_CACHE) != 0 ? ", int8 cache\n" : ", f32 cache\n");
  put("\nMetadata\n");
  putArchitecture();
  put("\nMemory\n");
  putMemory("engine      ", -1);
  putMemory("directory   ", 0);
  putMemory("vocabulary  ", 1);
  putMemory("weights     ", 2);
  putMemory("cache       ", 3);
  putMemory("scratch     ", 4);
  putMemory("total       ", 5);
  flush();
}

function putShape(): void {
  const isPooled = engine.fact(PATCHES) > 0;
  if (isPooled) put("global: ");
  putFact("", LAYERS, " layers, width ");
  putFact("", WIDTH, ", ");
  putFact("", HEADS, " heads (");
  putFact("", KV_HEADS, " for keys and values) of ");
  putFact("", HEAD_SIZE, ", feed-forward ");
  putFact("", FEED_FORWARD, "\n");
  if (!isPooled) return;
  putFact("local: ", TOKEN_LAYERS, " layers, width ");
  putFact("", TOKEN_WIDTH, "; at most ");
  putGrouped(engine.fact(PATCHES));
  put(" patches\n");
}

function putFact(before: string, which: i32, after: string): void {
  put(before);
  putDecimal(engine.fact(which));
  put(after);
}

/** The engine knows the architecture that it has taken, so the text is harmless. */
function putArchitecture(): void {
  const entries = <i32>engine.fact(ENTRIES);
  for (let i: i32 = 0; i < entries; i++) {
    const entry = changetype<KeptEntry>(engine.metadataEntry(i));
    if (!equals(entry.key, entry.keyLength, "general.architecture")) continue;
    put("  general.architecture = \"");
    putBytes(entry.value, entry.valueLength);
    put("\"\n");
  }
}

function putMemory(name: string, category: i32): void {
  const bytes = engine.planBytes(category);
  put("  ");
  put(name);
  for (let width = groupedLength(bytes); width < 14; width++) putByte(0x20);
  putGrouped(bytes);
  put(" bytes\n");
}

/** A whole number with a comma before every three digits. */
function putGrouped(value: i64): void {
  let group: i64 = 1;
  while (group <= value / 1000) group *= 1000;
  putDecimal(value / group);
  while (group > 1) {
    group /= 1000;
    const three = value / group % 1000;
    putByte(0x2c);
    putByte(0x30 + <u8>(three / 100));
    putByte(0x30 + <u8>(three / 10 % 10));
    putByte(0x30 + <u8>(three % 10));
  }
}

/** Characters of the same. */
function groupedLength(value: i64): i32 {
  let digits: i32 = 1;
  while (value >= 10) {
    value /= 10;
    digits++;
  }
  return digits + (digits - 1) / 3;
}
