// Duty: shows that the outside judge itself is sound, on a trained model with known texts and on
// random weights of SmolLM-135M's shape.
// Does not know: Nibble; how well it agrees with the judge is for other files.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLlama } from './llama.ts';
import type { Oracle } from './llama.ts';

interface Golden {
  readonly cases: readonly {
    readonly prompt: string;
    readonly max_positions: number;
    readonly text: string;
  }[];
}

const shared = fileURLToPath(new URL('../../../shared/', import.meta.url));
const storiesPath = join(shared, 'models/stories260K/stories260Ktok512.gguf');
const goldenPath = join(shared, 'models/stories260K/golden.json');
const makerPath = join(shared, 'tools/random-gguf.mjs');
const beginningOfText = 1;

function largest(row: Float32Array): number {
  return row.reduce((best, value, index) => (value > (row[best] ?? -Infinity) ? index : best), 0);
}

function everyFinite(row: Float32Array): boolean {
  return row.every((value) => Number.isFinite(value));
}

function largestDifference(left: readonly Float32Array[], right: readonly Float32Array[]): number {
  let difference = 0;
  left.forEach((row, position) => {
    row.forEach((value, token) => {
      const other = right[position]?.[token] ?? Number.NaN;
      // Not Math.max: a NaN must show.
      if (!(Math.abs(value - other) <= difference)) difference = Math.abs(value - other);
    });
  });
  return difference;
}

describe.skipIf(!existsSync(storiesPath))('llama.cpp on stories260K', () => {
  const golden: Golden = existsSync(goldenPath)
    ? (JSON.parse(readFileSync(goldenPath, 'utf8')) as Golden)
    : { cases: [] };
  let oracle: Oracle;

  beforeAll(async () => {
    oracle = await openLlama(storiesPath, { contextSize: 512 });
  }, 60_000);
  afterAll(() => oracle?.dispose());

  it('has both golden texts to compare with', () => {
    expect(golden.cases).toHaveLength(2);
  });

  it.each(golden.cases)('continues $prompt as the golden text', async (example) => {
    const prompt = [beginningOfText, ...oracle.tokenize(example.prompt)];
    const chosen = await oracle.greedy(prompt, example.max_positions - prompt.length);
    expect(oracle.detokenize([...prompt, ...chosen]).trimStart()).toBe(example.text);
  }, 60_000);

  it('gives whole rows of raw logits whose largest are the greedy tokens', async () => {
    const prompt = [beginningOfText, ...oracle.tokenize('Once upon a time')];
    const chosen = await oracle.greedy(prompt, 60);
    const rows = await oracle.logits([...prompt, ...chosen]);
    expect(rows).toHaveLength(prompt.length + chosen.length);
    expect(rows.every((row) => row.length === 512 && everyFinite(row))).toBe(true);
    expect(rows.slice(prompt.length - 1, -1).map(largest)).toEqual(chosen);
  });

  it('gives the same rows whatever was evaluated before and however they are cut', async () => {
    const tokens = [beginningOfText, ...oracle.tokenize('The little dog was sad because')];
    const rows = await oracle.logits(tokens);
    await oracle.greedy([beginningOfText], 20);
    expect(largestDifference(await oracle.logits(tokens), rows)).toBe(0);

    const single = await openLlama(storiesPath, { contextSize: 512, positionsAtOnce: 1 });
    try {
      expect(largestDifference(await single.logits(tokens), rows)).toBeLessThan(1e-4);
    } finally {
      await single.dispose();
    }
  }, 60_000);

  it('refuses what does not fit its context', async () => {
    const tooMany = new Array<number>(513).fill(beginningOfText);
    await expect(oracle.logits(tooMany)).rejects.toThrow('do not fit');
    await expect(oracle.greedy([], 1)).rejects.toThrow('one token at least');
  });
});

describe.skipIf(!existsSync(makerPath))('llama.cpp on random weights of the 135M shape', () => {
  let folder: string;
  let oracle: Oracle;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'nibble-oracle-'));
    const path = join(folder, 'smol135-q4.gguf');
    execFileSync(process.execPath, [makerPath, 'smol135', path]);
    oracle = await openLlama(path, { contextSize: 256 });
  }, 120_000);
  afterAll(async () => {
    await oracle?.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  it('gives finite rows over 49152 tokens', async () => {
    const tokens = Array.from({ length: 24 }, (_, index) => (index * 2003 + 1) % 49152);
    const rows = await oracle.logits(tokens);
    expect(rows).toHaveLength(24);
    expect(rows.every((row) => row.length === 49152 && everyFinite(row))).toBe(true);
    expect(await oracle.greedy(tokens, 1)).toEqual([largest(rows[23] ?? new Float32Array(0))]);
  }, 120_000);
});
