// nibble bench: how fast a model loads, reads and writes here, and how much memory it takes. Knows
// nothing of other programs (bench/).

import { statSync } from "node:fs";
import { fileOf } from "../builds";
import type { Model } from "../platform/node";
import type { Session } from "../session";
import { loadModel, numberOption, parseArguments } from "./arguments";

/** Contexts at which writing is timed, and how many tokens each time. */
const CONTEXTS = [128, 512, 2048];
const DECODED_TOKENS = 32;
const PROMPT_TOKENS = 512;

export async function bench(argv: string[], signal: AbortSignal): Promise<void> {
  const args = parseArguments(argv, { repeat: { type: "string" } }, 0);
  const repeat = Math.max(1, Math.floor(numberOption(args, "repeat") ?? 1));
  const started = performance.now();
  const model = await loadModel(args, signal);
  const loadMs = performance.now() - started;
  const firstTokenMs = await timeFirstToken(model, signal);
  const results: Measurement[] = [];
  for (let i = 0; i < repeat; i++) results.push(await measure(model, signal));
  const decode = Object.fromEntries(Object.keys(results[0]?.decode ?? {}).map(
    (context) => [context, round(median(results.map((r) => r.decode[context] ?? 0)))],
  ));
  const { simd, threads } = model.info;
  const report = {
    load_ms: round(loadMs),
    first_token_ms: round(firstTokenMs),
    prompt_tokens_per_s: round(median(results.map((r) => r.prompt))),
    decode_tokens_per_s: decode,
    peak_memory_bytes: model.info.memory.total,
    process_peak_memory_bytes: process.resourceUsage().maxRSS * 1024,
    wasm_bytes: statSync(new URL(`./${fileOf({ simd, threads: threads > 1 })}`,
      import.meta.url)).size,
    simd,
    threads,
  };
  process.stdout.write(args.json ? `${JSON.stringify(report)}\n` : table(report));
}

/** Milliseconds to read a token and pick the next when nothing is warm. */
async function timeFirstToken(model: Model, signal: AbortSignal): Promise<number> {
  const session = model.session();
  try {
    const started = performance.now();
    await session.feed(tokens(1, model.info.vocabulary), signal);
    session.sample({ seed: 0 });
    return performance.now() - started;
  } finally {
    session.close();
  }
}

interface Measurement {
  prompt: number;
  decode: Record<string, number>;
}

/** Fills one session step by step, timing a prompt and the writing at each context. */
async function measure(model: Model, signal: AbortSignal): Promise<Measurement> {
  const session = model.session();
  const { context, vocabulary } = model.info;
  const result: Measurement = { prompt: 0, decode: {} };
  try {
    const warm = Math.min(64, context);
    await session.feed(tokens(warm, vocabulary), signal);
    session.rewind(0);
    const count = Math.min(PROMPT_TOKENS, context);
    const started = performance.now();
    await session.feed(tokens(count, vocabulary), signal);
    result.prompt = (count / (performance.now() - started)) * 1000;
    session.rewind(0);
    for (const at of CONTEXTS) {
      if (at > context) break;
      result.decode[at] = await measureDecode(session, at, vocabulary, signal);
    }
    return result;
  } finally {
    session.close();
  }
}

/** Tokens per second of the last tokens before a context of `at` positions is full. */
async function measureDecode(
  session: Session, at: number, vocabulary: number, signal: AbortSignal,
): Promise<number> {
  const filling = Math.max(1, at - DECODED_TOKENS - session.position);
  await session.feed(tokens(filling, vocabulary), signal);
  const count = at - session.position;
  const started = performance.now();
  for (let i = 0; i < count; i++) await session.feed([session.sample({ seed: i })], signal);
  return (count / (performance.now() - started)) * 1000;
}

/** Token ids spread over the vocabulary: what they say does not change the work. */
function tokens(count: number, vocabulary: number): number[] {
  return Array.from({ length: count }, (_, i) => (i * 7919 + 3) % vocabulary);
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function table(report: Record<string, string | number | Record<string, number>>): string {
  return Object.entries(report).map(([name, value]) => (typeof value !== "object"
    ? `${name.padEnd(26)} ${value}\n`
    : Object.entries(value).map(([at, speed]) => `${`${name} at ${at}`.padEnd(26)} ${speed}\n`)
      .join(""))).join("");
}
