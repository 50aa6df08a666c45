// Where the builds of the engine lie: beside the bundled script. Does not know how they are read.

import type { BuildFile } from "../builds";

// Written out as bundlers look for them, so that they copy the files and change the addresses.
const ADDRESSES: Record<BuildFile, URL> = {
  "nibble.wasm": new URL("./nibble.wasm", import.meta.url),
  "nibble-relaxed.wasm": new URL("./nibble-relaxed.wasm", import.meta.url),
  "nibble-threads.wasm": new URL("./nibble-threads.wasm", import.meta.url),
  "nibble-relaxed-threads.wasm": new URL("./nibble-relaxed-threads.wasm", import.meta.url),
};

/** The address of a build's file. */
export function addressOf(file: BuildFile): URL {
  return ADDRESSES[file];
}
