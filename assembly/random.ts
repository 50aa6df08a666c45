// The random numbers of sessions: PCG32 (O'Neill 2014), one stream, whose state is the session's.
// Knows nothing of what is drawn for.

import { Session, checkSession, sessionAt } from "./session";

const MULTIPLIER: u64 = 6364136223846793005;
const INCREMENT: u64 = 1442695040888963407;

/** Starts the random numbers of a session, and mirostat with them. */
export function seed(session: i32, low: u32, high: u32): i32 {
  const status = checkSession(session);
  if (status < 0) return status;
  const state = sessionAt(session);
  state.drift = 0;
  state.random = (<u64>low | (<u64>high << 32)) + INCREMENT;
  nextRandom(state);
  return status;
}

/** 32 bits. */
export function nextRandom(session: Session): u32 {
  const old = session.random;
  session.random = old * MULTIPLIER + INCREMENT;
  return rotr<u32>(<u32>(((old >> 18) ^ old) >> 27), <u32>(old >> 59));
}
