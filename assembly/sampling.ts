// How each session samples: the settings, the biases and DRY's breakers, as a host gives them.
// Checks the session; knows nothing of how tokens are picked.

import { vocabulary } from "./config";
import * as errors from "./errors";
import { fail, failAbout } from "./errors";
import { SCRATCH, reserve } from "./plan";
import { SESSIONS_MAX, checkSession, sessionCount } from "./session";

/** Most tokens that one session can have a bias for; OpenAI's limit is 300. */
const BIASES_MAX: i32 = 512;

/** The settings of one session. */
// @ts-ignore: decorator
@unmanaged export class Settings {
  temperature: f32;
  topP: f32;
  minP: f32;
  penalty: f32;
  frequency: f32;
  presence: f32;
  topK: i32;
  /** How many recent tokens the penalties look back on. */
  penaltyWindow: i32;
  biasCount: i32;
  dryMultiplier: f32;
  dryBase: f32;
  dryAllowed: i32;
  /** How many recent tokens DRY looks back on. */
  dryWindow: i32;
  typical: f32;
  xtcProbability: f32;
  xtcThreshold: f32;
  /** The surprise that mirostat aims at, in bits; 0 is off. */
  tau: f32;
  eta: f32;
  /** Dynamic temperature: from `temperature` less this to as much above. */
  range: f32;
  exponent: f32;
}

const settings = memory.data(80 * 32, 8); // Settings[SESSIONS_MAX]
let breakers: usize = 0; // a bit for each token that ends DRY's matches, [sessions]
let biases: usize = 0; // (u32 token, f32 bias)[sessions][BIASES_MAX]
let mask: usize = 0; // a bit for each token that `sampleMasked` may pick

export function layoutSettings(): void {
  breakers = reserve(SCRATCH, <u64>sessionCount * <u64>bitBytes());
  biases = reserve(SCRATCH, <u64>sessionCount * BIASES_MAX * 8);
  mask = reserve(SCRATCH, <u64>bitBytes());
}

/** Where the caller writes which tokens may be picked: bit `token & 7` of byte `token >> 3`. */
export function maskAddress(): usize {
  return mask;
}

// @ts-ignore: decorator
@inline export function isAllowed(token: i32): bool {
  return (load<u8>(mask + <usize>(token >> 3)) & (1 << (token & 7))) != 0;
}

/** Of a bit for each token. */
function bitBytes(): usize {
  return (<usize>vocabulary + 7) >> 3;
}

/** Where a session's breakers are: a bit for each token, the lowest first. */
export function breakersOf(session: i32): usize {
  return breakers + <usize>session * bitBytes();
}

/** A session without any setting but that its breakers are none. */
function clearSettings(session: i32): Settings {
  const own = settingsOf(session);
  memory.fill(changetype<usize>(own), 0, offsetof<Settings>());
  memory.fill(breakersOf(session), 0, bitBytes());
  return own;
}

/** Where a session's biases are: (u32 token, f32 bias)[biasCount]. */
export function biasesOf(session: i32): usize {
  return biases + <usize>(session * BIASES_MAX) * 8;
}

/** Adds a bias to those of a session. */
function addBias(session: i32, token: i32, bias: f32): i32 {
  const own = settingsOf(session);
  if (token < 0 || token >= vocabulary) return fail(errors.BAD_TOKEN, token, vocabulary);
  if (own.biasCount == BIASES_MAX) {
    return failAbout(errors.TOO_MANY, "biases", own.biasCount + 1, BIASES_MAX);
  }
  const at = biasesOf(session) + ((<usize>own.biasCount) << 3);
  store<i32>(at, token);
  store<f32>(at, bias, 4);
  own.biasCount++;
  return errors.OK;
}

export function settingsOf(session: i32): Settings {
  return changetype<Settings>(settings + <usize>session * offsetof<Settings>());
}

/** Every session starts greedy. */
export function prepareSettings(): void {
  memory.fill(settings, 0, <usize>SESSIONS_MAX * offsetof<Settings>());
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
