// What can go wrong, numbered once. Functions return a negative code; the thing it is about and the
// numbers that explain it are kept here until the next failure. The words are in sentences.ts.
// A number, once given, keeps its meaning.

export const OK: i32 = 0;
/** Not a failure: the header goes on beyond the bytes given so far. */
export const NEED_MORE: i32 = -1;

export const EMPTY_SOURCE: i32 = -2;
export const NOT_GGUF: i32 = -3;
export const HTML_NOT_GGUF: i32 = -4;
export const WRONG_BYTE_ORDER: i32 = -5;
export const UNSUPPORTED_VERSION: i32 = -6;
export const HEADER_TOO_LARGE: i32 = -7;
export const TRUNCATED_HEADER: i32 = -8;
export const TRUNCATED_TENSOR: i32 = -9;
export const TOO_MANY: i32 = -10;
export const BAD_NAME: i32 = -11;
export const BAD_METADATA_TYPE: i32 = -12;
export const NESTED_ARRAY: i32 = -13;
export const DUPLICATE_KEY: i32 = -14;
export const DUPLICATE_TENSOR: i32 = -15;
export const BAD_ALIGNMENT: i32 = -16;
export const BAD_DIMENSIONS: i32 = -17;
export const UNSUPPORTED_TENSOR_TYPE: i32 = -18;
export const BAD_OFFSET: i32 = -19;
export const TENSOR_BEYOND_END: i32 = -20;
export const TENSORS_OVERLAP: i32 = -21;
export const MISSING_KEY: i32 = -22;
export const WRONG_KEY_TYPE: i32 = -23;
export const BAD_VALUE: i32 = -24;
export const UNSUPPORTED_ARCHITECTURE: i32 = -25;
export const UNSUPPORTED_FEATURE: i32 = -26;
export const MISSING_TENSOR: i32 = -27;
export const UNKNOWN_TENSOR: i32 = -28;
export const WRONG_SHAPE: i32 = -29;
export const CONTEXT_TOO_LARGE: i32 = -30;
export const MEMORY_LIMIT: i32 = -31;
export const OUT_OF_MEMORY: i32 = -32;
export const NON_FINITE_WEIGHT: i32 = -33;
export const NON_FINITE: i32 = -34;
export const BAD_VOCABULARY: i32 = -35;
export const UNSUPPORTED_TOKENIZER: i32 = -36;
export const TEXT_TOO_LONG: i32 = -37;
export const CONTEXT_FULL: i32 = -38;
export const BAD_TOKEN: i32 = -39;
export const BAD_SESSION: i32 = -40;
export const TOO_MANY_ROWS: i32 = -41;
export const OUT_OF_ORDER: i32 = -42;
export const BAD_POSITION: i32 = -43;
export const NO_LOGITS: i32 = -44;
export const SPLIT_FILE: i32 = -45;
export const NOT_SNAPSHOT: i32 = -46;
export const SNAPSHOT_MISMATCH: i32 = -47;
export const SNAPSHOT_DAMAGED: i32 = -48;
export const SNAPSHOT_TOO_LONG: i32 = -49;
export const VOCABULARY_ONLY: i32 = -50;
export const WRONG_PART: i32 = -51;
/** The last code, for tests that walk them all. */
export const LAST_CODE: i32 = -51;

/** What the last failure is about: bytes, or a literal when `subjectIsLiteral`. */
export let subject: usize = 0;
export let subjectLength: i32 = 0;
export let subjectIsLiteral: bool = false;
/** The numbers of the last failure; sentences.ts says what each means. */
export let numberA: i64 = 0;
export let numberB: i64 = 0;
export let numberC: i64 = 0;

/** Records a failure that needs no name. */
export function fail(code: i32, a: i64 = 0, b: i64 = 0, c: i64 = 0): i32 {
  subjectLength = 0;
  numberA = a;
  numberB = b;
  numberC = c;
  return code;
}

/** Records a failure about the thing that a file calls by these bytes. */
export function failNamed(
  code: i32, name: usize, length: i32, a: i64 = 0, b: i64 = 0, c: i64 = 0,
): i32 {
  fail(code, a, b, c);
  subject = name;
  subjectLength = length;
  subjectIsLiteral = false;
  return code;
}

/** Records a failure about something that only the engine has a name for. */
export function failAbout(code: i32, what: string, a: i64 = 0, b: i64 = 0, c: i64 = 0): i32 {
  fail(code, a, b, c);
  subject = changetype<usize>(what);
  subjectLength = what.length;
  subjectIsLiteral = true;
  return code;
}
