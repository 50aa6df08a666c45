// A request that is refused, in the shape that OpenAI's clients read. Knows nothing of requests.

import type { ErrorCode } from "../errors";

/** What is wrong with a request, and with which of its parameters. */
export class Refusal extends Error {
  override readonly name = "Refusal";

  constructor(
    readonly status: number, message: string, readonly param: string | null = null,
    readonly code: string | null = null,
  ) {
    super(message);
  }

  get body(): { error: object } {
    const type = this.status === 401 ? "authentication_error"
      : this.status === 429 ? "rate_limit_error"
        : this.status < 500 ? "invalid_request_error" : "server_error";
    return { error: { message: this.message, type, param: this.param, code: this.code } };
  }
}

/** The library's failures that are the server's affair and not the request's. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  SESSION_BUSY: 409, QUEUE_FULL: 429, SESSIONS_IN_USE: 429, MODEL_DISPOSED: 503,
  ENGINE_TRAP: 500, NON_FINITE: 500,
  INTERNAL: 500, OUT_OF_ORDER: 500,
};
/** Which parameter a failure of the library is about, where there can be only one. */
const PARAMETER: Partial<Record<ErrorCode, string>> = {
  NOTHING_TO_RESUME: "resume", BAD_MESSAGES: "messages", NO_CHAT_TEMPLATE: "messages",
  BAD_CHAT_TEMPLATE: "messages",
};

/** When a client may try again that found the queue full. */
const RETRY_SECONDS = 1;

export function refusalResponse({ status, body }: Refusal): Response {
  return Response.json(body, { status, headers: {
    ...(status === 429 ? { "retry-after": String(RETRY_SECONDS) } : {}),
    ...(status === 401 ? { "www-authenticate": "Bearer" } : {}),
  } });
}

/** Failures of what says the shape of an answer. */
const SHAPE_CODES: readonly ErrorCode[] = ["BAD_SCHEMA", "UNSUPPORTED_SCHEMA", "BAD_REGEX",
  "BAD_GRAMMAR", "BAD_CHOICES", "GRAMMAR_EMPTY", "GRAMMAR_TOO_COMPLEX", "GRAMMAR_UNSPELLABLE"];

/**
 * Any failure as a refusal; `param` is where the text came from, `shape` what says the shape of the
 * answer.
 */
export function refusalOf(
  error: unknown, param: string | null = null, shape: string | null = null,
): Refusal {
  if (error instanceof Refusal) return error;
  // By name: the model may come from another bundle, with a class of its own.
  const { name, code, message } = error as { name?: string; code?: ErrorCode; message?: string };
  if (name !== "NibbleError" || code === undefined) {
    return new Refusal(500, "Something went wrong in the server; its log says more.");
  }
  const status = STATUS[code] ?? 400;
  const own = code === "PROMPT_TOO_LONG" ? "context_length_exceeded" : code.toLowerCase();
  const about = SHAPE_CODES.includes(code) ? shape : PARAMETER[code] ?? param;
  return new Refusal(status, message ?? "", status === 400 ? about : null, own);
}
