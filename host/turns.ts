// Turns for others between two steps of work, but not more often than anybody would notice: a turn
// costs some microseconds, in some hosts a millisecond, and a small model's token little more.
// Knows nothing of what the work is.

/** Most steps without a turn: in Workers clocks stand still, so time alone would give none. */
const STEPS_MAX = 32;
/** Most milliseconds without a turn: half the time between two pictures on a screen. */
const MILLISECONDS_MAX = 8;

/** A function to be awaited after each step; `turn` gives everybody else a turn. */
export function turnTaking(turn: () => Promise<void>): () => Promise<void> {
  let steps = 0;
  let last = performance.now();
  return async () => {
    steps++;
    if (steps < STEPS_MAX && performance.now() - last < MILLISECONDS_MAX) return;
    await turn();
    steps = 0;
    last = performance.now();
  };
}
