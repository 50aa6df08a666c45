// A text that a model has written, and how it ended. Knows nothing of who wrote it.

/**
 * Why a text ended: the model or a stop sequence ended it, or there was no more room for it; or it
 * was laid aside, as `pauseTokens` asked, and can be taken up.
 */
export type FinishReason = "stop" | "length" | "paused";

/** What is known once a text has ended. */
export interface GenerateResult {
  finishReason: FinishReason;
  /** Tokens of the prompt; in a conversation those that came last. */
  promptTokens: number;
  /** How many of them a session had from an earlier text, so that they were not read again. */
  reusedTokens: number;
  completionTokens: number;
  seed: number;
}

/** A text and how it ended. */
export interface Completion extends GenerateResult {
  text: string;
}

/** Pieces of a text as they are written, and then how it ended. */
export type Writing = AsyncGenerator<string, GenerateResult, undefined>;

/** All pieces of a text at once. */
export async function completionOf(pieces: Writing): Promise<Completion> {
  let text = "";
  for (;;) {
    const { done, value } = await pieces.next();
    if (done) return { text, ...value };
    text += value;
  }
}

/**
 * The same pieces without the white space that the text ends with, when the writer ended it: the
 * newline before the end of an answer belongs to the form of a chat.
 */
export async function* withoutLastSpace(pieces: Writing): Writing {
  let held = "";
  try {
    for (;;) {
      const { done, value } = await pieces.next();
      if (done) {
        if (value.finishReason !== "stop" && held) yield held;
        return value;
      }
      const text = held + value;
      const end = text.trimEnd().length;
      held = text.slice(end);
      if (end > 0) yield text.slice(0, end);
    }
  } finally {
    await pieces.return(undefined as never); // of a reader that stopped
  }
}

/**
 * A text as a stream of UTF-8 bytes. Cancelling it stops the writing, as the signal does that comes
 * from outside.
 */
export function streamOf(
  write: (signal: AbortSignal) => Writing, outside: AbortSignal | undefined,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const stop = new AbortController();
  const pieces = write(AbortSignal.any(outside ? [outside, stop.signal] : [stop.signal]));
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const next = await pieces.next();
      if (next.done) controller.close();
      else controller.enqueue(encoder.encode(next.value));
    },
    async cancel(reason) {
      // The abort reaches a text that is being written, the return one that waits for its reader.
      stop.abort(reason);
      await pieces.return(undefined as never).catch(() => undefined);
    },
  });
}
