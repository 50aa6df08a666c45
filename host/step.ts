// A token that was just picked, and what else it might have been. Knows nothing of how it was
// picked or what becomes of it.

import type { Engine } from "./engine";
import type { LikelyToken, TokenStep } from "./options";

/** The step of a session whose logits gave `token`, which is not in the cache yet. */
export function stepOf(
  engine: Engine, session: number, token: number, bytes: Uint8Array, count: number,
): TokenStep {
  const position = engine.call((e) => e.position(session));
  const isPooled = engine.fact("patches") > 0;
  return {
    token, bytes, position,
    logProbability: engine.exports.logProbability(session, token),
    ...(isPooled ? { patch: engine.call((e) => e.patchOf(session, position)) } : {}),
    likeliest: count > 0 ? likeliestOf(engine, session, count) : [],
  };
}

/**
 * The step of a token that the form of the text forced, `ahead` of the cache's end. Nothing was
 * picked: under the form it was certain, and the logits of its place are not computed.
 */
export function forcedStep(
  engine: Engine, session: number, token: number, bytes: Uint8Array, ahead: number,
): TokenStep {
  const position = engine.call((e) => e.position(session)) + ahead;
  return { token, bytes, position, isForced: true, logProbability: 0, likeliest: [] };
}

function likeliestOf(
  engine: Engine, session: number, count: number,
): LikelyToken[] {
  const address = engine.call((e) => e.logitsAddress(session));
  const bytes = engine.bytes(address, engine.fact("vocabulary") * 4);
  const logits = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const best: number[] = []; // ids, by descending logit
  logits.forEach((logit, token) => {
    if (best.length === count && logit <= (logits[best[count - 1] as number] as number)) return;
    let at = best.length;
    while (at > 0 && logit > (logits[best[at - 1] as number] as number)) at--;
    best.splice(at, 0, token);
    if (best.length > count) best.pop();
  });
  return best.map((token) => ({
    token, logProbability: engine.exports.logProbability(session, token),
  }));
}
