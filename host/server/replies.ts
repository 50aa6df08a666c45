// The replies of OpenAI's interface, whole and in chunks: chats and completions differ in shape
// only. Knows nothing of how texts come about.

import type { GenerateResult } from "../completion";
import type { TokenStep } from "../options";

/** What all chunks of a reply have. */
interface Head {
  id: string;
  created: number;
  model: string;
  system_fingerprint: string;
}

/** Bytes of a token, and its own text where it has none of those. */
export type Spell = (token: number, bytes?: Uint8Array) => { text: string; bytes: number[] };

/** A whole text. */
export interface Choice {
  text: string;
  steps: TokenStep[];
  result: GenerateResult;
}

/** A text that was laid aside had no more room in its reply; clients know no other word. */
function reasonOf({ finishReason }: GenerateResult): "stop" | "length" {
  return finishReason === "paused" ? "length" : finishReason;
}

export interface Form {
  /** What a stream begins with, for each choice. */
  first(choice: number): object | undefined;
  piece(choice: number, text: string, steps: TokenStep[]): object;
  end(choice: number, steps: TokenStep[], result: GenerateResult): object;
  usage(results: readonly GenerateResult[]): object;
  whole(choices: readonly Choice[]): object;
}

/** `likeliest` alternatives are told of each token; undefined: of none anything. */
export interface FormSettings {
  head: Omit<Head, "id">;
  spell: Spell;
  alternatives: number | undefined;
  /** Chunks say then that usage comes in one of its own. */
  includesUsage: boolean;
}

export function usageOf(results: readonly GenerateResult[], choices: number): object {
  const sum = (of: (result: GenerateResult) => number): number => (
    results.reduce((total, result) => total + of(result), 0));
  // A prompt counts once, however many texts go on from it.
  const prompts = results.filter((_, i) => i % choices === 0);
  const promptTokens = prompts.reduce((total, result) => total + result.promptTokens, 0);
  const completionTokens = sum((result) => result.completionTokens);
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: {
      cached_tokens: prompts.reduce((total, result) => total + result.reusedTokens, 0),
    },
  };
}

function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function chatForm(settings: FormSettings, choicesOfEach: number): Form {
  const head = { id: `chatcmpl-${randomId()}`, ...settings.head };
  const logprobs = (steps: TokenStep[]) => (
    settings.alternatives === undefined ? null : { content: chatLogprobs(settings, steps) });
  const chunk = (choice: number, delta: object, steps: TokenStep[], reason: string | null) => ({
    ...head, object: "chat.completion.chunk",
    choices: [{ index: choice, delta, logprobs: logprobs(steps), finish_reason: reason }],
    ...(settings.includesUsage ? { usage: null } : {}),
  });
  return {
    first: (choice) => chunk(choice, { role: "assistant", content: "" }, [], null),
    piece: (choice, text, steps) => chunk(choice, { content: text }, steps, null),
    end: (choice, steps, result) => chunk(choice, {}, steps, reasonOf(result)),
    usage: (results) => ({ ...head, object: "chat.completion.chunk", choices: [],
      usage: usageOf(results, choicesOfEach) }),
    whole: (choices) => ({
      ...head, object: "chat.completion",
      choices: choices.map(({ text, steps, result }, index) => ({
        index, message: { role: "assistant", content: text, refusal: null },
        logprobs: logprobs(steps), finish_reason: reasonOf(result),
      })),
      usage: usageOf(choices.map(({ result }) => result), choicesOfEach),
    }),
  };
}

function chatLogprobs({ spell, alternatives }: FormSettings, steps: TokenStep[]): object[] {
  const entry = (token: number, logprob: number, bytes?: Uint8Array) => {
    const spelt = spell(token, bytes);
    return { token: spelt.text, logprob, bytes: spelt.bytes };
  };
  return steps.map(({ token, logProbability, bytes, likeliest }) => ({
    ...entry(token, logProbability, bytes),
    top_logprobs: likeliest.slice(0, alternatives).map((other) => (
      entry(other.token, other.logProbability))),
  }));
}

/** `echoes` are the prompts' texts, where they are to be repeated. */
export function completionForm(
  settings: FormSettings, choicesOfEach: number, echoes?: readonly string[],
): Form {
  const head = { id: `cmpl-${randomId()}`, object: "text_completion", ...settings.head };
  const offsets: number[] = [];
  const echoOf = (choice: number): string => echoes?.[Math.floor(choice / choicesOfEach)] ?? "";
  const part = (choice: number, text: string, steps: TokenStep[], reason: string | null) => {
    const logprobs = settings.alternatives === undefined ? null
      : completionLogprobs(settings, steps, offsets[choice] ?? 0);
    offsets[choice] = (offsets[choice] ?? 0) + text.length;
    return { index: choice, text, logprobs, finish_reason: reason };
  };
  const chunk = (choice: object) => ({
    ...head, choices: [choice], ...(settings.includesUsage ? { usage: null } : {}),
  });
  return {
    first: (choice) => (echoes ? chunk(part(choice, echoOf(choice), [], null)) : undefined),
    piece: (choice, text, steps) => chunk(part(choice, text, steps, null)),
    end: (choice, steps, result) => chunk(part(choice, "", steps, reasonOf(result))),
    usage: (results) => ({ ...head, choices: [], usage: usageOf(results, choicesOfEach) }),
    whole: (choices) => ({
      ...head,
      choices: choices.map(({ text, steps, result }, index) => (
        part(index, echoOf(index) + text, steps, reasonOf(result)))),
      usage: usageOf(choices.map(({ result }) => result), choicesOfEach),
    }),
  };
}

function completionLogprobs(
  { spell, alternatives }: FormSettings, steps: TokenStep[], offset: number,
): object {
  const texts = steps.map(({ token, bytes }) => spell(token, bytes).text);
  let at = offset;
  return {
    tokens: texts,
    token_logprobs: steps.map(({ logProbability }) => logProbability),
    top_logprobs: steps.map(({ likeliest }) => Object.fromEntries(
      likeliest.slice(0, alternatives).map((other) => (
        [spell(other.token).text, other.logProbability])))),
    text_offset: texts.map((text) => (at += text.length) - text.length),
  };
}
