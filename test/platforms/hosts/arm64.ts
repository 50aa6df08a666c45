// Node for 64-bit ARM, as Raspberry Pis run it, by qemu: tells what comes out, not how fast. Which
// Node and which core: the Pi 3's, the Pi 4's and the Pi 5's.

import { join } from "node:path";
import { here, type Host } from "../stage";
import { processHost } from "./process";

const qemu = "/usr/bin/qemu-aarch64-static";
const libraries = "/usr/aarch64-linux-gnu";

type Core = "cortex-a53" | "cortex-a72" | "cortex-a76";

/** What runs a program there, and what must be there for it. */
export function arm64Command(
  version: 20 | 24, core: Core,
): { command: [string, ...string[]]; needed: string[] } {
  const node = join(here, `arm64/node_modules/node${version}-arm64/bin/node`);
  return {
    command: [qemu, "-cpu", core, "-L", libraries, node],
    needed: [qemu, `${libraries}/lib/libstdc++.so.6`, `${libraries}/lib/libatomic.so.1`, node],
  };
}

function arm64(version: 20 | 24, core: Core): Host {
  const { command, needed } = arm64Command(version, core);
  return {
    ...processHost(`Node ${version} on arm64 (${core})`, "index.js", command, needed),
    tokensMax: 8,
  };
}

export const pi3 = arm64(20, "cortex-a53");
export const pi4 = arm64(24, "cortex-a72");
export const pi5 = arm64(24, "cortex-a76");
