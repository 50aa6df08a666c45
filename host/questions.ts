// Questions with several answers, one a line of JSON. Knows nothing of how they are answered.

import { NibbleError } from "./errors";

/** One text with several continuations, or several texts with one continuation. */
export type Question =
  | { readonly query: string; readonly choices: readonly string[] }
  | { readonly contexts: readonly string[]; readonly continuation: string };

export interface KeyedQuestion {
  question: Question;
  /** Index of the right answer. */
  gold: number;
}

/** Real questions take some hundred characters; a longer line is another kind of file. */
const LINE_CHARACTERS_MAX = 1_000_000;

/**
 * The questions of JSON lines, at most `itemsMax`: {query, choices, gold} or {context_options,
 * continuation, gold}. Empty lines are left out. Throws BAD_CHOICES, with `name` and the line.
 */
export function readQuestions(text: string, name: string, itemsMax = Infinity): KeyedQuestion[] {
  const questions: KeyedQuestion[] = [];
  let at = text.startsWith("\ufeff") ? 1 : 0;
  for (let number = 1; at < text.length && questions.length < itemsMax; number++) {
    const end = text.indexOf("\n", at);
    const stop = end < 0 ? text.length : end;
    const line = text.slice(at, Math.min(stop, at + LINE_CHARACTERS_MAX + 1));
    at = stop + 1;
    if (line.trim() === "") continue;
    const found = readLine(line);
    if (typeof found === "string") {
      throw new NibbleError("BAD_CHOICES", `${name}, line ${number}: ${found}.`);
    }
    questions.push(found);
  }
  if (questions.length > 0) return questions;
  throw new NibbleError("BAD_CHOICES", `${name} has no questions; it needs one a line, as JSON.`);
}

/** The question of a line, or what is wrong with it. */
function readLine(line: string): KeyedQuestion | string {
  if (line.length > LINE_CHARACTERS_MAX) {
    return `the line is longer than ${LINE_CHARACTERS_MAX} characters, which is no question`;
  }
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return "this is not JSON; every line must be an object of its own";
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return "an object was expected, with query, choices and gold";
  }
  const { query, choices, context_options: contexts, continuation, gold } =
    value as Record<string, unknown>;
  if (choices === undefined && contexts === undefined) {
    return "there are neither choices nor context_options";
  }
  const question = choices !== undefined ? { query, choices } : { contexts, continuation };
  const problem = problemOf(question);
  if (problem !== undefined) return problem;
  const count = ((choices ?? contexts) as unknown[]).length;
  if (!Number.isInteger(gold)) return "gold must be the number of the right answer, from 0";
  if ((gold as number) < 0 || (gold as number) >= count) {
    return `gold is ${String(gold)}, but the answers are 0 to ${count - 1}`;
  }
  return { question: question as Question, gold: gold as number };
}

/** What is wrong with a question, as the middle of a sentence; undefined when it can be asked. */
export function problemOf(question: unknown): string | undefined {
  if (typeof question !== "object" || question === null) return "a question must be an object";
  const { query, choices, contexts, continuation } = question as Record<string, unknown>;
  if (choices !== undefined) {
    if (typeof query !== "string") return "query must be a text";
    if (!isTexts(choices)) return "choices must be a list of texts, at least one";
    return choices.includes("") ? "a choice is empty, so it has no probability" : undefined;
  }
  if (!isTexts(contexts)) return "the contexts must be a list of texts, at least one";
  if (typeof continuation !== "string") return "continuation must be a text";
  return continuation === "" ? "the continuation is empty, so it has no probability" : undefined;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.length > 0
    && value.every((text) => typeof text === "string");
}
