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
  /** Ends the stream even while nobody reads it: then its texts look at no signal. */
  signal: AbortSignal;
  /** How long a reader may take nothing: some vanish without a word. */
  idleSeconds: number;
  /** Every end of a text, once. */
  onEnd(result: GenerateResult): void;
  /** The stream is over, or its reader has gone. */
  onOver(error?: unknown): void;
}

/** The events as bytes. */
export function eventStream(parts: StreamParts): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { signal, rest, idleSeconds } = parts;
  let isOver = false;
  let isPulling = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const onOver = (error?: unknown): void => {
    if (isOver) return;
    isOver = true;
    parts.onOver(error);
  };
  const chunks = chunksOf({ ...parts, onOver });
  const stop = async (reason: unknown): Promise<void> => {
    clearTimeout(timer);
    onOver(reason);
    await rest.return();
  };
  /** Ends it from outside, unless it goes on and will find out by itself. */
  const cut = (controller: Controller): void => {
    if (isPulling || isOver) return;
    controller.enqueue(eventOf(failure(signal.reason)));
    controller.close();
    void stop(signal.reason);
  };
  return new ReadableStream({
    start: (controller) => signal.addEventListener("abort", () => cut(controller)),
    async pull(controller) {
      clearTimeout(timer);
      isPulling = true;
      const { done, value } = await chunks.next();
      isPulling = false;
      if (done) return controller.close();
      controller.enqueue(eventOf(value));
      timer = setTimeout(() => {
        const reason = new Refusal(408, `Nobody read for ${idleSeconds} seconds.`);
        controller.error(reason);
        void stop(reason);
      }, idleSeconds * 1000);
      if (signal.aborted) cut(controller);
    },
    cancel: stop,
  });
}

type Controller = ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;

const eventOf = (chunk: string): Uint8Array<ArrayBuffer> => (
  new TextEncoder().encode(`data: ${chunk}\n\n`));
const failure = (error: unknown): string => JSON.stringify(refusalOf(error).body);

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
    yield failure(error);
  }
}

async function* after(
  first: Happening, rest: AsyncGenerator<Happening, void, undefined>,
): AsyncGenerator<Happening, void, undefined> {
  yield first;
  yield* rest;
}
