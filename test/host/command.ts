// The command as people run it: a process of its own, its output, its errors and its exit code.
// Does not know: which commands there are.

import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const command = join(root, "dist", "nibble.js");
/** Where commands run: a new folder for each file of tests, which takes it away at its end. */
export const folder = mkdtempSync(join(tmpdir(), "nibble-cli-"));

export interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A running command; standard input stays open when it is undefined. */
export function begin(args: string[], input?: string | Buffer, program = command): ChildProcess {
  const child = spawn(process.execPath, [program, ...args], { cwd: folder });
  if (input !== undefined) child.stdin.end(input);
  return child;
}

export async function result(child: ChildProcess): Promise<Result> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on("data", (piece: Buffer) => out.push(piece));
  child.stderr?.on("data", (piece: Buffer) => err.push(piece));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, stdout: String(Buffer.concat(out)), stderr: String(Buffer.concat(err)) };
}

export const nibble = (args: string[], input: string | Buffer = ""): Promise<Result> =>
  result(begin(args, input));

/** One sentence, one line, nothing else. */
export function expectSentence({ stderr, stdout }: Result): void {
  expect(stdout).toBe("");
  expect(stderr).toMatch(/^nibble: [^\n]+\n$/);
}
