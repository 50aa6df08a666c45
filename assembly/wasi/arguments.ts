// Arguments of the commands: the options by number, what is left over by position. The same ones
// that the Node command has, and the same rules. Knows nothing of what the commands do.

import { growTo, planStart } from "../plan";
import { characterBytes, equals, startsWith } from "../text";
import { charactersMax, endCharacters, writeCharacters } from "./characters";
import { numberOf } from "./numbers";
import {
  beginFailure, check, endFailure, endUsage, put, putByte, putDecimal, putName,
} from "./output";
import { argumentBytes, argumentCount, readArguments } from "./system";

/** Most arguments, and most bytes of them all: longer prompts come on standard input. */
const ARGUMENTS_MAX: i32 = 256;
const BYTES_MAX: i32 = 131072; // Linux allows a single argument as many
/** Whole numbers up to here are exact, and JavaScript writes them in full. */
const WHOLE_MAX: f64 = 9007199254740992;

export const MODEL: i32 = 0;
export const CONTEXT: i32 = 1;
export const WEIGHTS: i32 = 2;
export const CACHE: i32 = 3;
export const MEMORY_LIMIT: i32 = 4;
export const THREADS: i32 = 5;
export const JSON: i32 = 6;
export const MAX_TOKENS: i32 = 7;
export const TEMPERATURE: i32 = 8;
export const TOP_K: i32 = 9;
export const TOP_P: i32 = 10;
export const MIN_P: i32 = 11;
export const REPEAT_PENALTY: i32 = 12;
export const SEED: i32 = 13;
export const STOP: i32 = 14;
export const ROWS: i32 = 15;
export const TRUSTED: i32 = 16;
const OPTIONS: i32 = 17;

/** Options of every command, and those of single ones, as bits. */
const COMMON: i32 = 0x3f;
export const RUN_OPTIONS: i32 = 0x7fc0;
export const LOGITS_OPTIONS: i32 = 0x8040;
export const TOKENIZE_OPTIONS: i32 = 0x10040;
export const SHOW_OPTIONS: i32 = 0;

export const STOPS_MAX: i32 = 16;

const texts = memory.data(131072); // u8[BYTES_MAX]: arguments as UTF-8, a zero behind each
const starts = memory.data(4 * 256, 4); // u32[ARGUMENTS_MAX]
const values = memory.data(4 * 17, 4); // u32[OPTIONS]: addresses of texts, 0 for none
const stops = memory.data(4 * 16, 4); // u32[STOPS_MAX]
/** How many --stop there are; only the first 16 are kept. */
export let stopCount: i32 = 0;
/** How many arguments there are, without the program's name. */
export let count: i32 = 0;
/** The first three texts by position, and how many there are. */
let first: usize = 0;
let second: usize = 0;
let third: usize = 0;
let positionals: i32 = 0;
/** The model's path and the prompt, or 0. */
export let model: usize = 0;
export let prompt: usize = 0;

export function lengthOf(text: usize): i32 {
  let length: i32 = 0;
  while (load<u8>(text + length) != 0) length++;
  return length;
}

export function argumentAt(index: i32): usize {
  return load<u32>(starts + ((<usize>index) << 2));
}

export function valueOf(option: i32): usize {
  return load<u32>(values + ((<usize>option) << 2));
}

export function stopAt(index: i32): usize {
  return load<u32>(stops + ((<usize>index) << 2));
}

function nameOf(option: i32): string {
  switch (option) {
    case MODEL: return "model";
    case CONTEXT: return "context";
    case WEIGHTS: return "weights";
    case CACHE: return "cache";
    case MEMORY_LIMIT: return "memory-limit";
    case THREADS: return "threads";
    case JSON: return "json";
    case MAX_TOKENS: return "max-tokens";
    case TEMPERATURE: return "temp";
    case TOP_K: return "top-k";
    case TOP_P: return "top-p";
    case MIN_P: return "min-p";
    case REPEAT_PENALTY: return "repeat-penalty";
    case SEED: return "seed";
    case STOP: return "stop";
    case TRUSTED: return "trusted";
    default: return "rows";
  }
}

/** Reads the arguments out of the machine: where a header will lie later, then as whole UTF-8. */
export function begin(): void {
  const all = argumentCount();
  const bytes = argumentBytes();
  if (all > ARGUMENTS_MAX || charactersMax(bytes) > 3 * BYTES_MAX) tooLong();
  const addresses = planStart();
  const raw = addresses + 4 * ARGUMENTS_MAX;
  check(growTo(<u64>raw + <u64>bytes));
  readArguments(addresses, raw);
  let target = texts;
  for (let i: i32 = 1; i < all; i++) {
    const source = load<u32>(addresses + ((<usize>i) << 2));
    const length = lengthOf(source);
    if (target + charactersMax(length) >= texts + BYTES_MAX) tooLong();
    store<u32>(starts + ((<usize>(i - 1)) << 2), target);
    target += writeCharacters(source, length, target);
    target += endCharacters(target);
    store<u8>(target, 0);
    target++;
  }
  count = max<i32>(0, all - 1);
}

function tooLong(): void {
  beginFailure();
  put("The arguments are too many or too long; give a long prompt on standard input.");
  endUsage();
}

/** A sentence about an argument, in quotes. */
export function refuse(before: string, text: usize, after: string): void {
  beginFailure();
  put(before);
  putByte(0x22);
  putName(text);
  putByte(0x22);
  put(after);
  endUsage();
}

function refuseOption(option: i32, words: string): void {
  beginFailure();
  put("Option '--");
  put(nameOf(option));
  put(words);
  endUsage();
}

/** Whether an argument asks for help; what follows "--" is a prompt, whatever it looks like. */
export function asksForHelp(): bool {
  for (let i: i32 = 1; i < count; i++) {
    const text = argumentAt(i);
    if (equals(text, lengthOf(text), "--")) return false;
    if (equals(text, lengthOf(text), "--help")) return true;
    if (equals(text, lengthOf(text), "-h")) return true;
  }
  return false;
}

/**
 * Sorts the arguments.
 *   from   the first that is not the command
 *   own    the command's options, as bits
 *   most   texts besides the model that it takes
 */
export function parse(from: i32, own: i32, most: i32): void {
  const known = COMMON | own;
  let areOptions = true;
  for (let i = from; i < count; i++) {
    const text = argumentAt(i);
    const isOption = areOptions && load<u8>(text) == 0x2d && load<u8>(text, 1) != 0;
    if (!isOption) addPositional(text);
    else if (equals(text, lengthOf(text), "--")) areOptions = false;
    else if (load<u8>(text, 1) == 0x2d) i += readLong(text, i, known);
    else i += readShort(text, i, known);
  }
  const threads = valueOf(THREADS);
  if (threads != 0 && !equals(threads, lengthOf(threads), "1")) {
    beginFailure();
    put("--threads takes 1: this program runs on one thread.");
    endUsage();
  }
  sortPositionals(most);
}

function addPositional(text: usize): void {
  if (positionals == 0) first = text;
  if (positionals == 1) second = text;
  if (positionals == 2) third = text;
  positionals++;
}

/** The first text is a model only if it looks like one. */
function sortPositionals(most: i32): void {
  model = valueOf(MODEL);
  const isFirst = model == 0 && first != 0 && looksLikeModel(first);
  if (isFirst) model = first;
  const rest = isFirst ? positionals - 1 : positionals;
  prompt = isFirst ? second : first;
  if (rest <= most) return;
  const beyond = most == 0 ? prompt : isFirst ? third : second;
  refuse("Too many arguments: ", beyond, "; quote a prompt of several words.");
}

function looksLikeModel(text: usize): bool {
  const length = lengthOf(text);
  return isAddress(text) || (length >= 5 && load<u8>(text + length - 5) == 0x2e
    && (load<u32>(text + length - 4) | 0x20202020) == 0x66756767);
}

/** Whether a text is an address, which only a host with a network can read. */
export function isAddress(text: usize): bool {
  const length = lengthOf(text);
  return startsWith(text, length, "http://") || startsWith(text, length, "https://");
}

/** `--name value`, `--name=value` or `--name`; returns how many more arguments that took. */
function readLong(text: usize, index: i32, known: i32): i32 {
  let length: i32 = 2;
  while (load<u8>(text + length) != 0 && load<u8>(text + length) != 0x3d) length++;
  const hasValue = load<u8>(text + length) == 0x3d;
  for (let option: i32 = 0; option < OPTIONS; option++) {
    if ((known >> option & 1) == 0 || !equals(text + 2, length - 2, nameOf(option))) continue;
    if (option == JSON || option == TRUSTED) {
      if (hasValue) refuseOption(option, "' does not take an argument");
      setValue(option, text);
      return 0;
    }
    if (!hasValue) return takeNext(option, index);
    setValue(option, text + length + 1);
    return 0;
  }
  refuse("Unknown option ", text, "");
  return 0;
}

/** `-n value` or `-nvalue`; returns how many more arguments that took. */
function readShort(text: usize, index: i32, known: i32): i32 {
  const letter = load<u8>(text, 1);
  const option = letter == 0x6d ? MODEL : letter == 0x6e ? MAX_TOKENS : -1;
  if (option < 0 || (known >> option & 1) == 0) refuse("Unknown option ", text, "");
  if (load<u8>(text, 2) == 0) return takeNext(option, index);
  setValue(option, text + 2);
  return 0;
}

function takeNext(option: i32, index: i32): i32 {
  if (index + 1 >= count) refuseOption(option, " <value>' argument missing");
  const text = argumentAt(index + 1);
  if (load<u8>(text) == 0x2d && load<u8>(text, 1) != 0) {
    refuseOption(option, "' argument is ambiguous.");
  }
  setValue(option, text);
  return 1;
}

function setValue(option: i32, text: usize): void {
  const isOnce = option != STOP && option != JSON && option != TRUSTED;
  if (isOnce && valueOf(option) != 0) refuseOption(option, "' is there twice; give it once.");
  store<u32>(values + ((<usize>option) << 2), text);
  if (option != STOP) return;
  if (stopCount < STOPS_MAX) store<u32>(stops + ((<usize>stopCount) << 2), text);
  stopCount++;
}

/** A numeric option, or what it is without; whether it is within its limits, others check. */
export function numberOption(option: i32, otherwise: f64): f64 {
  const text = valueOf(option);
  if (text == 0) return otherwise;
  const value = isBlank(text) ? NaN : numberOf(text);
  if (!isNaN(value)) return value;
  beginFailure();
  put("--");
  put(nameOf(option));
  put(" takes a number, not \"");
  putName(text);
  put("\".");
  endUsage();
  return otherwise;
}

function isBlank(text: usize): bool {
  while (load<u8>(text) == 0x20 || (load<u8>(text) >= 9 && load<u8>(text) <= 13)) text++;
  return load<u8>(text) == 0;
}

/** Refuses a number outside its limits, which the sentence spells as `limits`. */
export function checkNumber(
  option: i32, value: f64, least: f64, most: f64, limits: string,
): f64 {
  if (value >= least && value <= most) return value;
  refuseNumber(option, value);
  put("; it must be a number ");
  put(limits);
  put(".");
  endFailure("BAD_OPTION", 2);
  return value;
}

/** The same of whole numbers. */
export function checkInteger(
  option: i32, value: f64, least: f64, most: f64, limits: string,
): f64 {
  if (value == floor<f64>(value) && isFinite(value)) {
    return checkNumber(option, value, least, most, limits);
  }
  refuseNumber(option, value);
  put("; it must be a whole number.");
  endFailure("BAD_OPTION", 2);
  return value;
}

/** `--NAME is NUMBER`: whole ones in their usual form, others as they were given. */
function refuseNumber(option: i32, value: f64): void {
  beginRefusal(option);
  if (value == floor<f64>(value) && abs<f64>(value) < WHOLE_MAX) putDecimal(<i64>value);
  else putName(valueOf(option));
}

/** `--NAME is "TEXT"`. */
export function refuseText(option: i32): void {
  beginRefusal(option);
  putByte(0x22);
  putName(valueOf(option));
  putByte(0x22);
}

function beginRefusal(option: i32): void {
  beginFailure();
  put("--");
  put(nameOf(option));
  put(" is ");
}

/** JavaScript's length of a text: its UTF-16 units. */
export function unitsOf(text: usize): i32 {
  let units: i32 = 0;
  while (load<u8>(text) != 0) {
    const bytes = characterBytes(load<u8>(text));
    units += bytes == 4 ? 2 : 1;
    text += bytes;
  }
  return units;
}
