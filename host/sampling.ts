// A session's sampler, set up as the settings say. Knows nothing of what is sampled.

import { breakerBits } from "./breakers";
import type { Engine } from "./engine";
import type { Settings } from "./settings";

/** Gives a session the settings of the text that it writes next. Throws BAD_TOKEN. */
export function configure(engine: Engine, session: number, settings: Settings): void {
  const { temperature, topK, topP, minP, repeatPenalty, repeatTokens } = settings;
  // Mirostat takes the place of these.
  const [k, p, least] = settings.mirostat === 0 ? [topK, topP, minP] : [0, 1, 0];
  engine.call((e) => (
    e.configure(session, temperature, k, p, least, repeatPenalty, repeatTokens)));
  engine.call((e) => e.penalize(session, settings.frequencyPenalty, settings.presencePenalty));
  for (const [token, bias] of settings.logitBias) {
    engine.call((e) => e.bias(session, token, bias));
  }
  refine(engine, session, settings);
  if (settings.dryMultiplier > 0) discourage(engine, session, settings);
}

/** The steps that are off by default; where mirostat is on, they are off in any case. */
function refine(engine: Engine, session: number, settings: Settings): void {
  const { typicalP, xtcProbability, xtcThreshold, dynamicTemperatureRange: range } = settings;
  if (settings.mirostat !== 0) {
    engine.call((e) => (
      e.refine(session, 0, 0, 0, settings.mirostatTau, settings.mirostatEta, 0, 0)));
  } else if (typicalP < 1 || xtcProbability > 0 || range > 0) {
    engine.call((e) => e.refine(session, typicalP < 1 ? typicalP : 0, xtcProbability, xtcThreshold,
      0, 0, range, settings.dynamicTemperatureExponent));
  }
}

/** DRY, with its breakers. */
function discourage(engine: Engine, session: number, settings: Settings): void {
  const bits = breakerBits(engine, settings.dryBreakers);
  const address = engine.call((e) => e.dry(session, settings.dryMultiplier, settings.dryBase,
    settings.dryAllowedLength, settings.dryTokens));
  engine.bytes(address, bits.length).set(bits);
}

/** Starts a session's random numbers. */
export function seed(engine: Engine, session: number, value: number): void {
  engine.call((e) => e.seed(session, value >>> 0, Math.floor(value / 2 ** 32)));
}
