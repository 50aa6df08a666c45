// A build of the engine with nothing around it: its own exports, so that rows of several sessions
// can go through one pass. Does not know: what is timed.

import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { engineFiles } from "../peers/contestants.mjs";

const dist = fileURLToPath(new URL("../../dist/", import.meta.url));

/** The engine's numbers for weights as in the file, and for an int8 cache. */
const AS_IN_FILE = -1;
const INT8 = 1;
const HEADER_BYTES = 8 << 20;
export const ROWS_MAX = 32;

/** A build's file, for one thread; undefined when dist/ has none that this Node can run. */
export function engineFile(build) {
  return engineFiles().find((file) => !file.includes("thread")
    && file.includes("relaxed") === (build === "relaxed")
    && WebAssembly.validate(readFileSync(dist + file)));
}

/** Loads a file; every session takes the likeliest token. */
export function openEngine(file, path, { context, sessions }) {
  const module = new WebAssembly.Module(readFileSync(dist + file));
  const engine = new WebAssembly.Instance(module).exports;
  const model = openSync(path, "r");
  const { size } = fstatSync(model);
  const read = (address, length) => readSync(model, new Uint8Array(engine.memory.buffer,
    address >>> 0, length));
  const room = check(engine, engine.headerRoom(Math.min(HEADER_BYTES, size)));
  let waiting = read(room, Math.min(HEADER_BYTES, size));
  check(engine, engine.open(waiting, BigInt(size)));
  check(engine, engine.plan(context, sessions, AS_IN_FILE, INT8, 1, 0n));
  closeSync(model);
  streamData(engine, path);
  check(engine, engine.finish());
  for (let i = 0; i < sessions; i++) check(engine, engine.configure(i, 0, 0, 1, 0, 1, 0));
  return engine;
}

/** Tensor data, from behind the header on, through the staging window. */
function streamData(engine, path) {
  const model = openSync(path, "r");
  let position = Number(engine.headerBytes());
  while (!engine.hasAllData()) {
    const target = new Uint8Array(engine.memory.buffer, engine.stagingAddress() >>> 0,
      engine.stagingBytes());
    const length = readSync(model, target, 0, target.length, position);
    if (length === 0) throw new Error(`${path} ends too early`);
    position += length;
    check(engine, engine.write(length));
  }
  closeSync(model);
}

/** A result that is no failure; the engine's sentence otherwise. */
export function check(engine, result) {
  if (result >= 0 || result < -1024) return result;
  const length = engine.messageLength(result);
  const address = engine.messageAddress() >>> 0;
  throw new Error(Buffer.from(engine.memory.buffer, address, length).toString());
}
