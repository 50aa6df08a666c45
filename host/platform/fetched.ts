// The engine's file fetched and compiled, and one sentence for each way in which web servers,
// bundlers and pages get in between. Knows nothing of models.

import { NibbleError } from "../errors";
import { printable, reasonOf } from "../source";

/** Throws ENGINE_MISSING. */
export async function compileFetched(address: URL): Promise<WebAssembly.Module> {
  const name = printable(address.href);
  const response = await fetch(address).catch((cause: unknown) => {
    throw missing(`${name} could not be fetched (${reasonOf(cause)}); it must lie beside the script`
      + " that loads it, where the page may fetch it", cause);
  });
  if (!response.ok) {
    await response.body?.cancel();
    throw missing(`${name} answered ${response.status}; copy nibble*.wasm of the package beside `
      + "the script that loads it");
  }
  const type = response.headers.get("content-type") ?? "";
  let bytes: ArrayBuffer | undefined;
  try {
    // Other types are refused by streaming, whatever the bytes are.
    if (/^application\/wasm$/i.test(type) && "compileStreaming" in WebAssembly) {
      return await WebAssembly.compileStreaming(response);
    }
    bytes = await response.arrayBuffer();
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    if (bytes && new Uint8Array(bytes)[0] === 0x3c) {
      throw missing(`${name} is a web page, not the engine: so the server answers where there is `
        + "no file; copy nibble*.wasm of the package beside the script that loads it, or in Vite "
        + 'set optimizeDeps: { exclude: ["nibble-lm"] }', cause);
    }
    const reason = reasonOf(cause);
    if (/content.security|\bcsp\b|unsafe-eval/i.test(reason)) {
      throw missing("The Content-Security-Policy of this page blocks WebAssembly; add "
        + "'wasm-unsafe-eval' to its script-src", cause);
    }
    throw missing(`${name} could not be compiled (${reason}); it must be that file of this `
      + "package, and the runtime must know WebAssembly SIMD", cause);
  }
}

function missing(sentence: string, cause?: unknown): NibbleError {
  return new NibbleError("ENGINE_MISSING", `${sentence}.`, { cause });
}
