// One contestant, measured: the same steps for everybody, in Node and in a page. An adapter
// (node/, pages/) opens a model and gives two functions, each of which starts a new text:
//
//   prompt(tokens)                  reads them; logits of the last only
//   write(tokens, count, limitMs)   reads them, then writes greedily; ends early past limitMs
//     -> { tokens: ids, ms: of writing }
//
// Does not know: who the contestant is.

const WARM_TOKENS = 64;
const WARM_WRITTEN = 24;

/**
 * Token ids of letters, so that those who take only text read the same. What they say does not
 * change the work.
 */
export function lettersFrom(firstByteToken, count) {
  return Array.from({ length: count }, (_, i) => firstByteToken + 97 + ((i * 7) % 26));
}

/** Milliseconds of loading, and tokens a second of reading and writing. */
export async function measure(open, task) {
  const { firstByteToken, promptTokens, before, count, limitMs } = task;
  const letters = (number) => lettersFrom(firstByteToken, number);
  const started = performance.now();
  const contestant = await open(task);
  const loadMs = performance.now() - started;
  // Engines compile better code only for what has run for a while.
  await contestant.prompt(letters(WARM_TOKENS));
  await contestant.write(letters(before), WARM_WRITTEN, limitMs / 4);
  const prompt = await timed(() => contestant.prompt(letters(promptTokens)));
  const written = await contestant.write(letters(before), count, limitMs);
  return {
    loadMs,
    promptPerSecond: (promptTokens / (prompt.result?.ms ?? prompt.ms)) * 1000,
    decodePerSecond: (written.tokens.length / written.ms) * 1000,
    written: written.tokens.length,
    firstTokens: written.tokens.slice(0, 8),
    ...contestant.notes?.(),
  };
}

async function timed(work) {
  const started = performance.now();
  const result = await work();
  return { result, ms: performance.now() - started };
}

/** Writes through a `step(token)` that gives the next one. */
export async function writeBySteps(first, step, count, limitMs) {
  const started = performance.now();
  const tokens = [first];
  let ms = 0;
  while (tokens.length <= count && ms < limitMs) {
    tokens.push(await step(tokens.at(-1)));
    ms = performance.now() - started;
  }
  // The first token came with the prompt.
  return { tokens: tokens.slice(1), ms };
}

/** Where the largest number stands: the first of them on a tie. */
export function largest(logits) {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i] > logits[best]) best = i;
  return best;
}
