// The one error class of the library. A code for programs, a sentence for people. The engine's own
// sentences are written inside the engine (assembly/sentences.ts); this file knows none of them.

/** Codes of failures that a host can meet before or around the engine. */
export type HostErrorCode =
  | "MODEL_REQUIRED"
  | "FILE_NOT_FOUND"
  | "FILE_UNREADABLE"
  | "IS_DIRECTORY"
  | "FETCH_FAILED"
  | "HTTP_STATUS"
  | "SOURCE_USED"
  | "BAD_SOURCE"
  | "BAD_SHARDS"
  | "SHARD_SIZE"
  | "SPLIT_HASH"
  | "NOT_A_CHECKPOINT"
  | "BAD_CHECKPOINT"
  | "MISSING_SHARD"
  | "MISSING_TOKENIZER"
  | "TOKENIZER_MISMATCH"
  | "OUTPUT_FOLDER_MISSING"
  | "OUTPUT_IS_INPUT"
  | "OUTPUT_UNWRITABLE"
  | "DISK_FULL"
  | "VERIFY_FAILED"
  | "CALIBRATION_EMPTY"
  | "BAD_OPTION"
  | "BAD_CHOICES"
  | "BAD_REGEX"
  | "BAD_GRAMMAR"
  | "BAD_SCHEMA"
  | "UNSUPPORTED_SCHEMA"
  | "GRAMMAR_EMPTY"
  | "GRAMMAR_TOO_COMPLEX"
  | "GRAMMAR_UNSPELLABLE"
  | "VALUE_REFUSED"
  | "TEXT_CUT"
  | "BAD_MESSAGES"
  | "NO_CHAT_TEMPLATE"
  | "BAD_CHAT_TEMPLATE"
  | "TEXT_NOT_UTF8"
  | "FILE_TOO_LARGE"
  | "SHA256_MISMATCH"
  | "NOTHING_TO_RESUME"
  | "PROMPT_TOO_LONG"
  | "EMPTY_PROMPT"
  | "SESSIONS_IN_USE"
  | "QUEUE_FULL"
  | "SESSION_CLOSED"
  | "SESSION_BUSY"
  | "MODEL_DISPOSED"
  | "WORKER_FAILED"
  | "ENGINE_MISSING"
  | "ENGINE_TRAP";

/** Codes that the engine gives (assembly/errors.ts), by name. */
export type EngineErrorCode =
  | "EMPTY_SOURCE" | "NOT_GGUF" | "HTML_NOT_GGUF" | "WRONG_BYTE_ORDER" | "UNSUPPORTED_VERSION"
  | "HEADER_TOO_LARGE" | "TRUNCATED_HEADER" | "TRUNCATED_TENSOR" | "TOO_MANY" | "BAD_NAME"
  | "BAD_METADATA_TYPE" | "NESTED_ARRAY" | "DUPLICATE_KEY" | "DUPLICATE_TENSOR"
  | "BAD_ALIGNMENT" | "BAD_DIMENSIONS" | "UNSUPPORTED_TENSOR_TYPE" | "BAD_OFFSET"
  | "TENSOR_BEYOND_END" | "TENSORS_OVERLAP" | "MISSING_KEY" | "WRONG_KEY_TYPE" | "BAD_VALUE"
  | "UNSUPPORTED_ARCHITECTURE" | "UNSUPPORTED_FEATURE" | "MISSING_TENSOR" | "UNKNOWN_TENSOR"
  | "WRONG_SHAPE" | "CONTEXT_TOO_LARGE" | "MEMORY_LIMIT" | "OUT_OF_MEMORY"
  | "NON_FINITE_WEIGHT" | "NON_FINITE" | "BAD_VOCABULARY" | "UNSUPPORTED_TOKENIZER"
  | "TEXT_TOO_LONG" | "CONTEXT_FULL" | "BAD_TOKEN" | "BAD_SESSION" | "TOO_MANY_ROWS"
  | "OUT_OF_ORDER" | "BAD_POSITION" | "NO_LOGITS" | "SPLIT_FILE" | "NOT_SNAPSHOT"
  | "SNAPSHOT_MISMATCH" | "SNAPSHOT_DAMAGED" | "SNAPSHOT_TOO_LONG" | "VOCABULARY_ONLY"
  | "WRONG_PART"
  | "INTERNAL";

export type ErrorCode = HostErrorCode | EngineErrorCode;

/** What every promise of this library rejects with, except for an abort signal's own reason. */
export class NibbleError extends Error {
  override readonly name = "NibbleError";

  constructor(
    /** Stable, for programs. */
    readonly code: ErrorCode,
    /** One sentence: what, where, which limit, what to do. */
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
