// A GGUF file as a model to be written again in other types. Knows nothing of how it is written.

import { NibbleError } from "../errors";
import type { ReadableFile } from "./files";
import type { Model } from "./plan";
import type { Tools } from "./tools";

const FIRST_BYTES = 1 << 20;
const HEADER_BYTES_MAX = 32 << 20;
/** What the new file says for itself. */
const REPLACED = /^(general\.(file_type|quantization_version|alignment)|split\..*)$/;

/** Reads a file's header. Throws the parser's failures, with the file's name in front. */
export async function readGguf(tools: Tools, file: ReadableFile): Promise<Model> {
  try {
    await parseHeader(tools, file);
    tools.check();
  } catch (cause) {
    if (!(cause instanceof NibbleError)) throw cause;
    throw new NibbleError(cause.code, `${file.name}: ${cause.message}`, { cause });
  }
  const { entries, tensors } = tools.header();
  return {
    entries: entries.filter(({ key }) => !REPLACED.test(key)),
    tensors: tensors.map((tensor) => ({ ...tensor, label: tensor.name, file, laced: 0 })),
  };
}

/** Gives the parser as much of a file as its header needs. */
export async function parseHeader(tools: Tools, file: ReadableFile): Promise<void> {
  for (let wanted = FIRST_BYTES; ; wanted *= 2) {
    const bytes = new Uint8Array(Math.min(wanted, file.size, HEADER_BYTES_MAX));
    await file.read(bytes, 0);
    if (tools.parse(bytes, file.size)) return;
  }
}
