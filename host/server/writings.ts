// Several texts of one request, written at the same time and told of as they come. Knows nothing of
// what a reply looks like.

import type { GenerateResult, Writing } from "../completion";
import type { TokenStep } from "../options";

/** Begins a text; `onToken` is to be told of its tokens. */
export type Begin = (onToken: (step: TokenStep) => void) => Writing;

/** A piece of a text, or, with a result, its end; and the tokens that came with it. */
export interface Happening {
  choice: number;
  text: string;
  steps: TokenStep[];
  result?: GenerateResult;
}

/** Everything that happens, until all texts have ended. `stop` ends them when one has failed. */
export async function* happenings(
  begins: readonly Begin[], stop: (reason: unknown) => void,
): AsyncGenerator<Happening, void, undefined> {
  const steps: TokenStep[][] = begins.map(() => []);
  const writings = begins.map((begin, choice) => begin((step) => steps[choice]?.push(step)));
  const next = async (choice: number): Promise<Happening> => {
    const { done, value } = await (writings[choice] as Writing).next();
    const own = steps[choice]?.splice(0) ?? [];
    return done ? { choice, text: "", steps: own, result: value }
      : { choice, text: value, steps: own };
  };
  const coming = new Map(writings.map((_, choice) => [choice, next(choice)]));
  let isOver = false;
  try {
    while (coming.size > 0) {
      const happening = await Promise.race(coming.values());
      coming.delete(happening.choice);
      yield happening;
      if (!happening.result) coming.set(happening.choice, next(happening.choice));
    }
    isOver = true;
  } finally {
    // A reader that stopped, or a text that failed: the others end, too.
    if (!isOver) stop(new DOMException("The other texts of this request ended.", "AbortError"));
    await Promise.allSettled(writings.map((writing) => writing.return(undefined as never)));
  }
}
