// Duty: holds GBNF as Nibble reads it against llama.cpp's own reading: the same grammars are taken,
// and the same texts match, on the grammars of the tests and on random ones.
// Does not know: tokens or models; llama.cpp's grammar judges a whole text.

import { getLlama, LlamaLogLevel } from 'node-llama-cpp';
import type { Llama } from 'node-llama-cpp';
import { beforeAll, describe, expect, it } from 'vitest';
import { gbnfGrammar } from '../../host/grammar/gbnf.ts';
import { LANGUAGES, WRITTEN } from '../grammar/languages.ts';
import { matches, randomOf, sampled } from '../grammar/library.ts';

/** What of a LlamaGrammar is asked here; the package calls it internal. */
interface Judge {
  _testText(text: string): boolean;
}

let llama: Llama;

beforeAll(async () => {
  llama = await getLlama({
    gpu: false, build: 'never', skipDownload: true, progressLogs: false,
    logLevel: LlamaLogLevel.disabled,
  });
}, 60_000);

async function judgeOf(source: string): Promise<Judge | undefined> {
  try {
    return (await llama.createGrammar({ grammar: source })) as unknown as Judge;
  } catch {
    return undefined;
  }
}

describe('on the grammars of the tests', () => {
  it.each([...LANGUAGES, ...WRITTEN])('%s', async (_, source, inside, outside) => {
    const judge = await judgeOf(source);
    expect(inside.filter((text) => !judge?._testText(text))).toEqual([]);
    expect(outside.filter((text) => judge?._testText(text))).toEqual([]);
  });
});

/** A random body of a rule. */
function body(random: () => number, depth: number): string {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const inner = (): string => body(random, depth - 1);
  if (depth === 0) {
    return pick(['"a"', '"b"', '"é"', '"ab"', '""', '[a-c]', '[^a]', String.raw`[\u00e0-\u00ff]`,
      String.raw`"\x61\n"`, '.', 'one', 'two']);
  }
  return pick([
    () => `${inner()} ${inner()}`, () => `${inner()} | ${inner()}`, () => `(${inner()})`,
    () => `(${inner()})${pick(['*', '+', '?', '{2}', '{1,}', '{0,2}'])}`, () => inner(),
  ])();
}

describe('on random grammars', () => {
  it('matches the same texts', async () => {
    const random = randomOf(4);
    const characters = ['a', 'b', 'c', 'é', '\n', 'ä', '中'];
    const differing: string[] = [];
    let inside = 0;
    for (let i = 0; i < 150; i++) {
      const source = `root ::= ${body(random, 3)}\none ::= ${body(random, 1).replace(/one|two/g,
        '"x"')}\ntwo ::= "c" | one "a" # two\n`;
      const judge = await judgeOf(source);
      if (!judge) continue; // it takes no loops of what may be empty
      const own = gbnfGrammar(source);
      const texts = ['', ...Array.from({ length: 10 }, () => Array.from(
        { length: Math.floor(random() * 5) },
        () => characters[Math.floor(random() * characters.length)]).join('')),
      ...Array.from({ length: 10 }, () => sampled(own, random) ?? '')];
      for (const text of texts) {
        const isIn = matches(own, text);
        if (isIn) inside++;
        if (isIn !== judge._testText(text)) differing.push(`${source} ${JSON.stringify(text)}`);
      }
    }
    expect(differing).toEqual([]);
    expect(inside).toBeGreaterThan(300);
  });

  it('takes nothing that llama.cpp refuses', async () => {
    const random = randomOf(6);
    const pieces = ['"a"', ' ', '\n', '|', '(', ')', '[b]', '[^', ']', '*', '{2}', '{2,1}', 'x',
      '.', '#', '"', '\\', '::='];
    const wrong: string[] = [];
    let taken = 0;
    for (let i = 0; i < 3000; i++) {
      const source = `root ::= ${Array.from({ length: 1 + Math.floor(random() * 7) },
        () => pieces[Math.floor(random() * pieces.length)]).join('')}\nx ::= "y"`;
      try {
        gbnfGrammar(source);
      } catch {
        continue;
      }
      taken++;
      if (!(await judgeOf(source))) wrong.push(source);
    }
    expect(wrong).toEqual([]);
    expect(taken).toBeGreaterThan(100);
  });
});
