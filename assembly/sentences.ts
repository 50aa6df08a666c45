// A failure in words: the code's name and one sentence that says what, where, which limit and what
// to do. `$s` stands for the thing, `$a` `$b` `$c` for the numbers, `$A` `$B` `$C` for the same
// without a sign, `$p` `$q` for the pairs that a and b hold (pairOf). Written here, and not in a
// host, so that a program without JavaScript says the same. Knows nothing of who reads it.

import * as errors from "./errors";
import { writeDecimal, writeLiteral } from "./text";

/** Longest name shown: more of a hostile one would only flood a terminal. */
const SUBJECT_SHOWN: i32 = 96;
/** In place of a number: it is one that no sentence can say, such as a NaN. */
export const NO_NUMBER: i64 = i64.MIN_VALUE;

/** `NAME|sentence` of a code. */
function template(code: i32): string {
  switch (code) {
    case errors.NEED_MORE: return "NEED_MORE|The header goes on beyond these bytes.";
    case errors.EMPTY_SOURCE: return "EMPTY_SOURCE|The source is empty; a GGUF file was expected.";
    case errors.NOT_GGUF: return "NOT_GGUF|This is not a GGUF file: its first four bytes are not \"GGUF\".";
    case errors.HTML_NOT_GGUF: return "HTML_NOT_GGUF|This is a web page (HTML), not a GGUF file; check the address.";
    case errors.WRONG_BYTE_ORDER: return "WRONG_BYTE_ORDER|This GGUF file is big-endian; only little-endian files are read.";
    case errors.UNSUPPORTED_VERSION: return "UNSUPPORTED_VERSION|GGUF version $a is not supported; versions 2 and 3 are.";
    case errors.HEADER_TOO_LARGE: return "HEADER_TOO_LARGE|The file's header goes beyond $a bytes, the most that is read; the file is damaged or not a language model.";
    case errors.TRUNCATED_HEADER: return "TRUNCATED_HEADER|The file ends after $a bytes, inside its $s; download or copy it again.";
    case errors.TRUNCATED_TENSOR: return "TRUNCATED_TENSOR|The file ends inside tensor \"$s\": $a of its $b bytes are there; download or copy it again.";
    case errors.TOO_MANY: return "TOO_MANY|The file claims $A $s; at most $b are read.";
    case errors.BAD_NAME: return "BAD_NAME|Entry $a of the $s has a name of $B bytes; names have 1 to $c.";
    case errors.BAD_METADATA_TYPE: return "BAD_METADATA_TYPE|Metadata key \"$s\" has value type $a, which GGUF does not define.";
    case errors.NESTED_ARRAY: return "NESTED_ARRAY|Metadata key \"$s\" is an array of arrays, which is not supported.";
    case errors.DUPLICATE_KEY: return "DUPLICATE_KEY|Metadata key \"$s\" stands in the file twice.";
    case errors.DUPLICATE_TENSOR: return "DUPLICATE_TENSOR|Tensor \"$s\" stands in the file twice.";
    case errors.BAD_ALIGNMENT: return "BAD_ALIGNMENT|general.alignment is $a; it must be a power of two from 8 to $b.";
    case errors.BAD_DIMENSIONS: return "BAD_DIMENSIONS|Tensor \"$s\" has impossible dimensions: $a of them, row length $B, one of $C.";
    case errors.UNSUPPORTED_TENSOR_TYPE: return "UNSUPPORTED_TENSOR_TYPE|Tensor \"$s\" has type $a, which is not supported; F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K and Q6_K are.";
    case errors.BAD_OFFSET: return "BAD_OFFSET|Tensor \"$s\" starts at offset $A, which is not a multiple of the alignment $b or too large.";
    case errors.TENSOR_BEYOND_END: return "TENSOR_BEYOND_END|Tensor \"$s\" ends at byte $a, but the file has only $b; download or copy it again.";
    case errors.TENSORS_OVERLAP: return "TENSORS_OVERLAP|Tensor \"$s\" begins at offset $a, inside the tensor before it.";
    case errors.MISSING_KEY: return "MISSING_KEY|The file has no metadata key \"$s\".";
    case errors.WRONG_KEY_TYPE: return "WRONG_KEY_TYPE|Metadata key \"$s\" has a value of the wrong type ($a).";
    case errors.BAD_VALUE: return "BAD_VALUE|Metadata key \"$s\" is $a; it must be from $b to $c and fit the other dimensions.";
    case errors.UNSUPPORTED_ARCHITECTURE: return "UNSUPPORTED_ARCHITECTURE|Architecture \"$s\" is not supported; \"llama\" is.";
    case errors.UNSUPPORTED_FEATURE: return "UNSUPPORTED_FEATURE|The model uses \"$s\", which is not supported.";
    case errors.MISSING_TENSOR: return "MISSING_TENSOR|The file has no tensor \"$s\".";
    case errors.UNKNOWN_TENSOR: return "UNKNOWN_TENSOR|Tensor \"$s\" has no place in this architecture; running without it would give wrong text.";
    case errors.WRONG_SHAPE: return "WRONG_SHAPE|Tensor \"$s\" does not fit the metadata: $p (row length × rows) in the file, $q expected.";
    case errors.CONTEXT_TOO_LARGE: return "CONTEXT_TOO_LARGE|A context of $a positions was asked for; the model allows 1 to $b.";
    case errors.MEMORY_LIMIT: return "MEMORY_LIMIT|The model needs $a bytes of memory, more than the limit of $b; use a smaller context or raise the limit.";
    case errors.OUT_OF_MEMORY: return "OUT_OF_MEMORY|The host did not give the $a bytes of memory that the model needs.";
    case errors.NON_FINITE_WEIGHT: return "NON_FINITE_WEIGHT|Tensor \"$s\" holds a NaN, an infinity or too large a number near element $a; the file is damaged.";
    case errors.NON_FINITE: return "NON_FINITE|The model computed a logit that is not a number at position $a; its weights are damaged.";
    case errors.BAD_VOCABULARY: return "BAD_VOCABULARY|The tokenizer is unusable: $s ($a).";
    case errors.UNSUPPORTED_TOKENIZER: return "UNSUPPORTED_TOKENIZER|Tokenizer \"$s\" is not supported; \"llama\" (SentencePiece) and \"gpt2\" (byte-level; its tokenizer.ggml.pre smollm, gpt-2, llama-bpe or default) are.";
    case errors.TEXT_TOO_LONG: return "TEXT_TOO_LONG|A stretch of more than $a bytes, the tokenizer's limit, has no place where this vocabulary could cut it; shorten it or put spaces in.";
    case errors.CONTEXT_FULL: return "CONTEXT_FULL|The context of $a positions is full; load with a larger context or shorten the text.";
    case errors.BAD_TOKEN: return "BAD_TOKEN|Token id $a is outside the vocabulary of $b.";
    case errors.BAD_SESSION: return "BAD_SESSION|Session $a does not exist; the model was loaded with $b.";
    case errors.TOO_MANY_ROWS: return "TOO_MANY_ROWS|A forward pass takes at most $a rows.";
    case errors.OUT_OF_ORDER: return "OUT_OF_ORDER|The engine was called out of order: $s.";
    case errors.BAD_POSITION: return "BAD_POSITION|Cannot rewind to position $a; the session is at $b.";
    case errors.NO_LOGITS: return "NO_LOGITS|Session $a has no logits; a forward pass that asks for them comes first.";
    case errors.SPLIT_FILE: return "SPLIT_FILE|This is one part of a model split into $a files; name the first of them by its path or address, or join them (llama-gguf-split --merge).";
    case errors.NOT_SNAPSHOT: return "NOT_SNAPSHOT|These bytes are not a saved session.";
    case errors.SNAPSHOT_MISMATCH: return "SNAPSHOT_MISMATCH|The saved session belongs to another $s: $A there, $B here; restore it where that is the same.";
    case errors.SNAPSHOT_DAMAGED: return "SNAPSHOT_DAMAGED|The saved session is damaged or cut off; nothing was restored.";
    case errors.SNAPSHOT_TOO_LONG: return "SNAPSHOT_TOO_LONG|The saved session has $a positions, more than the context of $b here; load with a larger context.";
    case errors.VOCABULARY_ONLY: return "VOCABULARY_ONLY|The file holds a vocabulary but no weights: it can only tokenize; load the whole model.";
    case errors.WRONG_PART: return "WRONG_PART|Part $a (counted from 0) of a split model was expected here, but the file's \"$s\" is $b; the parts are mixed up or of different models.";
    default: return "INTERNAL|The engine failed in an unforeseen way.";
  }
}

/** Two numbers below 2^32 in one, for `$p` and `$q`. */
export function pairOf(first: i64, second: i64): i64 {
  return (first << 32) | second;
}

function writeUnsigned(target: usize, value: u64): i32 {
  const isLong = value > <u64>i64.MAX_VALUE;
  const written = isLong ? writeDecimal(target, <i64>(value / 10)) : 0;
  return written + writeDecimal(target + written, <i64>(isLong ? value % 10 : value));
}

function writeSubject(target: usize): i32 {
  const shown = min<i32>(errors.subjectLength, SUBJECT_SHOWN);
  for (let i: i32 = 0; i < shown; i++) {
    const from = errors.subject + (errors.subjectIsLiteral ? <usize>i << 1 : <usize>i);
    const byte = load<u8>(from);
    // Control characters of a hostile name must not reach a terminal.
    store<u8>(target + i, byte < 0x20 || byte > 0x7e ? 0x3f : byte);
  }
  return shown;
}

/**
 * Writes `NAME|sentence` of a code with the details of the last failure filled in.
 * Returns the length; at most 640 bytes.
 */
export function describe(code: i32, target: usize): i32 {
  const words = template(code);
  const count = words.length;
  let written: i32 = 0;
  for (let i: i32 = 0; i < count; i++) {
    const unit = load<u16>(changetype<usize>(words) + ((<usize>i) << 1));
    if (unit != 0x24) {
      written += writeUnit(target + written, unit);
      continue;
    }
    i++;
    const which = load<u16>(changetype<usize>(words) + ((<usize>i) << 1));
    written += which == 0x73 ? writeSubject(target + written)
      : writeNumber(target + written, which);
  }
  return written;
}

/** One of the failure's numbers, in the form that its letter asks for. */
function writeNumber(target: usize, letter: u16): i32 {
  if (letter == 0x70 || letter == 0x71) {
    const pair = letter == 0x70 ? errors.numberA : errors.numberB;
    let written = writeDecimal(target, pair >> 32);
    written += writeLiteral(target + written, " x ");
    return written + writeDecimal(target + written, pair & 0xffffffff);
  }
  const which = letter | 0x20;
  const value = which == 0x61 ? errors.numberA : which == 0x62 ? errors.numberB : errors.numberC;
  if (letter != which) return writeUnsigned(target, value);
  return value == NO_NUMBER ? writeLiteral(target, "not a usable number")
    : writeDecimal(target, value);
}

/** One UTF-16 unit below 0x800 as UTF-8 (the templates hold nothing else). */
function writeUnit(target: usize, unit: u16): i32 {
  if (unit < 0x80) {
    store<u8>(target, <u8>unit);
    return 1;
  }
  store<u8>(target, 0xc0 | <u8>(unit >> 6));
  store<u8>(target, 0x80 | <u8>(unit & 0x3f), 1);
  return 2;
}
