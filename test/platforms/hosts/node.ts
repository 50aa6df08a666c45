// Node as it is on this machine.

import { processHost } from "./process";

export const node = processHost(`Node ${process.versions.node}`, "index.js", [process.execPath]);
