// What a client asks for, out of its JSON: prompts or messages, the options of the library, and the
// form of the reply. Every value is checked, and refused by its own name. Knows nothing of models.

import type { ChatMessage } from "../chat";
import type { GenerateOptions } from "../options";
import type { Prompt } from "../session";
import { Fields, wrong } from "./fields";
import { Refusal } from "./refusal";
import { TOKENS_MAX, samplingOf } from "./sampling";
import { shapeOf } from "./shape";

/** As many as one pass of the engine can write at once. */
const CHOICES_MAX = 16;
const PROMPTS_MAX = 64;
const INPUTS_MAX = 256;
/** OpenAI's default for /v1/completions. */
const COMPLETION_TOKENS = 16;

/** How a text is to be written, and how the reply looks. */
export interface Wanted {
  model: string | undefined;
  options: GenerateOptions;
  /** Texts for each prompt. */
  choices: number;
  isStream: boolean;
  includesUsage: boolean;
  /** Alternatives that the reply tells of each token; undefined for no probabilities at all. */
  alternatives: number | undefined;
  /** The field that says what shape the answer has. */
  shape: string | undefined;
}

export interface WantedCompletion extends Wanted {
  prompts: Prompt[];
  echo: boolean;
}

export interface WantedChat extends Wanted {
  /** The answer to these messages was begun, and not ended. */
  resumes: boolean;
  messages: ChatMessage[];
}

/**
 * The body of POST /v1/completions. `isKept` is for a session that stays: it has one text, which
 * pauses after `max_tokens` and goes on with `resume` in the place of a prompt.
 */
export function completionOf(body: unknown, isKept = false): WantedCompletion {
  const fields = new Fields(body);
  const resumes = isKept && fields.flag("resume");
  const prompt = fields.take("prompt");
  if (resumes && prompt !== undefined) throw wrong("prompt", "left out where a text is taken up");
  const prompts = resumes ? [] : promptsOf("prompt", prompt, isKept ? 1 : PROMPTS_MAX);
  const echo = fields.flag("echo");
  const alternatives = fields.whole("logprobs", 0, 5);
  if (echo && alternatives !== undefined) {
    throw new Refusal(400, "echo does not go with logprobs: the prompt has none.", "echo");
  }
  for (const name of ["best_of", "suffix"]) {
    const value = fields.take(name);
    if (value !== undefined && value !== 1 && value !== "") throw unsupported(name);
  }
  const maxTokens = fields.whole("max_tokens", isKept ? 1 : 0, TOKENS_MAX) ?? COMPLETION_TOKENS;
  const limit = isKept ? { maxTokens: TOKENS_MAX, pauseTokens: maxTokens } : { maxTokens };
  return { ...wantedOf(fields, alternatives, limit, isKept), prompts, echo };
}

/** The body of POST /v1/chat/completions; of a session that stays maybe with `resume`. */
export function chatOf(body: unknown, isKept = false): WantedChat {
  const fields = new Fields(body);
  const resumes = isKept && fields.flag("resume");
  const messages = messagesOf(fields.take("messages"));
  const isTold = fields.flag("logprobs");
  const count = fields.whole("top_logprobs", 0, 20);
  if (count !== undefined && !isTold) throw wrong("top_logprobs", "left out, or logprobs true");
  const most = fields.whole("max_completion_tokens", 0, TOKENS_MAX);
  // A chat goes on until the context is full.
  const maxTokens = most ?? fields.whole("max_tokens", 0, TOKENS_MAX) ?? TOKENS_MAX;
  if (most !== undefined) fields.take("max_tokens");
  const tools = fields.take("tools");
  if (tools !== undefined && !(Array.isArray(tools) && tools.length === 0)) {
    throw unsupported("tools");
  }
  const choice = fields.take("tool_choice");
  if (![undefined, "none", "auto"].includes(choice as string)) throw unsupported("tool_choice");
  return { ...wantedOf(fields, isTold ? count ?? 0 : undefined, { maxTokens }, isKept), messages,
    resumes };
}

/** What both kinds have. */
function wantedOf(
  fields: Fields, alternatives: number | undefined, limit: GenerateOptions, isKept: boolean,
): Wanted {
  const model = fields.text("model");
  const choices = fields.whole("n", 1, isKept ? 1 : CHOICES_MAX) ?? 1;
  const isStream = fields.flag("stream");
  const streamOptions = fields.object("stream_options");
  const includesUsage = streamOptions?.flag("include_usage") ?? false;
  streamOptions?.take("include_obfuscation");
  streamOptions?.end("stream_options.");
  if (streamOptions && !isStream) throw wrong("stream_options", "left out, or stream true");
  const shape = shapeOf(fields);
  const options: GenerateOptions = { ...limit, ...samplingOf(fields), ...shape.options };
  if (shape.param !== undefined && options.stop !== undefined && options.stop.length > 0) {
    throw new Refusal(400, `stop does not go with ${shape.param}, which says itself where the `
      + "answer ends.", "stop", "invalid_value");
  }
  fields.end();
  return { model, options, choices, isStream, includesUsage, alternatives, shape: shape.param };
}

function unsupported(name: string): Refusal {
  return new Refusal(400, `${name} is not supported.`, name, "unsupported_parameter");
}

/** A text, tokens, or a list of either. */
export function promptsOf(name: string, value: unknown, most: number): Prompt[] {
  const isTokens = (list: unknown): list is number[] => (
    Array.isArray(list) && list.length > 0 && list.every((token) => Number.isInteger(token)));
  if (typeof value === "string") return [value];
  if (isTokens(value)) return [value];
  if (Array.isArray(value) && value.length > 0 && value.length <= most
    && value.every((item) => typeof item === "string" || isTokens(item))) {
    return value as Prompt[];
  }
  throw wrong(name, `a text, a list of tokens, or 1 to ${most} of them in an array`);
}

/** Only the shape that the library's messages have; it checks the rest. */
function messagesOf(messages: unknown): ChatMessage[] {
  if (!Array.isArray(messages)) throw wrong("messages", "an array");
  return messages.map((message: { role?: unknown; content?: unknown } | null, at) => {
    if (typeof message !== "object" || message === null) {
      throw wrong(`messages[${at}]`, "an object");
    }
    const role = message.role === "developer" ? "system" : message.role;
    if (!["system", "user", "assistant"].includes(role as string)) {
      throw wrong(`messages[${at}].role`, "system, developer, user or assistant");
    }
    const isEmptyAnswer = role === "assistant" && (message.content ?? null) === null;
    return { role, content: isEmptyAnswer ? "" : message.content } as ChatMessage;
  });
}

/** The body of POST /v1/embeddings. */
export function embeddingsOf(body: unknown) {
  const fields = new Fields(body);
  const inputs = promptsOf("input", fields.take("input"), INPUTS_MAX);
  const model = fields.text("model");
  const format = fields.text("encoding_format") ?? "float";
  if (format !== "float" && format !== "base64") throw wrong("encoding_format", "float or base64");
  if (fields.take("dimensions") !== undefined) throw unsupported("dimensions");
  fields.end();
  return { inputs, model, isBase64: format === "base64" };
}

/** The body of POST /tokenize and /detokenize, as llama.cpp's server has them. */
export function tokenizeOf(body: unknown): { text: string; special: boolean } {
  const fields = new Fields(body);
  const text = fields.text("content");
  if (text === undefined) throw wrong("content", "a text");
  const special = fields.flag("add_special");
  fields.end();
  return { text, special };
}

export function detokenizeOf(body: unknown): number[] {
  const fields = new Fields(body);
  const tokens = fields.take("tokens");
  if (!Array.isArray(tokens) || !tokens.every((token) => Number.isInteger(token))) {
    throw wrong("tokens", "a list of token ids");
  }
  fields.end();
  return tokens as number[];
}
