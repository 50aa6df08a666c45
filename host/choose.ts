// Which of several answers a model finds likeliest. Knows nothing of where questions come from, nor
// which answer is right.

import { logLikelihoods, type Fork, type Readers } from "./continuations";
import { ENCODE, type Engine } from "./engine";
import { NibbleError } from "./errors";
import { checkNames, checkSignal, checkText } from "./options";
import { problemOf, type Question } from "./questions";
import { encodeText } from "./tokens";

export interface ChooseOptions {
  /**
   * Between a text and its continuation; default one space, with which the published sets of both
   * forms are usually joined (for ARC also "\nAnswer: "). It is scored with the continuation.
   */
  join?: string | undefined;
  signal?: AbortSignal | undefined;
}

export interface Chosen {
  /** Index of the likeliest answer; of equals the first. */
  likeliest: number;
  /** The same, with each logarithm divided by the UTF-8 bytes of the continuation. */
  likeliestPerByte: number;
  /** Natural logarithm of the probability of each continuation after its text. */
  logLikelihoods: number[];
}

const NAMES = ["join", "signal"] as const satisfies readonly (keyof ChooseOptions)[];

/** Checks what `choose` is given; throws BAD_OPTION. */
export function checkChoose(question: Question, options: ChooseOptions): void {
  checkNames(options, NAMES);
  if (options.join !== undefined) checkText(options.join);
  checkSignal(options.signal);
  const problem = problemOf(question);
  if (problem !== undefined) {
    throw new NibbleError("BAD_OPTION", `The question cannot be asked: ${problem}.`);
  }
}

/**
 * Scores each answer of a question, with one BOS before the text. A text that leaves no room for
 * the longest continuation loses its beginning. Throws PROMPT_TOO_LONG when a continuation alone
 * does not fit, EMPTY_PROMPT when there is nothing before it.
 */
export async function choose(
  engine: Engine, readers: Readers, question: Question, options: ChooseOptions,
): Promise<Chosen> {
  const join = options.join ?? " ";
  const isOneText = "choices" in question;
  const continuations = isOneText ? question.choices
    : question.contexts.map(() => question.continuation);
  const forks = isOneText ? [forkOf(engine, question.query, join, question.choices)]
    : question.contexts.map((text) => forkOf(engine, text, join, [question.continuation]));
  const values = (await logLikelihoods(
    readers, forks.map((fork) => withEnd(engine, fork)), options.signal)).flat();
  const bytes = continuations.map((text) => new TextEncoder().encode(text).length);
  return {
    likeliest: greatest(values),
    likeliestPerByte: greatest(values.map((value, i) => value / (bytes[i] as number))),
    logLikelihoods: values,
  };
}

/** A text and what may follow it. Throws EMPTY_PROMPT. */
export function forkOf(
  engine: Engine, text: string, join: string, continuations: readonly string[],
): Fork {
  // The two are cut into tokens apart, so that all answers share those of the text.
  const tails = continuations.map((continuation) => (text === ""
    ? encodeText(engine, continuation, ENCODE.first)
    : encodeText(engine, join + continuation, 0)));
  return { head: headOf(engine, text), tails };
}

/**
 * Positions that the context has for the text beside the longest continuation. Throws
 * PROMPT_TOO_LONG when a continuation alone does not fit.
 */
export function roomOf(engine: Engine, { tails }: Fork): number {
  const context = engine.fact("context");
  const longest = Math.max(...tails.map(({ length }) => length));
  if (longest > context) {
    throw new NibbleError("PROMPT_TOO_LONG", `A continuation has ${longest} tokens, but the `
      + `context has ${context} positions; load with a larger context.`);
  }
  // The last token of a tail is only predicted: it takes no room.
  return context - Math.max(longest - 1, 0);
}

/** As much of the end of a text as there is room for. */
function withEnd(engine: Engine, fork: Fork): Fork {
  return { ...fork, head: fork.head.slice(-roomOf(engine, fork)) };
}

function headOf(engine: Engine, text: string): number[] {
  const tokens = encodeText(engine, text, ENCODE.first);
  const bos = engine.fact("bos");
  if (bos >= 0) tokens.unshift(bos);
  if (tokens.length > 0) return tokens;
  throw new NibbleError("EMPTY_PROMPT",
    "The text of a question is empty, and this model has no token to begin a text with.");
}

function greatest(values: readonly number[]): number {
  return values.reduce((best, value, i) => (value > (values[best] as number) ? i : best), 0);
}
