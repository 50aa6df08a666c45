// nibble eval: how well a model predicts a text.

import { readFile } from "node:fs/promises";
import { NibbleError } from "../errors";
import { UsageError, loadModel, parseArguments, readInput } from "./arguments";

export async function evaluate(argv: string[], signal: AbortSignal): Promise<void> {
  const args = parseArguments(argv, { text: { type: "string" } }, 0);
  const file = args.values["text"];
  if (typeof file !== "string") throw new UsageError("eval needs --text FILE.");
  const content = file === "-" ? await readInput(signal) : await readText(file);
  const model = await loadModel(args, signal);
  const result = await model.score(content, { signal, onProgress: showProgress });
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  process.stdout.write(args.json
    ? `${JSON.stringify({ bits_per_byte: result.bitsPerByte, bytes: result.bytes,
      tokens: result.tokens })}\n`
    : `${result.bitsPerByte.toFixed(4)} bits per byte (${result.bytes} bytes, `
      + `${result.tokens} tokens)\n`);
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new NibbleError(code === "ENOENT" ? "FILE_NOT_FOUND" : "FILE_UNREADABLE",
      `${file} cannot be read (${code ?? String(cause)}).`, { cause });
  }
}

function showProgress(progress: { scoredTokens: number; totalTokens: number }): void {
  if (!process.stderr.isTTY) return;
  process.stderr.write(`\r${progress.scoredTokens} of ${progress.totalTokens} tokens`);
}
