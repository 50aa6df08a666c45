// A reply that comes at once, when all of its texts have ended. Knows nothing of HTTP.

import type { Choice } from "./replies";
import type { Happening } from "./writings";

/** All texts, whole. */
export async function gather(
  count: number, first: Happening, rest: AsyncGenerator<Happening, void, undefined>,
): Promise<Choice[]> {
  const choices = Array.from({ length: count }, (): Choice => ({
    text: "", steps: [], result: undefined as never }));
  add(choices, first);
  for await (const happening of rest) add(choices, happening);
  return choices;
}

function add(choices: Choice[], { choice, text, steps, result }: Happening): void {
  const own = choices[choice] as Choice;
  own.text += text;
  own.steps.push(...steps);
  if (result) own.result = result;
}
