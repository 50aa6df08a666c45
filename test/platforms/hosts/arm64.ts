// Node for 64-bit ARM, as Raspberry Pis run it, by qemu: tells what comes out, not how fast. Which
// Node and which core: the Pi 3's, the Pi 4's and the Pi 5's.

import { join } from "node:path";
import { here, type Host } from "../stage";
import { processHost } from "./process";

const qemu = "/usr/bin/qemu-aarch64-static";
const libraries = "/usr/aarch64-linux-gnu";

function arm64(version: 20 | 24, core: string): Host {
  const node = join(here, `arm64/node_modules/node${version}-arm64/bin/node`);
  return {
    ...processHost(`Node ${version} on arm64 (${core})`, "index.js",
      [qemu, "-cpu", core, "-L", libraries, node],
      [qemu, `${libraries}/lib/libstdc++.so.6`, `${libraries}/lib/libatomic.so.1`, node]),
    tokensMax: 8,
  };
}

export const pi3 = arm64(20, "cortex-a53");
export const pi4 = arm64(24, "cortex-a72");
export const pi5 = arm64(24, "cortex-a76");
