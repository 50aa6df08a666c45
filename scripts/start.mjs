// npm start: builds once if need be, then runs the command line with what follows "--".

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
if (!existsSync(path("dist/nibble.js"))) {
  const built = spawnSync(process.execPath, [path("scripts/build.mjs")], { stdio: "inherit" });
  if (built.status !== 0) process.exit(built.status ?? 1);
}
// Ctrl-C reaches the child too; it decides when to end.
process.on("SIGINT", () => {});
const { status } = spawnSync(process.execPath,
  [path("dist/nibble.js"), "run", ...process.argv.slice(2)], { stdio: "inherit" });
process.exit(status ?? 1);
