// Nibble in Cloudflare Workers with the relaxed build: faster, for runtimes that know relaxed SIMD,
// as workerd does. Loading this file does nothing.

import wasm from "./nibble-relaxed.wasm";
import { loadWith } from "./workerd";

/** Loads a model from an object of R2, a Response, a stream, bytes or a URL. */
export const load = loadWith("relaxed", wasm);

export { shareModel } from "./workerd";
export * from "../index";
