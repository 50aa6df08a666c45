// A session's sampler, set up as the options say. Knows nothing of what is sampled.

import type { Engine } from "./engine";
import type { Settings } from "./options";

/** Gives a session the settings of the text that it writes next. Throws BAD_TOKEN. */
export function configure(engine: Engine, session: number, settings: Settings): void {
  engine.call((e) => e.configure(session, settings.temperature, settings.topK, settings.topP,
    settings.minP, settings.repeatPenalty, settings.repeatTokens));
  engine.call((e) => e.penalize(session, settings.frequencyPenalty, settings.presencePenalty));
  for (const [token, bias] of settings.logitBias) {
    engine.call((e) => e.bias(session, token, bias));
  }
}

/** Starts a session's random numbers. */
export function seed(engine: Engine, session: number, value: number): void {
  engine.call((e) => e.seed(session, value >>> 0, Math.floor(value / 2 ** 32)));
}
