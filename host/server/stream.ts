// A reply that comes as it is written: server-sent events, in the order that OpenAI's clients
// expect. Knows nothing of HTTP.

import type { GenerateResult } from "../completion";
import { Refusal, refusalOf } from "./refusal";
import type { Form } from "./replies";
import type { Happening } from "./writings";

/** What a stream is made of. */
export interface StreamParts {
  form: Form;
  choices: number;
  /** The first has been waited for, since a status can only be told before it. */
  first: Happening;
  rest: AsyncGenerator<Happening, void, undefined>;
  includesUsage: boolean;
  /** How long a reader may take nothing: some vanish without a word. */
  idleSeconds: number;
  /** Every end of a text, once. */
  onEnd(result: GenerateResult): void;
  /** The stream is over, or its reader has gone. */
  onOver(error?: unknown): void;
}

/** The events as bytes. */
export function eventStream(parts: StreamParts): ReadableStream<Uint8Array<ArrayBuffer>> {
  const chunks = chunksOf(parts);
  const encoder = new TextEncoder();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = async (reason: unknown): Promise<void> => {
    clearTimeout(timer);
    parts.onOver(reason);
    await parts.rest.return();
  };
  return new ReadableStream({
    async pull(controller) {
      clearTimeout(timer);
      const { done, value } = await chunks.next();
      if (done) return controller.close();
      controller.enqueue(encoder.encode(`data: ${value}\n\n`));
      timer = setTimeout(() => {
        const reason = new Refusal(408, `Nobody read for ${parts.idleSeconds} seconds.`);
        controller.error(reason);
        void stop(reason);
      }, parts.idleSeconds * 1000);
    },
    cancel: stop,
  });
}

/**
 * What each choice begins with; pieces of whole characters; how each ended; usage where it was
 * asked for; [DONE]. A failure on the way is told in an event of its own, and ends the stream.
 */
async function* chunksOf(parts: StreamParts): AsyncGenerator<string, void, undefined> {
  const { form, choices, first, rest } = parts;
  const results: GenerateResult[] = [];
  try {
    for (let choice = 0; choice < choices; choice++) {
      const chunk = form.first(choice);
      if (chunk) yield JSON.stringify(chunk);
    }
    for await (const { choice, text, steps, result } of after(first, rest)) {
      if (result) {
        results[choice] = result;
        parts.onEnd(result);
        yield JSON.stringify(form.end(choice, steps, result));
      } else {
        yield JSON.stringify(form.piece(choice, text, steps));
      }
    }
    if (parts.includesUsage) yield JSON.stringify(form.usage(results));
    yield "[DONE]";
    parts.onOver();
  } catch (error) {
    parts.onOver(error);
    yield JSON.stringify(refusalOf(error).body);
  }
}

async function* after(
  first: Happening, rest: AsyncGenerator<Happening, void, undefined>,
): AsyncGenerator<Happening, void, undefined> {
  yield first;
  yield* rest;
}
