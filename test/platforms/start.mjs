// A task in a process of its own: the path of a model and the task come as a file, the answer goes
// to standard output. For Node, Deno and Bun alike; the package comes by its name.

import { readFileSync } from "node:fs";
import { load } from "nibble-lm";
import { answer } from "./program.mjs";

const { path, task } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const entry = import.meta.resolve("nibble-lm").split("/").pop();
const userAgent = globalThis.navigator?.userAgent; // which Node 20 lacks
console.log(JSON.stringify({ entry, userAgent, ...await answer(load, path, task) }));
