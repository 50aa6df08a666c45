// The built library as users get it, and the small models that the tests of the host run.
// Does not know: anything inside the engine.

import type * as Library from "../../host/platform/node";
import type { ErrorCode } from "../../host/errors";
import {
  ggmlType, randomModel, readGguf, writeGguf, type MetadataEntry, type RandomModelShape,
} from "../reference";

// By address, so that types come from the source and the code from dist/.
const address = new URL("../../dist/index.js", import.meta.url).href;
export const { load, NibbleError } = await import(/* @vite-ignore */ address) as typeof Library;

export type { Model, Session } from "../../host/platform/node";

const shape: RandomModelShape = {
  width: 64, layers: 2, heads: 4, kvHeads: 2, feedForward: 96, vocabulary: 258, context: 256,
  type: ggmlType.Q4_0, tied: true, seed: 11, tokenizer: "byte",
};

/** A byte vocabulary: it writes bytes that are hardly ever whole characters. */
export const byteModel = (changes: Partial<RandomModelShape> = {}): Uint8Array =>
  randomModel({ ...shape, ...changes });

/** A SentencePiece vocabulary: it writes words, with a space before the first. */
export const wordModel = (changes: Partial<RandomModelShape> = {}): Uint8Array =>
  randomModel({ ...shape, vocabulary: 400, tokenizer: "spm", ...changes });

/** ChatML, with a system message of its own where none is given. */
export const CHATML = "{% for message in messages %}"
  + "{% if loop.first and message.role != 'system' %}"
  + "{{ '<|im_start|>system\nBe kind.<|im_end|>\n' }}{% endif %}"
  + "{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{% endfor %}"
  + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/**
 * A byte vocabulary whose tokens from 258 on are these control tokens (258 is no end of a text, but
 * may be one of an answer), and a chat template, if any.
 */
export function chatModel(
  template: string | undefined, names: readonly string[], changes: Partial<RandomModelShape> = {},
): Uint8Array {
  return withMetadata(byteModel({ vocabulary: 258 + names.length, context: 512, ...changes }), [
    ...(template === undefined ? [] : [["tokenizer.chat_template", "string", template]]),
    ["tokenizer.ggml.tokens", "string[]",
      (tokens: string[]) => [...tokens.slice(0, 258), ...names]],
  ] as MetadataEntry[]);
}

/** A file with other or more metadata; a function makes the new value out of the old. */
export function withMetadata(file: Uint8Array, changes: MetadataEntry[]): Uint8Array {
  const { metadata, metadataTypes, tensors } = readGguf(file);
  const entries = new Map([...metadata].map(([key, value]): [string, MetadataEntry] => [
    key, [key, metadataTypes.get(key) ?? "string", value]]));
  for (const [key, type, value] of changes) {
    const own = typeof value !== "function" ? value
      : (value as (old: unknown) => unknown)(metadata.get(key));
    entries.set(key, [key, type, own]);
  }
  return writeGguf({
    metadata: [...entries.values()],
    tensors: [...tensors.values()].map(({ name, dims, type, bytes }) => [name, dims, type, bytes]),
  });
}

/** The code of the NibbleError that a promise rejects with. */
export async function codeOf(promise: Promise<unknown>): Promise<ErrorCode> {
  const { code } = await failureOf(promise);
  return code;
}

/** The NibbleError that a promise rejects with. */
export async function failureOf(
  promise: Promise<unknown>,
): Promise<InstanceType<typeof NibbleError>> {
  const reason: unknown = await promise.then(() => "nothing went wrong", (error: unknown) => error);
  if (reason instanceof NibbleError) return reason;
  throw new Error(`a NibbleError was expected, not: ${String(reason)}`);
}

/** Repeatable random numbers below a limit, for property tests. */
export function dice(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}
