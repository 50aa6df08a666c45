// Runtimes that are a command: each task is a process. Does not know: which commands.

import { execFile } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { STRICT, type Answer, type Host, type Stage } from "../stage";

/** A host whose binary is `command[0]`, or the first of `needed` that is not there. */
export function processHost(
  name: string, entry: string, command: [string, ...string[]], needed = [command[0]],
): Host {
  return {
    name, entry, build: STRICT,
    missing: () => needed.find((path) => !existsSync(path)),
    async start({ folder }: Stage) {
      let count = 0;
      return {
        async run(path, task) {
          const file = join(folder, `task-${name.replace(/\W/g, "-")}-${count++}.json`);
          writeFileSync(file, JSON.stringify({ path, task }));
          const [binary, ...args] = command;
          const { stdout } = await promisify(execFile)(binary, [...args, "start.mjs", file],
            { cwd: folder, maxBuffer: 1 << 28 });
          return JSON.parse(stdout) as Answer;
        },
        async stop() {},
      };
    },
  };
}
