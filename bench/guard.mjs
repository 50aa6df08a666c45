// npm run bench:guard: whether the engine is still several times faster than a plain loop over the
// same number of int4 weights (assembly/plain.ts), on this machine, in these minutes. The two take
// turns, each counts by its best, and a ratio below its floor is measured again before it is
// believed; so a busy machine slows both. A build that this Node cannot run is judged under Node 24
// where one of the benches' or tests' packages has it. Ends with 1 when a floor is missed.
//
//   node bench/guard.mjs [BUILD ...]     all without any
//
// Does not know: what a token costs beyond its matrices; that counts against the engine.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { compileBench, openBench } from "./compile.mjs";
import { check, engineFile, openEngine, ROWS_MAX } from "./growth/engine.mjs";
import { waitForQuiet } from "./machine.mjs";
import { writeGguf } from "./models/gguf.mjs";
import { shapeOf } from "./models/shapes.mjs";
import { blocksOf, GROUP, tensorsOf } from "./models/tensors.mjs";
import { node24 } from "./peers/contestants.mjs";

/** A byte model of 11 million weights: nearly all of its time is spent on matrices. */
const SHAPE = shapeOf("llama-10m");
/** About half of what was measured when they were set: what a lost kernel costs is far more. */
const FLOORS = {
  strict: { write: 6, read: 9 },
  relaxed: { write: 8, read: 14 },
};
const ROUNDS = 15;
const TRIES = 4;
const QUIET_LIMIT_MS = 20_000;

const model = fileURLToPath(new URL(`../build/models/${SHAPE.name}.gguf`, import.meta.url));
mkdirSync(fileURLToPath(new URL("../build/models", import.meta.url)), { recursive: true });
writeGguf(SHAPE, model);
compileBench();
const plain = plainPass();
let isMissed = false;
const asked = process.argv.slice(2);
for (const [build, floors] of Object.entries(FLOORS)) {
  if (asked.length > 0 && !asked.includes(build)) continue;
  const file = engineFile(build);
  if (file ? !await reaches(build, file, floors) : !reachesOnNode24(build)) isMissed = true;
}
process.exit(isMissed ? 1 : 0);

/** The same in another process, of a Node that knows more; true where there is none. */
function reachesOnNode24(build) {
  if (process.execPath === node24 || !existsSync(node24)) {
    console.log(`skipped: dist/ has no ${build} engine that this Node can run`);
    return true;
  }
  console.log(`${build}, under Node 24:`);
  const program = fileURLToPath(import.meta.url);
  return spawnSync(node24, [program, build], { stdio: "inherit" }).status === 0;
}

/** Whether a build is as fast as its floors; tried again before it is denied. */
async function reaches(build, file, floors) {
  const engine = enginePasses(file);
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    await waitForQuiet(QUIET_LIMIT_MS);
    const ratios = ratiosOf(engine);
    const missed = Object.keys(floors).filter((kind) => ratios[kind] < floors[kind]);
    for (const kind of Object.keys(floors)) {
      console.log(`${build} ${kind}: ${ratios[kind].toFixed(1)} times a plain loop `
        + `(floor ${floors[kind]})${missed.includes(kind) ? "  BELOW" : ""}`);
    }
    if (missed.length === 0) return true;
  }
  return false;
}

/** How many times faster the engine is, by the best of several turns. */
function ratiosOf({ write, read }) {
  const best = { plain: Infinity, write: Infinity, read: Infinity };
  const time = (name, work, tokens = 1) => {
    const started = performance.now();
    work();
    best[name] = Math.min(best[name], (performance.now() - started) / tokens);
  };
  for (let round = 0; round < ROUNDS; round++) {
    time("plain", plain);
    time("write", write);
    time("read", read, ROWS_MAX);
  }
  return { write: best.plain / best.write, read: best.plain / best.read };
}

/** A function that runs all matrices of the shape once, one number after the other. */
function plainPass() {
  const { memory, matvecPlain } = openBench();
  const matrices = tensorsOf(SHAPE).filter(({ rows }) => rows !== undefined);
  const widest = Math.max(...matrices.flatMap(({ rows, columns }) => [rows, columns]));
  let end = memory.buffer.byteLength;
  const take = (bytes) => {
    const at = end;
    end += Math.ceil(bytes / 64) * 64;
    memory.grow(Math.ceil((end - memory.buffer.byteLength) / 65536));
    return at;
  };
  const [out, x, scales] = [take(widest * 4), take(widest), take((widest / GROUP) * 4)];
  new Int8Array(memory.buffer, x, widest).forEach((_, i, all) => {
    all[i] = (i * 37) % 255 - 127;
  });
  new Float32Array(memory.buffer, scales, widest / GROUP).fill(1 / 128);
  const placed = matrices.map((matrix) => {
    const blocks = blocksOf(matrix);
    const at = take(blocks.length);
    new Uint8Array(memory.buffer, at, blocks.length).set(blocks);
    return { ...matrix, at };
  });
  return () => {
    for (const { at, rows, columns } of placed) matvecPlain(out, x, scales, at, rows, columns);
  };
}

/** Functions that write one token and read a pass of them, always at the same positions. */
function enginePasses(file) {
  const engine = openEngine(file, model, { context: 256, sessions: 1 });
  const run = (count) => {
    check(engine, engine.rewind(0, ROWS_MAX));
    for (let i = 0; i < count; i++) {
      check(engine, engine.push(0, 97 + i % 26, i === count - 1 ? 1 : 0));
    }
    check(engine, engine.run(-1));
  };
  for (let i = 0; i < ROWS_MAX; i++) check(engine, engine.push(0, 97, 0));
  check(engine, engine.run(-1));
  return { write: () => run(1), read: () => run(ROWS_MAX) };
}
