// One conversation: text goes in, text comes out, and the past can be taken back. Long work is cut
// into slices so that the host's event loop keeps turning. Knows nothing of sources or files.

import type { Writing } from "./completion";
import { Draft, type DraftState } from "./draft";
import { ENCODE, type Engine } from "./engine";
import { NibbleError } from "./errors";
import {
  checkInteger, checkSignal, checkTokens, evaluateSettings,
  type EvaluateOptions, type GenerateOptions,
} from "./options";
import type { Guesses, Passes } from "./passes";
import { configure, seed } from "./sampling";
import { settingsOf, type Settings } from "./settings";
import { shapeOf, type Shapes } from "./shapes";
import { restoreSession, saveSession } from "./snapshot";
import { encodeText, sharedTokens, tooLong } from "./tokens";
import { lookupOf, write, type Form, type Page } from "./writer";

/** What sessions share: the engine, the way to let others run, and who to tell at the end. */
export interface SessionHost {
  readonly engine: Engine;
  readonly passes: Passes;
  /** What the model's file recommends for sampling. */
  readonly recommended: GenerateOptions;
  readonly shapes: Shapes;
  yieldNow(): Promise<void>;
  release(index: number): void;
  checkAlive(): void;
  /** Runs work after all other such work: the engine has one digest. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
}

/** A text, or tokens as they are. */
export type Prompt = string | readonly number[];

export class Session {
  #closed = false;
  #busy = false;
  /** Tokens that were written and shown but are not in the cache yet. */
  #pending: number[] = [];
  #hasText = false;
  /** A text that was begun and not ended. */
  #unfinished: DraftState | undefined;

  /** @internal Sessions come from `model.session()`. */
  constructor(readonly host: SessionHost, readonly index: number) {}

  /** Tokens that are in the cache. */
  get position(): number {
    this.#check();
    return this.host.engine.call((e) => e.position(this.index));
  }

  /** What is known of a text that was begun and not ended, which `resume` takes up. */
  get unfinished(): { promptTokens: number; completionTokens: number; seed: number } | undefined {
    this.#check();
    if (!this.#unfinished) return undefined;
    const { promptTokens, completionTokens, seed } = this.#unfinished;
    return { promptTokens, completionTokens, seed };
  }

  /**
   * Forgets everything from `position` on. Throws BAD_POSITION beyond the present one, and
   * SESSION_BUSY while something is being written.
   */
  rewind(position: number): void {
    this.#checkIdle();
    checkInteger("position", position, 0, 2 ** 31 - 1);
    this.host.passes.forget();
    this.host.engine.call((e) => e.rewind(this.index, position));
    this.#pending = [];
    this.#unfinished = undefined;
    this.#hasText = position > (this.host.engine.fact("addsBos") ? 1 : 0);
  }

  /**
   * @internal Keeps what the cache has of the beginning of these tokens, though never all of them,
   * since the last gives the logits; forgets the rest. Returns how many are kept.
   */
  keepShared(tokens: readonly number[]): number {
    const { engine } = this.host;
    const kept = Math.max(0, Math.min(sharedTokens(engine, this.index, tokens), tokens.length - 1));
    this.rewind(kept);
    return kept;
  }

  /** Gives the session back; its cache is used by the next one. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.host.release(this.index);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Continues the conversation with `prompt` and writes on: whole characters, as they come. The
   * returned value tells how it ended.
   */
  async *generate(prompt: Prompt, options: GenerateOptions = {}, form: Form = {}): Writing {
    const settings = settingsOf(options, this.host.recommended);
    const shaped = this.#shaped(form, options);
    this.#begin();
    try {
      settings.signal?.throwIfAborted();
      const promptTokens = await this.#read(prompt, settings.signal);
      this.#check();
      configure(this.host.engine, this.index, settings);
      seed(this.host.engine, this.index, settings.seed);
      const draft = new Draft(promptTokens, settings.seed, settings.stop, !this.#hasText,
        shaped.constraint !== undefined, form.endings);
      return yield* this.#write(settings, draft, shaped);
    } finally {
      this.#end();
    }
  }

  /**
   * Takes up a text that `generate` began and whose reader stopped reading, whose signal was
   * aborted, or which paused; also after `restore`. Text, random numbers and what was held back go
   * on where they were. Give the options of `generate` again, and the form; the seed is known, and
   * `maxTokens` counts the whole text. Throws NOTHING_TO_RESUME.
   */
  async *resume(options: GenerateOptions = {}, form: Form = {}): Writing {
    const settings = settingsOf(options, this.host.recommended);
    const shaped = this.#shaped(form, options);
    this.#begin();
    try {
      const state = this.#unfinished;
      if (state === undefined) {
        throw new NibbleError("NOTHING_TO_RESUME",
          "No text is unfinished in this session; begin one with generate.");
      }
      if (state.hasForm && !shaped.constraint) {
        throw new NibbleError("BAD_OPTION",
          "The unfinished text has a form; resume it with the schema, regex, grammar or choices.");
      }
      settings.signal?.throwIfAborted();
      configure(this.host.engine, this.index, settings);
      return yield* this.#write(settings, Draft.from(state, settings.stop), shaped);
    } finally {
      this.#end();
    }
  }

  /**
   * The conversation as bytes, an unfinished text included. Any other session of the same model,
   * on any host, can `restore` them and goes on with the same bits.
   */
  save(): Uint8Array<ArrayBuffer> {
    this.#checkIdle();
    return saveSession(this.host.engine, this.index, {
      pending: this.#pending, hasText: this.#hasText,
      draft: this.#unfinished,
    });
  }

  /**
   * Puts a saved conversation in the place of this one. Throws NOT_SNAPSHOT, SNAPSHOT_MISMATCH,
   * SNAPSHOT_DAMAGED or SNAPSHOT_TOO_LONG; then the session is empty.
   */
  restore(snapshot: Uint8Array): void {
    this.#checkIdle();
    if (!(snapshot instanceof Uint8Array)) {
      throw new NibbleError("BAD_OPTION", "A saved session is a Uint8Array, as save gave it.");
    }
    this.rewind(0);
    const own = restoreSession(this.host.engine, this.index, snapshot);
    this.#pending = [...own.pending];
    this.#hasText = own.hasText;
    this.#unfinished = own.draft;
  }

  /**
   * Adds text, or tokens as they are, to the conversation without writing on; returns how many
   * tokens. Text is taken whole or not at all.
   */
  async feed(input: Prompt, signal?: AbortSignal): Promise<number> {
    checkSignal(signal);
    this.#begin();
    try {
      return await this.#read(input, signal);
    } finally {
      this.#end();
    }
  }

  /**
   * The next token, picked from the logits of what was fed last; it is not added. A text that was
   * begun cannot be taken up any more: its random numbers are gone.
   */
  sample(options: GenerateOptions = {}): number {
    this.#checkIdle();
    const settings = settingsOf(options, this.host.recommended);
    const shape = shapeOf(options);
    if (shape !== undefined) {
      throw new NibbleError("BAD_OPTION", `Option ${shape} is for whole texts, not for a single `
        + "token; use generate.");
    }
    configure(this.host.engine, this.index, settings);
    seed(this.host.engine, this.index, settings.seed);
    this.#unfinished = undefined;
    return this.host.engine.call((e) => e.sample(this.index));
  }

  /**
   * Runs tokens, `rows` at a time (1 to 32), and calls `each` for every position once its logits
   * are there. The numbers do not depend on `rows`.
   */
  async evaluate(
    tokens: readonly number[], each: (index: number) => void,
    options: EvaluateOptions = {},
  ): Promise<void> {
    const { engine } = this.host;
    await this.#walk(tokens, evaluateSettings(options), (row, index) => {
      engine.call((e) => e.logitsOf(row));
      each(index);
    });
  }

  /**
   * The mean of the final states of tokens, as a vector of length 1: what these tokens, behind
   * those that are there already, are about.
   */
  async embed(tokens: readonly number[], options: EvaluateOptions = {}): Promise<Float32Array> {
    const settings = evaluateSettings(options);
    const { engine } = this.host;
    this.#checkIdle();
    engine.call((e) => e.embedBegin(this.index));
    await this.#walk(tokens, settings, (row) => void engine.call((e) => e.embedRow(row)));
    const address = engine.call((e) => e.embedEnd(this.index));
    return new Float32Array(engine.bytes(address, engine.fact("tokenWidth") * 4).slice().buffer);
  }

  /** Runs tokens, and calls `each` for every row of a pass before others get their turn. */
  async #walk(
    tokens: readonly number[], { rows, signal }: ReturnType<typeof evaluateSettings>,
    each: (row: number, index: number) => void,
  ): Promise<void> {
    checkTokens(tokens);
    this.#begin();
    this.#unfinished = undefined;
    try {
      this.#checkRoom(tokens.length + this.#pending.length);
      if (this.#pending.length > 0) await this.#pass(this.#pending, false, signal);
      this.#pending = [];
      if (tokens.length > 0) this.#hasText = true;
      for (let at = 0; at < tokens.length; at += rows) {
        const slice = tokens.slice(at, at + rows);
        signal?.throwIfAborted();
        this.#check();
        this.host.passes.run([{ session: this.index, tokens: slice, wantsLogits: false }]);
        for (let row = 0; row < slice.length; row++) each(row, at + row);
        await this.host.yieldNow();
      }
    } finally {
      this.#end();
    }
  }

  /** SHA-256, in hexadecimal, over the f32 logits of all positions of these tokens. */
  async hashLogits(
    tokens: readonly number[], options: EvaluateOptions = {},
  ): Promise<string> {
    evaluateSettings(options);
    const { engine } = this.host;
    return this.host.inTurn(async () => {
      engine.exports.hashBegin();
      await this.evaluate(tokens, () => void engine.call((e) => e.hashLogits(this.index)), options);
      engine.exports.hashEnd();
      return engine.text(engine.exports.messageAddress(), 64);
    });
  }

  /** A copy of the session's logits: f32[vocabulary]. */
  logits(): Float32Array {
    this.#check();
    const { engine } = this.host;
    const address = engine.call((e) => e.logitsAddress(this.index));
    const bytes = engine.bytes(address, engine.fact("vocabulary") * 4).slice();
    return new Float32Array(bytes.buffer);
  }

  /** A form with what the options say of the text's shape. */
  #shaped(form: Form, options: GenerateOptions): Form {
    const { engine, shapes } = this.host;
    return { ...form, constraint: form.constraint ?? shapes.constraintOf(engine, options) };
  }

  #check(): void {
    this.host.checkAlive();
    if (this.#closed) throw new NibbleError("SESSION_CLOSED", "This session has been closed.");
  }

  #checkIdle(): void {
    this.#check();
    if (this.#busy) {
      throw new NibbleError("SESSION_BUSY",
        "This session is writing already; wait for it, or open another session.");
    }
  }

  #begin(): void {
    this.#checkIdle();
    this.#busy = true;
    this.host.passes.enter();
  }

  #end(): void {
    this.#busy = false;
    this.host.passes.leave();
  }

  /** Tokens that the context still takes. */
  #room(): number {
    return this.host.engine.call((e) => e.room(this.index));
  }

  #checkRoom(count: number): void {
    const room = this.#room();
    if (count > room) throw tooLong(this.host.engine, count, room);
  }

  /** Reads text into the cache, or nothing of it when it does not fit. Returns its tokens. */
  async #read(input: Prompt, signal: AbortSignal | undefined): Promise<number> {
    const { engine } = this.host;
    if (typeof input !== "string") checkTokens(input);
    this.#unfinished = undefined;
    const isStart = this.position === 0;
    const tokens = typeof input !== "string" ? [...input]
      : encodeText(engine, input, isStart ? ENCODE.first | ENCODE.special : 0);
    const bos = engine.fact("bos");
    if (isStart && tokens.length === 0 && bos >= 0) tokens.push(bos);
    const all = [...this.#pending, ...tokens];
    if (all.length === 0 && isStart) {
      throw new NibbleError("EMPTY_PROMPT",
        "The prompt is empty, and this model has no token to begin a text with.");
    }
    this.#checkRoom(all.length);
    await this.#pass(all, true, signal);
    this.#pending = [];
    // A BOS alone is no text yet: behind it the first word loses its prefix space.
    if (typeof input === "string" ? input !== "" : input.some((token) => token !== bos)) {
      this.#hasText = true;
    }
    return tokens.length;
  }

  /** Into the cache, in passes that may be shared with other sessions: all of them, or none. */
  async #pass(
    tokens: readonly number[], wantsLogits: boolean, signal: AbortSignal | undefined,
    guesses?: Guesses,
  ): Promise<void> {
    const { engine, passes } = this.host;
    const start = this.position;
    try {
      await passes.read(this.index, tokens, wantsLogits, () => {
        signal?.throwIfAborted();
        this.#check();
      }, { guesses });
    } catch (error) {
      // What was interrupted is taken back; of a closed session nothing is ours any more.
      if (!this.#closed) engine.exports.rewind(this.index, start);
      throw error;
    }
  }

  /** Writes on until the end; what comes between is kept, so that it can be taken up again. */
  async *#write(settings: Settings, draft: Draft, form: Form): Writing {
    let isEnded = false;
    this.#unfinished = undefined;
    const page = this.#page(settings);
    try {
      const result = yield* write(page, settings, draft, form);
      isEnded = result.finishReason !== "paused";
      return result;
    } finally {
      this.#pending = page.pending;
      this.#hasText = page.hasText;
      if (!isEnded) this.#unfinished = draft.state;
    }
  }

  /** The session as what is written sees it. */
  #page({ speculation }: Settings): Page {
    const { engine } = this.host;
    const pending = this.#pending;
    return {
      engine, index: this.index, pending, hasText: this.#hasText,
      guesser: speculation === "lookup" ? lookupOf(engine, this.index, pending) : undefined,
      check: () => this.#check(),
      room: () => this.#room(),
      pass: () => this.host.passes.last,
      read: (tokens, signal, guesses) => this.#pass(tokens, true, signal, guesses),
    };
  }
}
