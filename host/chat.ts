// From the messages of a chat to the tokens of a prompt, by way of the model's own template. What
// people write stays text, whatever it looks like: only the template forms control tokens. Knows
// nothing of sessions.

import { Environment, Interpreter, parse, tokenize } from "@huggingface/jinja";
import { Controls, spelling } from "./controls";
import { ENCODE, type Engine } from "./engine";
import { NibbleError } from "./errors";
import { templateOf } from "./info";
import { encodeText } from "./tokens";

export type ChatRole = "system" | "user" | "assistant";

/** A part of a message, in the form in which some programs send text. */
export interface TextPart {
  type: "text";
  text: string;
}

export interface ChatMessage {
  role: ChatRole;
  content: string | readonly TextPart[];
}

const ROLES: readonly string[] = ["system", "user", "assistant"] satisfies ChatRole[];
/** No context holds more messages. */
const MESSAGES_MAX = 4096;
/** Characters of all messages; no context holds more. */
const CHARACTERS_MAX = 1 << 22;
/** Real templates stay below 32 KiB. */
const TEMPLATE_CHARACTERS_MAX = 1 << 17;
/** A template is a program out of a file; real ones take some hundred steps a message. */
const STEPS_MAX = 1 << 19;
const RANGE_MAX = 1 << 10;

/** For byte-level models, whose training has this form (training/data.py). */
const ROLE_TEMPLATE = "{% for message in messages %}{{ '<|' + message.role + '|>' "
  + "+ message.content + '\\n' }}{% endfor %}"
  + "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

const CONSTANTS = { true: true, false: false, none: null, True: true, False: false, None: null };

/** A chat as the model reads it. */
export interface ChatPrompt {
  tokens: number[];
  /** Control tokens of the template: one that the model writes ends its answer. */
  endings: ReadonlySet<number>;
}

/** How a model's chats are written. */
export class ChatForm {
  readonly #engine: Engine;
  readonly #controls: Controls;
  readonly #template: string;
  readonly #program: ReturnType<typeof parse>;

  /** Throws NO_CHAT_TEMPLATE or BAD_CHAT_TEMPLATE. */
  constructor(engine: Engine) {
    this.#engine = engine;
    this.#controls = new Controls(engine);
    const template = templateOf(engine)
      ?? (this.#controls.idOf("<|assistant|>") === undefined ? undefined : ROLE_TEMPLATE);
    if (template === undefined) {
      throw new NibbleError("NO_CHAT_TEMPLATE", "This model has no chat template "
        + "(tokenizer.chat_template); use generate, or a model that was made for chats.");
    }
    this.#template = template;
    this.#program = parseTemplate(template);
  }

  /** The prompt for the next answer. Throws BAD_MESSAGES or BAD_CHAT_TEMPLATE. */
  prompt(messages: readonly ChatMessage[]): ChatPrompt {
    checkMessages(messages);
    const plain = messages.map(({ role, content }) => ({ role, content: textOf(content) }));
    const mark = markFor([this.#template, ...plain.map(({ content }) => content)]);
    const text = this.#render(plain.map(({ role, content }) => (
      { role, content: this.#controls.breakUp(content, mark) })));
    const tokens: number[] = [];
    const endings = new Set<number>();
    let isAfterControl = true;
    for (const stretch of this.#controls.split(text)) {
      if (typeof stretch === "number") {
        tokens.push(stretch);
        endings.add(stretch);
      } else {
        const flags = isAfterControl ? ENCODE.first : 0;
        for (const token of encodeText(this.#engine, stretch.replaceAll(mark, ""), flags)) {
          tokens.push(token);
        }
      }
      isAfterControl = typeof stretch === "number";
    }
    const bos = this.#engine.fact("bos");
    if (this.#engine.fact("addsBos") && tokens[0] !== bos) tokens.unshift(bos);
    return { tokens, endings };
  }

  #render(messages: { role: string; content: string }[]): string {
    const names = { bos_token: "bos", eos_token: "eos" } as const;
    const scope = new Environment();
    for (const [name, value] of Object.entries(CONSTANTS)) scope.set(name, value);
    for (const [name, fact] of Object.entries(names)) {
      scope.set(name, spelling(this.#engine, this.#engine.fact(fact)));
    }
    let refusal: string | undefined;
    scope.set("raise_exception", (sentence: unknown) => {
      refusal = String(sentence);
      throw new Error(refusal);
    });
    // No clock (strftime_now): the same messages give the same text on every day.
    scope.set("range", shortRange);
    scope.set("messages", messages);
    scope.set("add_generation_prompt", true);
    try {
      return String(new Limited(scope).run(this.#program).value);
    } catch (cause) {
      if (refusal !== undefined) {
        throw new NibbleError("BAD_MESSAGES",
          `The model's chat template refuses these messages: ${refusal}`, { cause });
      }
      throw badTemplate(cause);
    }
  }
}

/** An interpreter that gives up on programs without an end. */
class Limited extends Interpreter {
  #steps = 0;

  override evaluate(...given: Parameters<Interpreter["evaluate"]>) {
    if (++this.#steps > STEPS_MAX) throw new Error(`it takes more than ${STEPS_MAX} steps`);
    return super.evaluate(...given);
  }
}

function shortRange(first: number, last?: number, step = 1): number[] {
  const [start, stop] = last === undefined ? [0, first] : [first, last];
  const count = Math.max(0, Math.ceil((stop - start) / step));
  if (step === 0 || !(count <= RANGE_MAX)) {
    throw new Error(`a range has more than ${RANGE_MAX} numbers`);
  }
  return Array.from({ length: count }, (_, i) => start + i * step);
}

function parseTemplate(template: string): ReturnType<typeof parse> {
  if (template.length > TEMPLATE_CHARACTERS_MAX) {
    throw badTemplate(`it is longer than ${TEMPLATE_CHARACTERS_MAX} characters`);
  }
  try {
    const program = parse(tokenize(template, { lstrip_blocks: true, trim_blocks: true }));
    countRounds(program);
    return program;
  } catch (cause) {
    throw badTemplate(cause);
  }
}

/** Gives every loop a statement that does nothing, so that rounds without any count as steps. */
function countRounds(node: unknown): void {
  if (typeof node !== "object" || node === null) return;
  for (const child of Object.values(node)) countRounds(child);
  const { type, body } = node as { type?: string; body?: object[] };
  if (type === "For") body?.push({ type: "Comment", value: "" });
}

function badTemplate(cause: unknown): NibbleError {
  const words = (cause instanceof Error ? cause.message : String(cause)).slice(0, 200);
  return new NibbleError("BAD_CHAT_TEMPLATE", "The model's chat template cannot be used "
    + `(${words}); write the prompt yourself and use generate.`, { cause });
}

/** A private character that none of the texts has. */
function markFor(texts: readonly string[]): string {
  for (let code = 0xe000; code < 0xf900; code++) {
    const mark = String.fromCharCode(code);
    if (!texts.some((text) => text.includes(mark))) return mark;
  }
  throw bad("They use every private character of Unicode");
}

function bad(sentence: string): NibbleError {
  return new NibbleError("BAD_MESSAGES", `${sentence}; messages are objects with a role `
    + `(system, user or assistant) and a content (a text, or parts of type text).`);
}

function checkMessages(messages: unknown): asserts messages is readonly ChatMessage[] {
  if (!Array.isArray(messages) || messages.length === 0 || messages.length > MESSAGES_MAX) {
    throw bad(`A chat has 1 to ${MESSAGES_MAX} messages, in an array`);
  }
  let characters = 0;
  for (const [at, message] of (messages as unknown[]).entries()) {
    const { role, content } = (message ?? {}) as Partial<ChatMessage>;
    if (!ROLES.includes(role as string)) throw bad(`Message ${at} has no role that is known`);
    const isParts = Array.isArray(content) && content.every((part: Partial<TextPart> | null) => (
      part?.type === "text" && typeof part.text === "string"));
    if (typeof content !== "string" && !isParts) throw bad(`Message ${at} has no text`);
    characters += textOf(content as ChatMessage["content"]).length;
    if (characters > CHARACTERS_MAX) {
      throw bad(`Message ${at} goes beyond ${CHARACTERS_MAX} characters in all`);
    }
  }
}

function textOf(content: ChatMessage["content"]): string {
  return typeof content === "string" ? content : content.map(({ text }) => text).join("");
}
