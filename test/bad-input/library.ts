// The built library and command line, as a user meets them, and what every failure must look like.
// Does not know: any particular failure.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import type * as Library from "../../host/platform/node";

const directory = new URL("../../dist/", import.meta.url);
const commandLine = fileURLToPath(new URL("nibble.js", directory));

/** The library from dist/, with the types of its source. */
export const { load, NibbleError } =
  await import(new URL("index.js", directory).href) as typeof Library;

/** Longest that any refusal may take. */
export const LIMIT_MS = 10_000;

/** The NibbleError that work rejects with; anything else, or nothing, fails the test. */
export async function failureOf(work: Promise<unknown>): Promise<Library.NibbleError> {
  const error = await withinLimit(work.then(
    () => new Error("this should have been refused"), (reason: unknown) => reason,
  ));
  if (!(error instanceof NibbleError)) throw error;
  return error;
}

/** The same work, or a failed test after LIMIT_MS. */
export async function withinLimit<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${LIMIT_MS} ms`)), LIMIT_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** One sentence for people: it names things, holds no leftovers of code, and ends. */
export function expectSentence(message: string): void {
  expect(message).toMatch(/^[^\n\r]{15,500}\.$/);
  expect(message).not.toMatch(/[\x00-\x1f\x7f]|\.\.$|\$[a-zA-Z]|\|/);
  expect(message).not.toMatch(/undefined|(?<!a )\bNaN\b|\[object/);
}

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the command line to its end; ends it after LIMIT_MS, which leaves code null. */
export function runCommand(args: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [commandLine, ...args], {
      stdio: ["ignore", "pipe", "pipe"], timeout: LIMIT_MS,
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (piece: Buffer) => { stdout += piece.toString(); });
    child.stderr.on("data", (piece: Buffer) => { stderr += piece.toString(); });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** Does all jobs, two at a time. */
export async function inPairs<T>(jobs: readonly T[], work: (job: T) => Promise<void>) {
  const waiting = [...jobs];
  const worker = async (): Promise<void> => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) await work(job);
  };
  await Promise.all([worker(), worker()]);
}
