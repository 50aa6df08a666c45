// Nibble in Cloudflare Workers (workerd): the engine is a static import, because code cannot be
// compiled there; models come from where the Worker keeps them. Loading this file does nothing.

import { NibbleError } from "../errors";
import { loadModel, type Model, type Platform } from "../model";
import type { LoadOptions } from "../options";
import type { SourceInput } from "../source";
import wasm from "./nibble.wasm";

/** Milliseconds after which a request looks again for what another one does. */
const PAUSE = 5;

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

const platform: Platform = {
  compile: async () => wasm,
  yieldNow: () => pause(0),
  pause: () => pause(PAUSE),
  async openEmbedded() {
    throw new NibbleError("MODEL_REQUIRED", "A Worker has no model embedded; pass load an object "
      + "of R2 (await env.BUCKET.get(name)), a Response (await env.ASSETS.fetch(address)), a "
      + "stream or bytes.");
  },
};

/** Loads a model from an object of R2, a Response, a stream, bytes or a URL. */
export function load(input?: SourceInput, options: LoadOptions = {}): Promise<Model> {
  return loadModel(platform, input, options);
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

export * from "../index";
