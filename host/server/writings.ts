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
  // In a queue, since a race would add to every promise that waits, once for each piece of another.
  const happened: (() => Happening)[] = [];
  let wake = (): void => undefined;
  const tell = (outcome: () => Happening): void => {
    happened.push(outcome);
    wake();
  };
  const ask = (choice: number): void => {
    (writings[choice] as Writing).next().then(({ done, value }) => tell(() => {
      const own = { choice, steps: steps[choice]?.splice(0) ?? [] };
      return done ? { ...own, text: "", result: value } : { ...own, text: value };
    }), (error: unknown) => tell(() => {
      throw error;
    }));
  };
  let left = writings.length;
  try {
    for (let choice = 0; choice < writings.length; choice++) ask(choice);
    while (left > 0) {
      if (happened.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      const happening = (happened.shift() as () => Happening)();
      yield happening;
      if (happening.result) left--;
      else ask(happening.choice);
    }
  } finally {
    // A reader that stopped, or a text that failed: the others end, too.
    if (left > 0) stop(new DOMException("The other texts of this request ended.", "AbortError"));
    await Promise.allSettled(writings.map((writing) => writing.return(undefined as never)));
  }
}
