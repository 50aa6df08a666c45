// What a host may say of how a session samples. Checks the session; knows nothing of how tokens are
// picked.

import * as errors from "./errors";
import { addBias, breakersOf, clearSettings, seedSession, settingsOf } from "./sampler";
import { checkSession } from "./session";

/** Starts the random numbers of a session. */
export function seed(session: i32, low: u32, high: u32): i32 {
  const status = checkSession(session);
  if (status >= 0) seedSession(session, <u64>low | (<u64>high << 32));
  return status;
}

/** Settings of a session's sampler (sampler.ts); of those that follow, none is left. */
export function configure(
  session: i32, temperature: f32, topK: i32, topP: f32, minP: f32, penalty: f32,
  penaltyWindow: i32,
): i32 {
  const status = checkSession(session);
  if (status < 0) return status;
  const own = clearSettings(session);
  own.temperature = temperature;
  own.topK = topK;
  own.topP = topP;
  own.minP = minP;
  own.penalty = penalty;
  own.penaltyWindow = penaltyWindow;
  return errors.OK;
}

/** What recent tokens lose each time, and once. */
export function penalize(session: i32, frequency: f32, presence: f32): i32 {
  const status = checkSession(session);
  if (status < 0) return status;
  const own = settingsOf(session);
  own.frequency = frequency;
  own.presence = presence;
  return errors.OK;
}

/** Adds to the logit of a token, whenever the session samples. */
export function bias(session: i32, token: i32, value: f32): i32 {
  const status = checkSession(session);
  return status < 0 ? status : addBias(session, token, value);
}

/** The steps beyond those of `configure`; 0 for typical, XTC's probability, tau or range is off. */
export function refine(
  session: i32, typical: f32, xtcProbability: f32, xtcThreshold: f32, tau: f32, eta: f32,
  range: f32, exponent: f32,
): i32 {
  const status = checkSession(session);
  if (status < 0) return status;
  const own = settingsOf(session);
  own.typical = typical;
  own.xtcProbability = xtcProbability;
  own.xtcThreshold = xtcThreshold;
  own.tau = tau;
  own.eta = eta;
  own.range = range;
  own.exponent = exponent;
  return errors.OK;
}

/**
 * What going on with a repetition costs (dry.ts). Returns the address of the session's breakers,
 * bits by token id, for the caller to set; `configure` clears them.
 */
export function dry(session: i32, multiplier: f32, base: f32, allowed: i32, window: i32): i32 {
  const status = checkSession(session);
  if (status < 0) return status;
  const own = settingsOf(session);
  own.dryMultiplier = multiplier;
  own.dryBase = base;
  own.dryAllowed = allowed;
  own.dryWindow = window;
  return <i32>breakersOf(session);
}
