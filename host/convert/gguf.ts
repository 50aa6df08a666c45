// A GGUF file, or several that are parts of one, as a model to be written again in other types.
// Knows nothing of how it is written.

import { NibbleError } from "../errors";
import type { ReadableFile } from "./files";
import type { Model } from "./plan";
import type { Tools } from "./tools";

const FIRST_BYTES = 1 << 20;
const HEADER_BYTES_MAX = 32 << 20;
/** What the new file says for itself. */
const REPLACED = /^(general\.(file_type|quantization_version|alignment)|split\..*)$/;

/**
 * Reads the header of a file, or those of all parts of one, in their order. Throws the parser's
 * failures, with the file's name in front.
 */
export async function readGguf(tools: Tools, files: readonly ReadableFile[]): Promise<Model> {
  const [first] = files as readonly [ReadableFile];
  const parts = files.length > 1 ? await joinParts(tools, files) : [];
  await named(first, async () => {
    if (files.length > 1) tools.readJoined();
    else await parseHeader(tools, first);
    tools.check();
  });
  const { entries, tensors, dataStart } = tools.header();
  return {
    entries: entries.filter(({ key }) => !REPLACED.test(key)),
    tensors: tensors.map((tensor) => {
      const part = parts.findLast(({ before }) => dataStart + before <= tensor.position);
      const { file, position } = part
        ? { file: part.file, position: tensor.position - dataStart - part.before + part.start }
        : { file: first, position: tensor.position };
      return { ...tensor, label: tensor.name, file, position, laced: 0 };
    }),
  };
}

/** A part of a model: where its data begins in its own file, and how much is before it in all. */
interface Part {
  file: ReadableFile;
  start: number;
  before: number;
}

/** Gives the parser the headers of all parts, which become one. */
async function joinParts(tools: Tools, files: readonly ReadableFile[]): Promise<Part[]> {
  const parts: Part[] = [];
  let before = 0;
  for (const file of files) {
    await named(file, () => feed(file, (bytes) => tools.join(bytes, file.size)));
    const { start, padded } = tools.joinedLast();
    parts.push({ file, start, before });
    before += padded;
  }
  return parts;
}

/** Works with a file; failures get its name. */
async function named(file: ReadableFile, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    if (!(cause instanceof NibbleError) || cause.message.startsWith(file.name)) throw cause;
    throw new NibbleError(cause.code, `${file.name}: ${cause.message}`, { cause });
  }
}

/** Gives the parser as much of a file as its header needs. */
export async function parseHeader(tools: Tools, file: ReadableFile): Promise<void> {
  await feed(file, (bytes) => tools.parse(bytes, file.size));
}

/** Reads more and more of a file's beginning, until `take` has enough. */
async function feed(file: ReadableFile, take: (bytes: Uint8Array) => boolean): Promise<void> {
  for (let wanted = FIRST_BYTES; ; wanted *= 2) {
    const bytes = new Uint8Array(Math.min(wanted, file.size, HEADER_BYTES_MAX));
    await file.read(bytes, 0);
    if (take(bytes)) return;
  }
}
