// The class that users hold: a loaded model and everything it can do. Knows nothing of platforms.

import { checkChoose, choose, type ChooseOptions, type Chosen } from "./choose";
import { startEngine, type Engines } from "./builds";
import { ENCODE, type Engine } from "./engine";
import { NibbleError } from "./errors";
import { describeModel, type ModelInfo } from "./info";
import { loadInto } from "./load";
import {
  checkFlag, checkLoadOptions, checkNames, checkTokens, settingsOf, type GenerateOptions,
  type LoadOptions, type TokenizeOptions,
} from "./options";
import type { Question } from "./questions";
import { checkScoreOptions, score, type ScoreOptions, type ScoreResult } from "./score";
import { Session, type GenerateResult, type SessionHost } from "./session";
import { decodeToken, encodeText, pieceOf } from "./tokens";
import { openInput } from "./shards";
import type { OpenPath, Source, SourceInput } from "./source";
import { startShared, threadsFor, type ThreadHost } from "./threads";
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

/** A text and how it ended. */
export interface Completion extends GenerateResult {
  text: string;
}

/**
 * Loads a model, the embedded one when none is given. Throws NibbleError: the source's failures,
 * the file's, MODEL_REQUIRED or BAD_OPTION; or the signal's reason.
 */
export async function loadModel(
  platform: Platform, input: SourceInput | undefined, options: LoadOptions = {},
): Promise<Model> {
  checkLoadOptions(options);
  options.signal?.throwIfAborted();
  const { fetch, signal } = options;
  const source = input === undefined ? await openEmbedded(platform, signal)
    : await openInput(input, { openPath: platform.openPath, fetch, signal });
  const reader = await startEngine(platform, options.simd).catch(async (cause: unknown) => {
    await source.close();
    if (cause instanceof NibbleError) throw cause;
    throw new NibbleError("ENGINE_MISSING",
      `The engine could not be started: ${String(cause)}.`, { cause });
  });
  const engine = await loadInto(reader, source, options, async (plan, limit) => {
    const host = platform.threads;
    const threads = threadsFor(host, options.threads, reader.fact("parameters"));
    return threads > 1 && host ? startShared(host, platform, reader, plan, threads, limit)
      : undefined;
  });
  return new Model(engine, platform, options.queue);
}

async function openEmbedded(platform: Platform, signal?: AbortSignal): Promise<Source> {
  const source = await platform.openEmbedded?.(signal);
  if (source) return source;
  throw new NibbleError("MODEL_REQUIRED", "No model was given and this build has none embedded; "
    + "name a GGUF file by its path or URL, or pass its bytes.");
}

export class Model {
  #engine: Engine | undefined;
  readonly #yieldNow: () => Promise<void>;
  readonly #pause: (() => Promise<void>) | undefined;
  readonly #queueMax: number;
  readonly #free: number[];
  /** One-shot texts that wait for a session; and how many run, which will give theirs back. */
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  /** The last to use the engine's one digest. */
  #digest: Promise<unknown> = Promise.resolve();

  /** @internal Models come from `load`. */
  constructor(engine: Engine, platform: Platform, queueMax = 256) {
    this.#queueMax = queueMax;
    this.#engine = engine;
    this.#pause = platform.pause?.bind(platform);
    this.#yieldNow = turnTaking(() => platform.yieldNow());
    this.#free = Array.from({ length: engine.fact("sessions") }, (_, i) => i).reverse();
  }

  /** Shape, metadata, tensors and memory of the model. */
  get info(): ModelInfo {
    return describeModel(this.#alive());
  }

  /**
   * Writes on from `prompt`, piece by piece, never splitting a character. Waits when all sessions
   * are busy with other texts.
   */
  async *generate(
    prompt: string, options: GenerateOptions = {},
  ): AsyncGenerator<string, GenerateResult, undefined> {
    settingsOf(options);
    const session = await this.#take(options.signal);
    try {
      return yield* session.generate(prompt, options);
    } finally {
      this.#running--;
      session.close();
    }
  }

  /** The same, all at once. */
  async complete(prompt: string, options: GenerateOptions = {}): Promise<Completion> {
    const pieces = this.generate(prompt, options);
    let text = "";
    for (;;) {
      const { done, value } = await pieces.next();
      if (done) return { text, ...value };
      text += value;
    }
  }

  /**
   * The same as a stream of UTF-8 bytes, which is what a Response takes. Cancelling it, as hosts do
   * when a client has gone, stops the writing.
   */
  stream(prompt: string, options: GenerateOptions = {}): ReadableStream<Uint8Array<ArrayBuffer>> {
    const stop = new AbortController();
    const signals = options.signal ? [options.signal, stop.signal] : [stop.signal];
    const pieces = this.generate(prompt, { ...options, signal: AbortSignal.any(signals) });
    const encoder = new TextEncoder();
    return new ReadableStream({
      async pull(controller) {
        const next = await pieces.next();
        if (next.done) controller.close();
        else controller.enqueue(encoder.encode(next.value));
      },
      async cancel(reason) {
        // The abort reaches a text that is being written, the return one that waits for its reader.
        stop.abort(reason);
        await pieces.return(undefined as never).catch(() => undefined);
      },
    });
  }

  /** Opens a conversation. Throws SESSIONS_IN_USE when all that were loaded are taken. */
  session(): Session {
    const engine = this.#alive();
    if (this.#free.length > 0) engine.call((e) => e.rewind(this.#free.at(-1) as number, 0));
    const index = this.#free.pop();
    if (index === undefined) {
      const count = engine.fact("sessions");
      throw new NibbleError("SESSIONS_IN_USE",
        `All ${count} sessions are in use; close one, or load with more (sessions: ${count + 1}).`);
    }
    return new Session(this.#host(), index);
  }

  /** How well the model predicts a text: bits per byte. */
  async score(text: string, options: ScoreOptions = {}): Promise<ScoreResult> {
    checkScoreOptions(options);
    return this.#with(options.signal, (session) => score(session, text, options));
  }

  /** Which of several answers the model finds likeliest. */
  async choose(question: Question, options: ChooseOptions = {}): Promise<Chosen> {
    checkChoose(question, options);
    return this.#with(options.signal, (session) => choose(session, question, options));
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
    const engine = this.#alive();
    checkTokens(tokens);
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    let text = "";
    let isFirst = true;
    for (const token of tokens) {
      const bytes = decodeToken(engine, token, isFirst);
      // The first token that is text loses the prefix space; control tokens have no bytes at all.
      if (isFirst && decodeToken(engine, token, false).length > 0) isFirst = false;
      text += decoder.decode(bytes, { stream: true });
    }
    return text + decoder.decode();
  }

  /** Frees the memory. Whatever still runs rejects with MODEL_DISPOSED. */
  dispose(): void {
    this.#engine?.end();
    this.#engine = undefined;
    for (const wake of this.#waiting.splice(0)) wake();
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
      yieldNow: this.#yieldNow,
      checkAlive: () => void this.#alive(),
      inTurn: (work) => {
        const result = this.#digest.then(work);
        this.#digest = result.catch(() => undefined);
        return result;
      },
      release: (index) => {
        this.#free.push(index);
        this.#waiting.shift()?.();
      },
    };
  }

  /** Waits until a session may be free, or until the signal aborts. */
  async #wait(signal: AbortSignal | undefined): Promise<void> {
    let isAwake = false;
    let resolve = (): void => undefined;
    const woken = new Promise<void>((resolveIt) => {
      resolve = resolveIt;
    });
    const wake = (): void => {
      isAwake = true;
      if (!this.#pause) resolve();
    };
    this.#waiting.push(wake);
    signal?.addEventListener("abort", wake);
    if (this.#pause) while (!isAwake) await this.#pause();
    else await woken;
    signal?.removeEventListener("abort", wake);
    const at = this.#waiting.indexOf(wake);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  /** Does work on a session of its own. */
  async #with<T>(
    signal: AbortSignal | undefined, work: (session: Session) => Promise<T>,
  ): Promise<T> {
    const session = await this.#take(signal);
    try {
      return await work(session);
    } finally {
      this.#running--;
      session.close();
    }
  }

  /** A session for one text; waits while others that will end hold them all. */
  async #take(signal: AbortSignal | undefined): Promise<Session> {
    const mustWait = this.#free.length === 0 && this.#running > 0;
    if (mustWait && this.#waiting.length >= this.#queueMax) {
      throw new NibbleError("QUEUE_FULL", `${this.#waiting.length} texts wait for a free session `
        + "already; try again later, or load with a longer queue or more sessions.");
    }
    try {
      signal?.throwIfAborted();
      while (this.#free.length === 0 && this.#running > 0) {
        await this.#wait(signal);
        signal?.throwIfAborted();
        this.#alive();
      }
      const session = this.session();
      this.#running++;
      return session;
    } catch (error) {
      this.#waiting.shift()?.(); // it may have been this one's turn, which goes to the next
      throw error;
    }
  }
}
