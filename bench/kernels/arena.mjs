// What the bench of the kernels stands on: the wasm, memory full of plausible numbers, a clock.
// Does not know: which kernels there are.

import { readFile } from "node:fs/promises";

const START = 1 << 20;
const ROUNDS = 9;
const ROUND_MS = 20;

/** The kernels and a bump allocator on their memory. */
export class Arena {
  #next = START;

  constructor(kernels) {
    this.kernels = kernels;
  }

  /** Of the strict build or the relaxed one. */
  static async open(simd) {
    const name = simd === "relaxed" ? "kernels-relaxed.wasm" : "kernels.wasm";
    const bytes = await readFile(new URL(`../../build/${name}`, import.meta.url)).catch((cause) => {
      throw new Error(`build/${name} is missing; run \`node scripts/build.mjs kernels\` first`,
        { cause });
    });
    const { instance } = await WebAssembly.instantiate(bytes);
    return new Arena(instance.exports);
  }

  /** Starts over at the beginning of the memory. */
  reset() {
    this.#next = START;
  }

  /** Room for `bytes`, zeroed, a whole number of cache lines. */
  take(bytes) {
    const { memory } = this.kernels;
    const at = this.#next;
    this.#next = at + ((bytes + 63) & ~63);
    const missing = this.#next - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / 65536));
    new Uint8Array(memory.buffer, at, bytes).fill(0);
    return at;
  }

  /** Numbers from -1 to 1, in f32. */
  floats(count) {
    const at = this.take(count * 4);
    const view = new Float32Array(this.kernels.memory.buffer, at, count);
    for (let i = 0; i < count; i++) view[i] = pseudo(i) / 2 ** 31 - 1;
    return at;
  }

  /** Bytes of all values. */
  bytes(count) {
    const at = this.take(count);
    const view = new Uint8Array(this.kernels.memory.buffer, at, count);
    for (let i = 0; i < count; i++) view[i] = pseudo(i) >>> 24;
    return at;
  }

  /** Addresses from `first` on, `stride` bytes apart. */
  addresses(first, stride, count) {
    const at = this.take(count * 4);
    const view = new Uint32Array(this.kernels.memory.buffer, at, count);
    for (let i = 0; i < count; i++) view[i] = first + i * stride;
    return at;
  }

  /** Halves: a scale of 1/1024 everywhere. */
  halves(count) {
    const at = this.take(count * 2);
    new Uint16Array(this.kernels.memory.buffer, at, count).fill(0x1400);
    return at;
  }
}

/** A number of 32 bits that looks random. */
function pseudo(i) {
  const mixed = Math.imul(i ^ (i >>> 15), 0x2c1b3c6d);
  return Math.imul(mixed ^ (mixed >>> 12), 0x297a2d39) >>> 0;
}

/** Median of several rounds, in microseconds per call; a round takes about 20 ms. */
export function measure(call) {
  let calls = 1;
  let elapsed = time(call, calls);
  while (elapsed < ROUND_MS) {
    calls *= Math.min(16, Math.max(2, Math.ceil(ROUND_MS / Math.max(elapsed, 0.01))));
    elapsed = time(call, calls);
  }
  const rounds = Array.from({ length: ROUNDS }, () => time(call, calls) / calls);
  rounds.sort((a, b) => a - b);
  return rounds[ROUNDS >> 1] * 1000;
}

function time(call, calls) {
  const started = performance.now();
  for (let i = 0; i < calls; i++) call();
  return performance.now() - started;
}
