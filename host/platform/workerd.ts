// What Cloudflare Workers (workerd) bring, whichever build of the engine an entry has imported:
// code cannot be compiled there. Models come from where the Worker keeps them.

import { NibbleError } from "../errors";
import type { Model, Platform } from "../model";
import { loadModel } from "../open";
import type { LoadOptions, Simd } from "../options";
import type { SourceInput } from "../source";

/** Milliseconds after which a request looks again for what another one does. */
const PAUSE = 5;

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** `load` with the one build that an entry has. */
export function loadWith(
  simd: Simd, wasm: WebAssembly.Module,
): (input?: SourceInput, options?: LoadOptions) => Promise<Model> {
  const platform: Platform = {
    compile: (build) => (build.simd === simd && !build.threads ? Promise.resolve(wasm)
      : undefined),
    yieldNow: () => pause(0),
    pause: () => pause(PAUSE),
    async openEmbedded() {
      throw new NibbleError("MODEL_REQUIRED", "A Worker has no model embedded; pass load an object"
        + " of R2 (await env.BUCKET.get(name)), a Response (await env.ASSETS.fetch(address)), a "
        + "stream or bytes.");
    },
  };
  return (input, options = {}) => loadModel(platform, input, options);
}

/**
 * One model for all requests of an isolate: loaded by the first, which `waitUntil` keeps alive when
 * its client goes, and loaded anew by the next when that failed. Give it `env` and `ctx` of a
 * request.
 */
export function shareModel<Env>(
  loadIt: (env: Env) => Promise<Model>,
): (env: Env, ctx: { waitUntil(work: Promise<unknown>): void }) => Promise<Model> {
  let model: Model | undefined;
  let isLoading = false;
  return async (env, ctx) => {
    while (!model) {
      if (isLoading) {
        await pause(PAUSE);
        continue;
      }
      isLoading = true;
      const work = loadIt(env).finally(() => {
        isLoading = false;
      });
      ctx.waitUntil(work.catch(() => undefined));
      model = await work;
    }
    return model;
  };
}
