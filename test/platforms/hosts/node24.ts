// Node 24, from its package.

import { join } from "node:path";
import { here } from "../stage";
import { processHost } from "./process";

export const node24 = processHost("Node 24", "index.js",
  [join(here, "node_modules/node24/bin/node")]);
