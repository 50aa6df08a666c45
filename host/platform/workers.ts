// Nibble in Cloudflare Workers: the engine is a static import. Loading this file does nothing.

import wasm from "./nibble.wasm";
import { loadWith } from "./workerd";

/** Loads a model from an object of R2, a Response, a stream, bytes or a URL. */
export const load = loadWith("strict", wasm);

export { shareModel } from "./workerd";
export * from "../index";
