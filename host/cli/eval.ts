// nibble eval: how well a model predicts a text, or how often it finds the right answer.

import { printable } from "../source";
import { readQuestions } from "../questions";
import {
  UsageError, loadModel, numberOption, parseArguments, type Arguments,
} from "./arguments";
import { readText } from "./files";

const OPTIONS = {
  text: { type: "string" },
  choices: { type: "string" },
  limit: { type: "string" },
  noise: { type: "string" },
  seed: { type: "string" },
  join: { type: "string" },
} as const;

const TEXT_BYTES_MAX = 64e6;
const CHOICES_BYTES_MAX = 256e6;

export async function evaluate(argv: string[], signal: AbortSignal): Promise<void> {
  const args = parseArguments(argv, OPTIONS, 0);
  const { text, choices } = args.values;
  if (typeof text === "string" && choices === undefined) return evaluateText(args, text, signal);
  if (typeof choices === "string" && text === undefined) {
    return evaluateChoices(args, choices, signal);
  }
  throw new UsageError("eval needs --text FILE or --choices FILE, one of them.");
}

async function evaluateText(args: Arguments, file: string, signal: AbortSignal): Promise<void> {
  refuse(args, ["join"], "--text");
  const options = { noise: numberOption(args, "noise"), seed: numberOption(args, "seed") };
  const text = await readText(file, {
    bytesMax: TEXT_BYTES_MAX, firstBytes: limitOf(args),
    reason: "which takes hours and all its tokens in memory; give a --limit",
  }, signal);
  const model = await loadModel(args, signal);
  const result = await clearing(model.score(text, {
    ...options, signal,
    onProgress: ({ scoredTokens: done, totalTokens: all }) => showProgress(done, all, "tokens"),
  }));
  const { bitsPerByte, bytes, tokens, documents } = result;
  const count = documents > 1 ? `, ${documents} documents` : "";
  process.stdout.write(args.json
    ? `${JSON.stringify({ bits_per_byte: bitsPerByte, bytes, tokens, documents })}\n`
    : `${bitsPerByte.toFixed(4)} bits per byte (${bytes} bytes, ${tokens} tokens${count})\n`);
}

async function evaluateChoices(args: Arguments, file: string, signal: AbortSignal): Promise<void> {
  refuse(args, ["noise", "seed"], "--choices");
  const itemsMax = limitOf(args);
  const content = await readText(file, {
    bytesMax: CHOICES_BYTES_MAX, reason: "which is no set of questions but other data",
  }, signal);
  const name = file === "-" ? "standard input" : printable(file);
  const questions = readQuestions(content, name, itemsMax);
  const model = await loadModel(args, signal);
  const join = args.values["join"] as string | undefined;
  let right = 0;
  let rightPerByte = 0;
  await clearing((async () => {
    for (const [i, { question, gold }] of questions.entries()) {
      const { likeliest, likeliestPerByte } = await model.choose(question, { join, signal });
      if (likeliest === gold) right++;
      if (likeliestPerByte === gold) rightPerByte++;
      showProgress(i + 1, questions.length, "items");
    }
  })());
  const items = questions.length;
  const [accuracy, normalised] = [right / items, rightPerByte / items];
  process.stdout.write(args.json
    ? `${JSON.stringify({ items, accuracy, accuracy_normalised: normalised })}\n`
    : `accuracy ${accuracy.toFixed(4)}, normalised by bytes ${normalised.toFixed(4)} `
      + `(${items} items)\n`);
}

function refuse(args: Arguments, names: string[], mode: string): void {
  const found = names.find((name) => args.values[name] !== undefined);
  if (found) throw new UsageError(`--${found} does not go with ${mode}.`);
}

/** Bytes of a text, or items of a set of questions. */
function limitOf(args: Arguments): number | undefined {
  const limit = numberOption(args, "limit");
  if (limit === undefined || (Number.isSafeInteger(limit) && limit > 0)) return limit;
  throw new UsageError(`--limit takes a whole number from 1, not ${limit}.`);
}

function showProgress(done: number, all: number, what: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${done} of ${all} ${what}`);
}

/** Takes the line of the progress away, whatever happened. */
async function clearing<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } finally {
    if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  }
}
