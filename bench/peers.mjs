// npm run bench:peers: Nibble beside others on the same random models, in turns, so that whatever
// else the machine does falls on all of them alike.
//
//   npm run bench:peers -- [--rounds N] [--minutes N] [--shapes A,B] [--only PATTERN]
//
// A round runs every contestant once, in a process of its own. Writes bench/results.json after each
// run, and the report (docs/PEERS.md and its charts) at the end. Packages of others are installed
// by `npm ci --prefix bench/peers`; who is not there is skipped by name.
// Does not know: how a contestant is measured (peers/measure.mjs).

import { mkdirSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { measureInChild } from "./child.mjs";
import { describeMachine } from "./machine.mjs";
import { FIRST_BYTE_TOKEN, writeGguf } from "./models/gguf.mjs";
import { shapeOf } from "./models/shapes.mjs";
import { CONTESTANTS, engineFiles, missingOf } from "./peers/contestants.mjs";
import { writeOnnx } from "./peers/onnx.mjs";
import { writeReport } from "./report/report.mjs";
import { keepResults } from "./results.mjs";
import { FAILURES_MAX, runRounds } from "./rounds.mjs";
import { spread } from "./statistics.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const models = here("../build/models");

const PROMPT_TOKENS = 512;
const BEFORE = 32;
const WRITTEN = 128;
/** A contestant that writes slower than this would hold up all others is stopped early. */
const WRITING_LIMIT_MS = 10_000;
const RUN_LIMIT_MS = 100_000;
/** Numbers of a sample that the tables have. */
const NUMBERS = ["promptPerSecond", "decodePerSecond", "loadMs", "peakBytes", "cpuSeconds"];

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    minutes: { type: "string", default: "9" },
    shapes: { type: "string", default: "smol-135m,stories-15m" },
    only: { type: "string", default: "" },
  },
});

const skipped = {};
/** Of what was sized already, since packing takes a while. */
const sizes = new Map();
const lanes = lanesOf(values.shapes.split(",").map(shapeOf), new RegExp(values.only));
await runRounds(lanes, {
  rounds: Number(values.rounds), minutes: Number(values.minutes), run: runOnce, after: report,
});
writeReport();

/** One lane for each contestant and shape; who cannot start is noted by name. */
function lanesOf(shapes, only) {
  mkdirSync(models, { recursive: true });
  const present = CONTESTANTS.filter((contestant) => {
    if (!only.test(contestant.name)) return false;
    const missing = missingOf(contestant);
    if (missing) skip(contestant, missing);
    return !missing;
  });
  return shapes.flatMap((shape) => {
    const path = (ending) => join(models, `${shape.name}.${ending}`);
    writeGguf(shape, path("gguf"));
    if (present.some(({ adapter }) => adapter === "onnxruntime")) writeOnnx(shape, path("onnx"));
    return present.map((contestant) => ({
      contestant, shape, model: path("gguf"), onnx: path("onnx"), samples: [], failures: [],
    }));
  });
}

function skip({ name, threads }, reason) {
  const title = `${name}, ${threads} ${threads === 1 ? "thread" : "threads"}`;
  if (skipped[title] === reason) return;
  skipped[title] = reason;
  console.log(`skipped: ${title}: ${reason}`);
}

async function runOnce(lane) {
  const { contestant } = lane;
  return checked(contestant, await measureInChild(contestant.node, [
    here(`peers/${contestant.home}.mjs`), contestant.adapter, JSON.stringify(taskOf(lane)),
  ], { env: contestant.env, timeoutMs: RUN_LIMIT_MS + 10_000 }));
}

/** Says what came of a run, and keeps it. */
function report({ contestant, shape, samples, failures, wasFailure }, round, noisyRuns) {
  const title = `${shape.name} ${contestant.name} ${contestant.threads}`;
  const sample = samples.at(-1);
  console.log(`${round}  ${title.padEnd(48)} ${wasFailure ? failures.at(-1)
    : `prompt ${sample.promptPerSecond.toFixed(0).padStart(6)}  `
      + `decode ${sample.decodePerSecond.toFixed(1).padStart(7)}`}`);
  if (failures.length === FAILURES_MAX && samples.length === 0) skip(contestant, failures[0]);
  keepResults("peers", part(noisyRuns));
}

function taskOf({ contestant, shape, model, onnx }) {
  const { width, heads, kvHeads } = shape.stack;
  return {
    model, onnx, threads: contestant.threads, firstByteToken: FIRST_BYTE_TOKEN,
    context: 1024, promptTokens: PROMPT_TOKENS, before: BEFORE, count: WRITTEN,
    limitMs: WRITING_LIMIT_MS, timeoutMs: RUN_LIMIT_MS,
    shape: { blocks: shape.blocks, kvHeads, headSize: width / heads },
  };
}

/** Nibble must have run the build that was asked for. */
function checked({ engine }, sample) {
  if (!engine) return sample;
  const files = engineFiles().filter((file) =>
    sample.engineBytes.includes(statSync(here(`../dist/${file}`)).size));
  if (!files.some((file) => engine.test(file))) {
    const compiled = files.join(" and ") || "no known engine";
    throw new Error(`${compiled} was compiled, not one like ${engine.source}`);
  }
  return { ...sample, engines: files };
}

/** What goes into bench/results.json. */
function part(noisyRuns) {
  const shapes = [...new Set(lanes.map(({ shape }) => shape.name))];
  return {
    machine: describeMachine(), date: new Date().toISOString().slice(0, 10),
    promptTokens: PROMPT_TOKENS, before: BEFORE, written: WRITTEN, noisyRuns, skipped,
    shapes: Object.fromEntries(shapes.map((name) => [name, lanes
      .filter((lane) => lane.shape.name === name && lane.samples.length > 0)
      .map(({ contestant, samples, failures }) => {
        const { name: title, threads, isNibble = false, isNative = false } = contestant;
        const { firstTokens: [firstToken], engines = [], version } = samples[0];
        const ships = [...contestant.ships, ...engines.map((file) => here(`../dist/${file}`))];
        if (!sizes.has(`${ships}`)) sizes.set(`${ships}`, sizeOf(ships));
        return {
          name: title, threads, isNibble, isNative, engines, version, firstToken,
          failures: failures.length, ...sizes.get(`${ships}`),
          ...Object.fromEntries(NUMBERS.map((key) =>
            [key, spread(samples.map((sample) => sample[key]))])),
        };
      })])),
  };
}

/** Bytes of files and folders, plain and (of single files, which a page fetches) packed. */
function sizeOf(paths) {
  const files = paths.flatMap(filesOf);
  const runtimeBytes = files.reduce((sum, path) => sum + statSync(path).size, 0);
  if (runtimeBytes > 32 << 20) return { runtimeBytes };
  return { runtimeBytes,
    packedBytes: files.reduce((sum, path) => sum + gzipSync(readFileSync(path)).length, 0) };
}

function filesOf(path) {
  if (!statSync(path, { throwIfNoEntry: false })) return [];
  if (statSync(path).isFile()) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
