// Deno, from its package.

import { join } from "node:path";
import { here } from "../stage";
import { processHost } from "./process";

export const deno = processHost("Deno", "deno.js",
  [join(here, "node_modules/.bin/deno"), "run", "--allow-read", "--no-lock"]);
