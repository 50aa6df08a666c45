// Bun, from its package.

import { join } from "node:path";
import { here } from "../stage";
import { processHost } from "./process";

export const bun = processHost("Bun", "bun.js", [join(here, "node_modules/.bin/bun")]);
