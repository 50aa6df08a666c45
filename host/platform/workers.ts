// Nibble in Cloudflare Workers (workerd): the engine is a static import, because code cannot be
// compiled there; models come from where the Worker keeps them. Loading this file does nothing.

import { NibbleError } from "../errors";
import { loadModel, type Model, type Platform } from "../model";
import type { LoadOptions } from "../options";
import type { SourceInput } from "../source";
import wasm from "./nibble.wasm";

const platform: Platform = {
  compile: async () => wasm,
  yieldNow: () => new Promise((resolve) => setTimeout(resolve, 0)),
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

export * from "../index";
