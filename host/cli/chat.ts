// nibble chat: a conversation on a terminal, or in a pipe, where every line is a message.

import { rename, rm, writeFile } from "node:fs/promises";
import { NibbleError } from "../errors";
import type { GenerateOptions } from "../options";
import type { ChatMessage, Completion, Model } from "../platform/node";
import { loadModel, parseArguments, type Arguments } from "./arguments";
import { openLines, type Lines } from "./lines";
import { WRITING, generateOptions } from "./sampling";
import { SHAPE, cutShape, shapeOptions } from "./shape";

const HELP = `/help       this
/reset      begin a new conversation
/save FILE  write the conversation to FILE, as JSON
Ctrl-C stops an answer, Ctrl-D ends.
`;

export async function chat(argv: string[], signal: AbortSignal): Promise<void> {
  const args = parseArguments(argv, { ...WRITING, ...SHAPE, system: { type: "string" } }, 0);
  const options = { ...generateOptions(args), ...await shapeOptions(args, signal) };
  const model = await loadModel(args, signal);
  const system = args.values["system"] as string | undefined;
  const conversation = new Conversation(model, system, options, args);
  const reader = openLines(signal);
  if (reader.isTerminal) process.stderr.write("/help tells what there is.\n");
  try {
    for (let line = await reader.next(); line !== undefined; line = await reader.next()) {
      if (line.startsWith("/")) await obey(line, conversation);
      else if (line.trim() !== "") await conversation.answer(line, reader);
    }
    signal.throwIfAborted();
  } finally {
    reader.close();
  }
}

async function obey(line: string, conversation: Conversation): Promise<void> {
  const [command, file = ""] = line.trim().split(/\s+(.*)/);
  if (command === "/reset") conversation.reset();
  else if (command === "/save" && file !== "") await conversation.save(file);
  else process.stderr.write(command === "/save" ? "Write /save FILE.\n" : HELP);
}

/** The messages so far. */
class Conversation {
  #messages: ChatMessage[] = [];

  constructor(
    readonly model: Model, readonly system: string | undefined, readonly options: GenerateOptions,
    readonly args: Arguments,
  ) {
    this.reset();
  }

  reset(): void {
    this.#messages = this.system === undefined ? [] : [{ role: "system", content: this.system }];
  }

  /** Answers on standard output. What cannot be answered is taken back, with a sentence why. */
  async answer(line: string, reader: Lines): Promise<void> {
    const messages: ChatMessage[] = [...this.#messages, { role: "user", content: line }];
    try {
      const { text, ...result } = await this.#write(messages, reader);
      if (this.args.json) process.stdout.write(`${JSON.stringify({ content: text, ...result })}\n`);
      const cut = this.args.json ? undefined : cutShape(this.args, result.finishReason);
      if (cut) process.stderr.write(`${cut.message}\n`);
      this.#messages = [...messages, { role: "assistant", content: text }];
    } catch (error) {
      if (!(error instanceof NibbleError)) throw error;
      if (error.code !== "PROMPT_TOO_LONG" || !reader.isTerminal) throw error;
      process.stderr.write(`${error.message} /reset begins a new conversation.\n`);
    }
  }

  async #write(
    messages: ChatMessage[], reader: Lines,
  ): Promise<{ text: string } & Partial<Completion>> {
    const stop = reader.interruption();
    let text = "";
    try {
      const pieces = this.model.chat(messages, { ...this.options, signal: stop });
      for (;;) {
        const { done, value } = await pieces.next();
        if (done) return { text, ...value };
        text += value;
        if (!this.args.json) process.stdout.write(value);
      }
    } catch (error) {
      if (!reader.wasInterrupted || error !== stop.reason) throw error;
      return { text }; // what was written until Ctrl-C stays in the conversation
    } finally {
      if (!this.args.json && text !== "") process.stdout.write("\n");
    }
  }

  /** Writes the messages to a file, whole or not at all. */
  async save(file: string): Promise<void> {
    const unfinished = `${file}.${process.pid}.part`;
    try {
      await writeFile(unfinished, `${JSON.stringify(this.#messages, null, 2)}\n`);
      await rename(unfinished, file);
      process.stderr.write(`${this.#messages.length} messages are in ${file}.\n`);
    } catch (error) {
      await rm(unfinished, { force: true });
      const { code, message } = error as NodeJS.ErrnoException;
      process.stderr.write(`It could not be saved as ${file} (${code ?? message}).\n`);
    }
  }
}
