// nibble convert: a published checkpoint, or a GGUF file, into a GGUF file of another type.

import { basename } from "node:path";
import { calibrate } from "../convert/calibrate";
import { readCheckpoint } from "../convert/checkpoint";
import type { ReadableFile } from "../convert/files";
import { readGguf } from "../convert/gguf";
import { TARGETS, planOf, type Model, type TargetType } from "../convert/plan";
import { Tools } from "../convert/tools";
import { sizeOf, verify, writeModel, type WriteOptions } from "../convert/write";
import { NibbleError } from "../errors";
import { SHARDS_MAX } from "../shards";
import { printable } from "../source";
import { partsOf } from "../split";
import { UsageError, parse } from "./arguments";
import {
  compileTools, createOutput, isSameFile, openFile, openFolder, type DiskOutput,
} from "./disk";
import { readText } from "./files";
import { progressBar } from "./progress";

const OPTIONS = {
  type: { type: "string" },
  head: { type: "string" },
  shard: { type: "string" },
  plain: { type: "boolean" },
  calibrate: { type: "string" },
  json: { type: "boolean" },
} as const;

/** Small enough for every host, and the manifest's own limit: a shard of 4 MB holds 4 GB. */
const SHARD_BYTES_MIN = 1 << 16;
/** More than the tokens that are read. */
const CALIBRATION_BYTES_MAX = 1e6;

export async function convert(argv: string[], signal: AbortSignal): Promise<void> {
  const { values, positionals } = parse(argv, OPTIONS);
  const [source, out, ...more] = positionals;
  if (source === undefined || out === undefined || more.length > 0) {
    throw new UsageError("convert takes SOURCE and OUT.gguf: a Hugging Face folder or a GGUF file, "
      + "and the file to write.");
  }
  if (!/\.gguf$/i.test(out)) throw new UsageError(`${printable(out)} does not end in .gguf.`);
  const type = targetOf("type", values.type) ?? "q4_0";
  const head = targetOf("head", values.head);
  const shard = values.shard === undefined ? undefined : shardBytes(values.shard);
  const paths = partsOf(source) ?? [source];
  for (const path of paths) {
    if (!await isSameFile(path, out)) continue;
    throw new NibbleError("OUTPUT_IS_INPUT",
      `${printable(out)} is the source itself; give the output another name.`);
  }
  const text = values.calibrate === undefined ? undefined
    : await readText(values.calibrate, {
      bytesMax: CALIBRATION_BYTES_MAX, firstBytes: CALIBRATION_BYTES_MAX, reason: "",
    }, signal);
  if (text !== undefined && (values.plain === true || type !== "q4_0")) {
    throw new UsageError("--calibrate weighs the search for q4_0's scales; leave --plain and other "
      + "types out.");
  }
  const module = await compileTools();
  const tools = await Tools.start(module);
  const files: ReadableFile[] = [];
  const started = Date.now();
  try {
    const model = await readSource(tools, paths, files);
    const plan = planOf(tools, model, type, head);
    const importance = text === undefined ? undefined
      : await withBar("calibrating", { search: false, signal }, "tokens", (options) => (
        calibrate(module, tools, model, text, options)));
    const options = { search: values.plain !== true, importance, signal };
    const size = sizeOf(plan);
    if (shard !== undefined) checkShards(size, shard);
    const output = await createOutput(out, size, shard);
    try {
      const name = `writing ${basename(out)}`;
      const written = await withBar(name, options, "bytes", (withProgress) => (
        writeModel(tools, plan, output, withProgress)));
      await check(tools, output, written, `checking ${basename(out)}`, options);
      const names = await commit(output, out, shard, written);
      report({ ...written, seconds: (Date.now() - started) / 1000, files: names },
        values.json === true);
    } finally {
      await output.discard();
    }
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

function targetOf(option: string, name: string | undefined): TargetType | undefined {
  if (name === undefined || Object.hasOwn(TARGETS, name)) return name as TargetType | undefined;
  throw new UsageError(`--${option} takes ${Object.keys(TARGETS).join(", ")}, not `
    + `${JSON.stringify(name)}.`);
}

/** Bytes of a text like 24MiB. */
function shardBytes(text: string): number {
  const parts = /^(\d+(?:\.\d+)?)\s*(B|KB|MB|GB|KiB|MiB|GiB)?$/i.exec(text.trim());
  const units = { b: 1, kb: 1e3, mb: 1e6, gb: 1e9, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 };
  const unit = units[(parts?.[2] ?? "B").toLowerCase() as keyof typeof units];
  const bytes = Math.floor(Number(parts?.[1]) * unit);
  if (bytes >= SHARD_BYTES_MIN && bytes <= 2 ** 32) return bytes;
  throw new UsageError(`--shard takes a size from 64KiB to 4GiB, such as 24MiB, not `
    + `${JSON.stringify(text)}.`);
}

function checkShards(size: number, shard: number): void {
  const count = Math.ceil(size / shard);
  if (count <= SHARDS_MAX) return;
  throw new UsageError(`${size} bytes would be ${count} shards; at most ${SHARDS_MAX} can be `
    + "listed, so make them larger.");
}

/** A folder, a file, or all parts of one. */
async function readSource(
  tools: Tools, paths: readonly string[], files: ReadableFile[],
): Promise<Model> {
  const folder = await openFolder(paths[0] as string);
  if (folder) return readCheckpoint(folder, files);
  for (const path of paths) {
    const file = await openFile(path);
    if (!file) {
      throw new NibbleError("FILE_NOT_FOUND", `${printable(path)} does not exist; check the path.`);
    }
    files.push(file);
  }
  return readGguf(tools, files);
}

async function withBar<T>(
  name: string, options: WriteOptions, unit: "bytes" | "tokens",
  work: (options: WriteOptions) => Promise<T>,
): Promise<T> {
  const bar = progressBar(name, unit);
  try {
    return await work({
      ...options,
      onProgress: (loadedBytes, totalBytes) => bar.update({ loadedBytes, totalBytes }),
    });
  } finally {
    bar.end();
  }
}

async function check(
  tools: Tools, output: DiskOutput, written: Awaited<ReturnType<typeof writeModel>>, name: string,
  options: WriteOptions,
): Promise<void> {
  const file = await output.finish();
  try {
    await withBar(name, options, "bytes", (withProgress) => (
      verify(tools, file, written, withProgress)));
  } finally {
    await file.close();
  }
}

/** Gives the output its names; returns them. */
async function commit(
  output: DiskOutput, out: string, shard: number | undefined,
  { size, sha256 }: { size: number; sha256: string },
): Promise<string[]> {
  const name = basename(out).replace(/\.gguf$/i, "");
  if (shard === undefined) {
    await output.commit([basename(out)]);
    return [out];
  }
  if (!/^\w[\w.-]*$/.test(name)) {
    throw new UsageError(`Shards need a plain name of letters, digits and . _ -, not ${name}.`);
  }
  const shards = output.pieces().map((piece, i) => (
    { file: `${name}.${String(i + 1).padStart(4, "0")}.bin`, ...piece }));
  const manifest = `${JSON.stringify({ size, sha256, shards }, undefined, 1)}\n`;
  const list = `${name}.shards.json`;
  await output.commit(shards.map(({ file }) => file), { name: list, text: manifest });
  return [list, ...shards.map(({ file }) => file)];
}

function report(
  result: { size: number; sha256: string; seconds: number; files: string[] }, asJson: boolean,
): void {
  const { size, sha256, seconds, files } = result;
  process.stdout.write(asJson ? `${JSON.stringify(result)}\n`
    : `${files[0]}: ${size} bytes${files.length > 1 ? ` in ${files.length - 1} shards` : ""}, `
      + `sha256 ${sha256}, ${seconds.toFixed(1)} s\n`);
}
