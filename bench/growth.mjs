// npm run bench:growth: how the engine's speed goes with context, sessions in one pass, threads and
// size, what a token costs in time and energy, and how near that is to what the memory allows.
//
//   npm run bench:growth -- [--rounds N] [--minutes N]
//
// NIBBLE_SIMD chooses the build, strict unless told. Writes bench/results.json after each run, and
// the report at the end.
// Does not know: how anything is measured (growth/process.mjs).

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { measureInChild } from "./child.mjs";
import { compileBench } from "./compile.mjs";
import { cacheOf, weightsOf } from "./growth/cost.mjs";
import { engineFile } from "./growth/engine.mjs";
import { describeMachine } from "./machine.mjs";
import { FIRST_BYTE_TOKEN, writeGguf } from "./models/gguf.mjs";
import { shapeOf } from "./models/shapes.mjs";
import { writeReport } from "./report/report.mjs";
import { keepResults } from "./results.mjs";
import { runRounds } from "./rounds.mjs";
import { fit, median, relativeError } from "./statistics.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const models = here("../build/models");

const SIZES = ["bytepool-10m", "llama-10m", "stories-15m", "bytepool-50m", "bytepool-100m",
  "smol-135m", "smol-360m"];
const POSITIONS = [128, 512, 1024, 2048, 4096, 8192];
const SESSIONS = [1, 2, 4, 8, 16];
const RUN_LIMIT_MS = 240_000;
/** The long ones come last, so that a round that is cut short has most. */
const LANES = [
  ...SIZES.map((shape) => ({ kind: "size", shape })),
  ...SIZES.map((shape) => ({ kind: "read", shape })),
  ...["bytepool-10m", "smol-135m"].flatMap((shape) => [
    { kind: "threads", shape, threads: 1 }, { kind: "threads", shape, threads: 2 },
    { kind: "batch", shape, sessions: SESSIONS }]),
  ...["bytepool-10m", "stories-15m", "smol-135m"].map((shape) =>
    ({ kind: "context", shape, positions: POSITIONS })),
];

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    minutes: { type: "string", default: "14" },
  },
});
const build = process.env.NIBBLE_SIMD ?? "strict";
const file = engineFile(build);
if (!file) {
  console.error(`dist/ has no ${build} engine that this Node can run; \`npm run build\` makes it.`);
  process.exit(1);
}
compileBench();
mkdirSync(models, { recursive: true });
const lanes = LANES.map((lane) => ({ ...lane, samples: [], failures: [] }));
await runRounds(lanes, {
  rounds: Number(values.rounds), minutes: Number(values.minutes),
  run: (lane) => measureInChild(process.execPath,
    [here("growth/process.mjs"), JSON.stringify(taskOf(lane))], { timeoutMs: RUN_LIMIT_MS }),
  after(lane, round, noisyRuns) {
    keepResults("growth", part(noisyRuns));
    console.log(`${round}  ${lane.kind.padEnd(8)} ${lane.shape.padEnd(14)} `
      + `${lane.threads ?? ""} ${(lane.lastMs / 1000).toFixed(1)} s `
      + `${lane.failures.at(-1) ?? ""}`);
  },
});
writeReport();

function taskOf({ samples, failures, lastMs, ...lane }) {
  const shape = shapeOf(lane.shape);
  const model = join(models, `${shape.name}.gguf`);
  writeGguf(shape, model);
  return { ...lane, file, model, tokenBytes: shape.tokenBytes, bytes: weightsOf(shape) * 1e6,
    // A vocabulary of bytes begins with them.
    firstByteToken: shape.tokenBytes === 1 ? 0 : FIRST_BYTE_TOKEN };
}

/** The lanes of a kind that have samples, with medians of every number. */
function medians(kind) {
  return lanes.filter((lane) => lane.kind === kind && lane.samples.length > 0)
    .map(({ shape, samples }) => ({ shape, ...mergeSamples(samples) }));
}

/** Numbers become their medians, lists of points are merged point by point. */
function mergeSamples(samples) {
  return Object.fromEntries(Object.entries(samples[0]).map(([key, value]) => [key,
    Array.isArray(value)
      ? value.map((_, i) => mergeSamples(samples.map((sample) => sample[key][i]).filter(Boolean)))
      : median(samples.map((sample) => sample[key]))]));
}

/** What goes into bench/results.json. */
function part(noisyRuns) {
  const reads = new Map(medians("read").map((read) => [read.shape, read.gigabytesPerSecond]));
  const sizes = medians("size").map((size) => sizeRow(size, reads.get(size.shape)));
  const contexts = medians("context");
  return {
    machine: describeMachine(), date: new Date().toISOString().slice(0, 10),
    build, engine: file, node: process.version, noisyRuns,
    rounds: Math.max(...lanes.map(({ samples }) => samples.length)),
    sizes, contexts, batches: medians("batch"), threads: medians("threads"),
    skipped: lanes.filter(({ samples, failures }) => failures.length > 0 && samples.length === 0)
      .map(({ kind, shape, threads, failures }) => ({ kind, shape, threads, reason: failures[0] })),
    costs: costModel(sizes, contexts),
  };
}

function sizeRow(size, gigabytesPerSecond) {
  const shape = shapeOf(size.shape);
  const weightsMegabytes = weightsOf(shape);
  const limitMs = gigabytesPerSecond && weightsMegabytes / gigabytesPerSecond;
  return { ...size, tokenBytes: shape.tokenBytes, weightsMegabytes,
    perSecond: 1000 / size.ms, gigabytesPerSecond,
    shareOfLimit: limitMs && limitMs / size.ms };
}

/** ms per token = a + b · megabytes of weights + c · megabytes of cache, over all points. */
function costModel(sizes, contexts) {
  const points = [
    ...sizes.map(({ shape, position, ms }) => ({ shape: shapeOf(shape), position, ms })),
    ...contexts.flatMap(({ shape, points: all }) =>
      all.map((point) => ({ shape: shapeOf(shape), ...point }))),
  ];
  if (points.length < 4) return undefined;
  const rows = points.map(({ shape, position }) =>
    [1, weightsOf(shape), cacheOf(shape, position)]);
  const times = points.map(({ ms }) => ms);
  const [fixed, perWeights, perCache] = fit(rows, times);
  return {
    fixed, perWeights, perCache, points: points.length,
    error: relativeError(rows, times, [fixed, perWeights, perCache]),
    perThousandPositions: contexts.map(({ shape }) =>
      ({ shape, ms: perCache * cacheOf(shapeOf(shape), 1000) })),
  };
}
