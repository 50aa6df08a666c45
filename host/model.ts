// The class that users hold: a loaded model and everything it can do. Knows nothing of platforms.

import { ChatForm, type ChatMessage } from "./chat";
import { checkChoose, choose, type ChooseOptions, type Chosen } from "./choose";
import {
  checkClassify, classify, type ClassifyOptions, type Label, type Priors,
} from "./classify";
import type { Engines } from "./builds";
import { completionOf, streamOf, type Writing } from "./completion";
import type { Readers } from "./continuations";
import { ENCODE, type Engine } from "./engine";
import { NibbleError } from "./errors";
import { extract, type ExtractOptions } from "./extract";
import { constrain, type Constraint } from "./grammar/constraint";
import type { Grammar } from "./grammar/syntax";
import { describeModel, readAllMetadata, type ModelInfo } from "./info";
import {
  checkFlag, checkNames, checkSignal, checkTokens,
  type GenerateOptions, type TokenizeOptions,
} from "./options";
import { Passes } from "./passes";
import { Pool } from "./pool";
import type { Question } from "./questions";
import { recommendedBy } from "./recommended";
import type { CompletionOf, Schema, Shaped, ShapeOptions, ValueOf } from "./schema";
import { checkScoreOptions, score, type ScoreOptions, type ScoreResult } from "./score";
import { Session, type Prompt, type SessionHost } from "./session";
import { settingsOf } from "./settings";
import { answerOf, Shapes, withValue } from "./shapes";
import {
  closestSession, decodeToken, decodeTokens, encodeText, pieceOf, tooLong,
} from "./tokens";
import type { OpenPath, Source } from "./source";
import type { ThreadHost } from "./threads";
import type { Form } from "./writer";
import { turnTaking } from "./turns";

/** What a platform brings: the compiled engine, a turn for others, and maybe more. */
export interface Platform extends Engines {
  /** Where there are threads. */
  threads?: ThreadHost;
  yieldNow(): Promise<void>;
  /**
   * Where a request may not wait for what another one does (Workers end it as hung): a pause of
   * its own, after which it looks again.
   */
  pause?(): Promise<void>;
  /** Where there is a file system. */
  openPath?: OpenPath;
  /** The embedded model; undefined where this build has none. May say itself what to do. */
  openEmbedded?(signal?: AbortSignal): Promise<Source | undefined>;
}

export interface EmbedOptions {
  /** Stops between two passes; the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** A text as a vector. */
export interface Embedding {
  vector: Float32Array;
  promptTokens: number;
}

/** Texts that are written and that wait; forward passes so far, and the rows in them. */
export interface Activity {
  running: number;
  waiting: number;
  passes: number;
  rows: number;
  /** Of the engine's whole memory, which is planned when the model is loaded. */
  memoryBytes: number;
}

export class Model {
  #engine: Engine | undefined;
  readonly #yieldNow: () => Promise<void>;
  readonly #pool: Pool;
  readonly #passes: Passes;
  readonly #recommended: GenerateOptions;
  readonly #shapes = new Shapes();
  readonly #priors: Priors = new Map();
  #form: ChatForm | undefined;
  /** The last to use the engine's one digest. */
  #digest: Promise<unknown> = Promise.resolve();

  /** @internal Models come from `load`. */
  constructor(engine: Engine, platform: Platform, queueMax = 256) {
    this.#engine = engine;
    this.#yieldNow = turnTaking(() => platform.yieldNow());
    this.#passes = new Passes({
      engine: () => this.#alive(),
      turn: () => platform.yieldNow(),
      rareTurn: this.#yieldNow,
      isShared: platform.pause === undefined,
    });
    this.#recommended = recommendedBy(readAllMetadata(engine)).options;
    this.#pool = new Pool(engine.fact("sessions"), queueMax, platform.pause?.bind(platform));
  }

  /** What it does now, and has done. */
  get activity(): Activity {
    return { ...this.#pool.load, ...this.#passes.count,
      memoryBytes: this.#engine?.exports.memory.buffer.byteLength ?? 0 };
  }

  /** Shape, metadata, tensors and memory of the model. */
  get info(): ModelInfo {
    return describeModel(this.#alive());
  }

  /**
   * Writes on from `prompt`, a text or tokens, piece by piece, never splitting a character. Waits
   * when all sessions are busy with other texts.
   */
  async *generate(prompt: Prompt, options: GenerateOptions = {}): Writing {
    settingsOf(options, this.#recommended);
    return yield* this.#write(this.tokensOf(prompt), options);
  }

  /**
   * The same, all at once. With `schema` or `choices` it has a `value`: what the text stands for,
   * or undefined where `finishReason` is "length", since a text that was cut stands for nothing.
   * Throws VALUE_REFUSED where a check of the schema's library refuses what the schema allows.
   */
  async complete<const S extends Schema = never, const Choice extends string = never>(
    prompt: Prompt, options: GenerateOptions & ShapeOptions<S, Choice> = {},
  ): Promise<CompletionOf<S, Choice>> {
    return withValue(await completionOf(this.generate(prompt, options)), options);
  }

  /**
   * Answers the last message of a chat, piece by piece. Give all messages every time: what a
   * session still has of them is not read again. Throws NO_CHAT_TEMPLATE, BAD_CHAT_TEMPLATE or
   * BAD_MESSAGES.
   */
  async *chat(messages: readonly ChatMessage[], options: GenerateOptions = {}): Writing {
    settingsOf(options, this.#recommended);
    const { tokens, endings } = this.chatPrompt(messages);
    return yield* answerOf(this.#write(tokens, options, { endings }), options);
  }

  /** The same, all at once, with a `value` as that of `complete`. */
  async completeChat<const S extends Schema = never, const Choice extends string = never>(
    messages: readonly ChatMessage[], options: GenerateOptions & ShapeOptions<S, Choice> = {},
  ): Promise<CompletionOf<S, Choice>> {
    return withValue(await completionOf(this.chat(messages, options)), options);
  }

  /**
   * The same as a stream of UTF-8 bytes, which is what a Response takes. Cancelling it, as hosts do
   * when a client has gone, stops the writing.
   */
  stream(prompt: string, options: GenerateOptions = {}): ReadableStream<Uint8Array<ArrayBuffer>> {
    return streamOf((signal) => this.generate(prompt, { ...options, signal }), options.signal);
  }

  /** Opens a conversation. Throws SESSIONS_IN_USE when all that were loaded are taken. */
  session(): Session {
    const engine = this.#alive();
    const index = this.#pool.open();
    try {
      engine.call((e) => e.rewind(index, 0));
    } catch (error) {
      this.#pool.giveBack(index);
      throw error;
    }
    return new Session(this.#host(), index);
  }

  /**
   * The same, but waits while texts that will end hold all sessions, as others will wait for this
   * one: close it soon. Throws QUEUE_FULL, SESSIONS_IN_USE or the signal's reason.
   */
  async freeSession(options: { signal?: AbortSignal | undefined } = {}): Promise<Session> {
    checkNames(options, ["signal"]);
    checkSignal(options.signal);
    const session = await this.#take(options.signal, []);
    session.rewind(0);
    return session;
  }

  /** How well the model predicts a text: bits per byte. */
  async score(text: string, options: ScoreOptions = {}): Promise<ScoreResult> {
    checkScoreOptions(options);
    return this.#with(options.signal, (session) => score(session, text, options));
  }

  /**
   * A text as a vector of length 1, the mean of the final states of its tokens: texts that are
   * alike have vectors that point in like directions.
   */
  async embed(prompt: Prompt, options: EmbedOptions = {}): Promise<Embedding> {
    checkNames(options, ["signal"]);
    checkSignal(options.signal);
    const tokens = this.tokensOf(prompt);
    if (tokens.length === 0) {
      throw new NibbleError("EMPTY_PROMPT", "An empty text has no tokens, and so no direction.");
    }
    const vector = await this.#with(options.signal, (session) => session.embed(tokens, options));
    return { vector, promptTokens: tokens.length };
  }

  /** Which of several answers the model finds likeliest. */
  async choose(question: Question, options: ChooseOptions = {}): Promise<Chosen> {
    checkChoose(question, options);
    return this.#reading(options.signal, (readers) => (
      choose(this.#alive(), readers, question, options)));
  }

  /**
   * Which of several labels fits a text, best first. The probabilities order the labels; how far
   * they can be trusted depends on the model (docs/TASKS.md).
   */
  async classify<const Name extends string>(
    text: string, labels: readonly Name[], options: ClassifyOptions = {},
  ): Promise<Label<Name>[]> {
    checkClassify(text, labels, options);
    return this.#reading(options.signal, (readers) => (
      classify(this.#alive(), readers, text, labels, options, this.#priors)));
  }

  /**
   * What a text says, as a value of a schema: asks for JSON, in a chat where the model has a
   * template for chats, and answers as `complete` does.
   */
  extract<const S extends Schema>(
    text: string, schema: S, options: ExtractOptions = {},
  ): Promise<Shaped<ValueOf<S>>> {
    return extract(this, text, schema, options);
  }

  /**
   * @internal What texts of this model may be, for the form of `session.generate`. Throws
   * BAD_GRAMMAR, GRAMMAR_EMPTY or GRAMMAR_TOO_COMPLEX.
   */
  constrain(grammar: Grammar): Constraint {
    return constrain(this.#alive(), grammar);
  }

  /** Token ids of a text. */
  tokenize(text: string, options: TokenizeOptions = {}): number[] {
    checkNames(options, ["special", "trusted"]);
    const { special = true, trusted = false } = options;
    checkFlag("special", special);
    checkFlag("trusted", trusted);
    const flags = ENCODE.first | (special ? ENCODE.special : 0) | (trusted ? ENCODE.trusted : 0);
    return encodeText(this.#alive(), text, flags);
  }

  /**
   * The text of each token by itself, for people to read: control tokens by their names, bytes that
   * are no whole character like `<0xE2>`. Throws BAD_TOKEN.
   */
  pieces(tokens: readonly number[]): string[] {
    checkTokens(tokens);
    return tokens.map((token) => pieceOf(this.#alive(), token));
  }

  /** The text of tokens. Throws BAD_TOKEN. */
  detokenize(tokens: readonly number[]): string {
    return decodeTokens(this.#alive(), tokens);
  }

  /** The bytes of a token inside a text, which may begin or end inside a character. */
  tokenBytes(token: number): Uint8Array {
    return decodeToken(this.#alive(), token, false);
  }

  /** Frees the memory. Whatever still runs rejects with MODEL_DISPOSED. */
  dispose(): void {
    this.#engine?.end();
    this.#engine = undefined;
    this.#pool.close();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #alive(): Engine {
    if (this.#engine) return this.#engine;
    throw new NibbleError("MODEL_DISPOSED", "This model has been disposed of.");
  }

  #host(): SessionHost {
    const alive = (): Engine => this.#alive();
    return {
      // Not held: a session that outlives its model must not keep the memory.
      get engine() {
        return alive();
      },
      passes: this.#passes,
      recommended: this.#recommended,
      shapes: this.#shapes,
      yieldNow: this.#yieldNow,
      checkAlive: () => void this.#alive(),
      inTurn: (work) => {
        const result = this.#digest.then(work);
        this.#digest = result.catch(() => undefined);
        return result;
      },
      release: (index) => this.#pool.giveBack(index),
    };
  }

  /** @internal The tokens of a chat, and those that end its answer. */
  chatPrompt(messages: readonly ChatMessage[]): ReturnType<ChatForm["prompt"]> {
    this.#form ??= new ChatForm(this.#alive());
    return this.#form.prompt(messages);
  }

  /** @internal The tokens that a text begins with. */
  tokensOf(prompt: Prompt): readonly number[] {
    if (typeof prompt === "string") {
      return encodeText(this.#alive(), prompt, ENCODE.first | ENCODE.special);
    }
    checkTokens(prompt);
    return prompt;
  }

  /** Writes on from all tokens of a text, on the session that has the most of them already. */
  async *#write(
    tokens: readonly number[], options: GenerateOptions, form: Form = {},
  ): Writing {
    if (options.pauseTokens !== undefined) {
      throw new NibbleError("BAD_OPTION", "Option pauseTokens is for conversations, which can take "
        + "a text up again: open one with model.session().");
    }
    const engine = this.#alive();
    // Before it waits for a session.
    const constraint = this.#shapes.constraintOf(engine, options);
    const context = engine.fact("context");
    if (tokens.length > context) throw tooLong(engine, tokens.length, context);
    const session = await this.#take(options.signal, tokens);
    try {
      const reusedTokens = session.keepShared(tokens);
      const result = yield* session.generate(tokens.slice(reusedTokens), options,
        { ...form, constraint });
      return { ...result, reusedTokens, promptTokens: reusedTokens + result.promptTokens };
    } finally {
      session.close();
    }
  }

  /** Does work on an empty session of its own. */
  async #with<T>(
    signal: AbortSignal | undefined, work: (session: Session) => Promise<T>,
  ): Promise<T> {
    const session = await this.freeSession({ signal });
    try {
      return await work(session);
    } finally {
      session.close();
    }
  }

  /** Does work that reads in a session of its own, and in free ones, until it is done. */
  async #reading<T>(
    signal: AbortSignal | undefined, work: (readers: Readers) => Promise<T>,
  ): Promise<T> {
    const taken: Session[] = [];
    const holding = (session: Session): Session => {
      taken.push(session);
      return session;
    };
    try {
      return await work({
        take: async (tokens) => holding(await this.#take(signal, tokens)),
        spare: (count) => this.#pool.spare(count).map((index) => (
          holding(new Session(this.#host(), index)))),
      });
    } finally {
      for (const session of taken) session.close();
    }
  }

  /** A session for one text, which begins with these tokens. */
  async #take(signal: AbortSignal | undefined, tokens: readonly number[]): Promise<Session> {
    this.#alive();
    const index = await this.#pool.take(signal, (free) => (
      closestSession(this.#alive(), free, tokens)));
    return this.#pool.watch(index, new Session(this.#host(), index));
  }
}
