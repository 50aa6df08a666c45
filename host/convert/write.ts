// A planned model through the tools, piece by piece, into an output; and read back from it. No more
// than a few rows are in memory at any time. Knows nothing of files or of what tensors mean.

import { NibbleError } from "../errors";
import type { ReadableFile } from "./files";
import { parseHeader } from "./gguf";
import { headerOf, paddingOf } from "./header";
import type { Plan, PlannedTensor } from "./plan";
import { TYPE, type Tools } from "./tools";

/** Where bytes go, in order. */
export interface Output {
  readonly name: string;
  write(bytes: Uint8Array): Promise<void>;
}

export interface WriteOptions {
  /** Look for the best scales of Q4_0 blocks, not only take the plain ones. */
  search: boolean;
  /** How much an error in each column of a tensor counts, by its name. */
  importance?: ReadonlyMap<string, Float32Array> | undefined;
  signal?: AbortSignal | undefined;
  /** Called with the bytes that are written, or checked, of all that will be. */
  onProgress?: ((done: number, all: number) => void) | undefined;
}

/** What was written. */
export interface Written {
  size: number;
  sha256: string;
}

/** Numbers that are converted at once: 4 MB as f32. */
const NUMBERS_AT_ONCE = 1 << 20;
/** Bytes that are read back at once. */
const BYTES_AT_ONCE = 1 << 20;

/** Bytes of the whole file to be. */
export function sizeOf({ entries, tensors }: Plan): number {
  return tensors.reduce((sum, { bytes }) => sum + bytes + paddingOf(bytes),
    headerOf(entries, tensors).length);
}

/**
 * Writes the file. Throws what `bytesOf` and output throw, or the signal's reason.
 */
export async function writeModel(
  tools: Tools, plan: Plan, output: Output, options: WriteOptions,
): Promise<Written> {
  const size = sizeOf(plan);
  let done = 0;
  let sha256 = "";
  for await (const bytes of bytesOf(tools, plan, options, (digest) => { sha256 = digest; })) {
    options.signal?.throwIfAborted();
    await output.write(bytes);
    done += bytes.length;
    options.onProgress?.(done, size);
  }
  return { size, sha256 };
}

/**
 * The bytes of the file; each piece is good until the next is asked for. In the end `onDigest` gets
 * their SHA-256. Throws what the engine would say of the header (WRONG_SHAPE, BAD_VOCABULARY, ...)
 * before the first piece, NON_FINITE_WEIGHT, or what sources throw.
 */
export async function* bytesOf(
  tools: Tools, plan: Plan, options: WriteOptions, onDigest?: (digest: string) => void,
): AsyncGenerator<Uint8Array> {
  const { hashBegin, hashBytes } = tools.exports;
  const header = headerOf(plan.entries, plan.tensors);
  if (!tools.parse(header, sizeOf(plan))) throw new Error("the header is cut off");
  tools.check();
  hashBegin();
  const at = tools.room(header.length);
  tools.bytes(at, header.length).set(header);
  hashBytes(at, header.length);
  yield header;
  for (const tensor of plan.tensors) {
    yield* piecesOf(tools, tensor, options);
    const padding = paddingOf(tensor.bytes);
    tools.bytes(at, padding).fill(0);
    hashBytes(at, padding);
    yield new Uint8Array(padding);
  }
  onDigest?.(tools.digest());
}

/**
 * The bytes of a tensor in its new type; each piece is good until the next is asked for.
 *
 *   | source rows | the same as f32 | in the new type | importance of columns |
 */
async function* piecesOf(
  tools: Tools, tensor: PlannedTensor, options: WriteOptions,
): AsyncGenerator<Uint8Array> {
  const { columns, rows, source, laced, file, type } = tensor;
  const rowBytes = source.bytes / rows;
  // Whole heads, where rows of a head change places.
  const unit = laced || 1;
  const atOnce = Math.min(rows,
    Math.max(1, Math.floor(NUMBERS_AT_ONCE / columns / unit)) * unit);
  const from = tools.room(atOnce * (rowBytes + columns * 8) + columns * 4 + 256);
  const floats = aligned(from + atOnce * rowBytes);
  const target = aligned(floats + atOnce * columns * 4);
  const weights = options.importance?.get(tensor.name);
  const importance = weights ? aligned(target + atOnce * columns * 4) : 0;
  if (weights) tools.bytes(importance, columns * 4).set(new Uint8Array(weights.buffer));
  for (let row = 0; row < rows; row += atOnce) {
    const count = Math.min(atOnce, rows - row);
    const bytes = tools.bytes(from, count * rowBytes);
    await file.read(bytes, tensor.position + row * rowBytes);
    if (laced > 0) lace(bytes, rowBytes, laced);
    const blocks = (count * columns) / tools.exports.blockItems(source.type);
    tools.exports.dequantize(source.type, from, blocks, floats);
    const numbers = count * columns;
    refuseNonFinite(tools, tensor, floats, numbers, row * columns);
    const written = type === source.type ? count * rowBytes : tools.checked(
      type === TYPE.Q4_0 && options.search
        ? tools.exports.search(floats, numbers, columns, importance, target)
        : tools.exports.quantize(type, floats, numbers, target));
    const result = type === source.type ? from : target;
    // A half that is too large has become an infinity.
    if (type !== source.type && type !== TYPE.F32) {
      const back = written / tools.exports.blockBytes(type);
      tools.exports.dequantize(type, target, back, floats);
      refuseNonFinite(tools, tensor, floats, numbers, row * columns);
    }
    tools.exports.hashBytes(result, written);
    yield tools.bytes(result, written);
  }
}

function aligned(address: number): number {
  return Math.ceil(address / 16) * 16;
}

/** Rows i and i + half of each head become rows 2i and 2i + 1. */
function lace(bytes: Uint8Array, rowBytes: number, headRows: number): void {
  const half = headRows / 2;
  const headBytes = headRows * rowBytes;
  const head = new Uint8Array(headBytes);
  for (let start = 0; start < bytes.length; start += headBytes) {
    head.set(bytes.subarray(start, start + headBytes));
    for (let i = 0; i < headRows; i++) {
      const from = ((i >> 1) + (i & 1) * half) * rowBytes;
      bytes.set(head.subarray(from, from + rowBytes), start + i * rowBytes);
    }
  }
}

function refuseNonFinite(
  tools: Tools, { label, file }: PlannedTensor, floats: number, count: number, before: number,
): void {
  const found = tools.exports.firstNonFinite(floats, count);
  if (found < 0) return;
  throw new NibbleError("NON_FINITE_WEIGHT", `Tensor "${label}" in ${file.name} holds a NaN, an `
    + `infinity or a number too large for the new type at element ${before + found}; the file is `
    + "damaged, or choose another type.");
}

/**
 * Reads a written file back: its header as the engine will, its bytes against the hash of what was
 * meant. Throws VERIFY_FAILED or the signal's reason.
 */
export async function verify(
  tools: Tools, file: ReadableFile, { size, sha256 }: Written, options: WriteOptions,
): Promise<void> {
  const failed = (what: string): NibbleError => new NibbleError("VERIFY_FAILED",
    `${file.name} was written, but read back ${what}; the disk or its cable may be failing.`);
  if (file.size !== size) throw failed(`it has ${file.size} bytes, not ${size}`);
  await parseHeader(tools, file);
  tools.check();
  tools.exports.hashBegin();
  const at = tools.room(BYTES_AT_ONCE);
  for (let done = 0; done < size; done += BYTES_AT_ONCE) {
    options.signal?.throwIfAborted();
    const count = Math.min(BYTES_AT_ONCE, size - done);
    await file.read(tools.bytes(at, count), done);
    tools.exports.hashBytes(at, count);
    options.onProgress?.(done + count, size);
  }
  if (tools.digest() !== sha256) throw failed("its bytes are others");
}
