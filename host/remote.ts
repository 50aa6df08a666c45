// A model that lives at the other end of a message port, as a page has one in a Web Worker so that
// it never freezes. `answer` stands at the model's end, `RemoteModel` at the user's. Knows nothing
// of how the two are started.

import type { ChatMessage } from "./chat";
import type { ClassifyOptions, Label } from "./classify";
import { completionOf, type GenerateResult, type Writing } from "./completion";
import { NibbleError, type ErrorCode } from "./errors";
import { extract, type ExtractOptions } from "./extract";
import type { ModelInfo } from "./info";
import type { Model } from "./model";
import type { GenerateOptions, LoadOptions, TokenizeOptions } from "./options";
import type { CompletionOf, Schema, Shaped, ShapeOptions, ValueOf } from "./schema";
import type { ScoreOptions, ScoreResult } from "./score";
import type { Prompt } from "./session";
import { withValue } from "./shapes";
import type { SourceInput } from "./source";
import { jsonSchemaOf } from "./value";

/** What messages pass through: a Worker, the scope inside one, or a MessagePort. */
export interface Port {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
}

type Method = "load" | "generate" | "chat" | "classify" | "score" | "tokenize" | "detokenize"
  | "dispose";

/** From the user's end. `told` names the callbacks that somebody listens to. */
interface Request {
  id: number;
  method?: Method;
  args?: unknown[];
  told?: string[];
  /** The call with this id is to stop. */
  abort?: true;
}

/** From the model's end: something on the way, or the end of a call. */
interface Reply {
  id: number;
  text?: string;
  told?: { name: string; value: unknown };
  done?: { value: unknown };
  failed?: { name: string; code?: ErrorCode; message: string };
}

type Load = (input?: SourceInput, options?: LoadOptions) => Promise<Model>;

/** Callbacks of options, which cannot travel themselves. */
const CALLBACKS = ["onProgress", "onToken"];

/** Answers at the model's end; `load` is the platform's. One port has one model. */
export function answer(port: Port, load: Load): void {
  const running = new Map<number, AbortController>();
  let model: Model | undefined;

  function options(request: Request, given: unknown, signal: AbortSignal): object {
    const callbacks = (request.told ?? []).map((name) => [name, (value: unknown) => {
      post(port, { id: request.id, told: { name, value } });
    }]);
    return { ...given as object, ...Object.fromEntries(callbacks), signal };
  }

  async function run(request: Request, signal: AbortSignal): Promise<unknown> {
    const [first, second, third] = request.args ?? [];
    if (request.method === "load") {
      model?.dispose();
      model = undefined;
      model = await load(first as SourceInput, options(request, second, signal));
      return model.info;
    }
    if (!model) throw new NibbleError("MODEL_DISPOSED", "No model has been loaded here.");
    switch (request.method) {
      case "generate":
      case "chat": {
        const given = options(request, second, signal);
        const pieces = request.method === "chat" ? model.chat(first as ChatMessage[], given)
          : model.generate(first as Prompt, given);
        for (;;) {
          const { done, value } = await pieces.next();
          if (done) return value;
          post(port, { id: request.id, text: value });
        }
      }
      case "classify":
        return model.classify(first as string, second as string[], options(request, third, signal));
      case "score": return model.score(first as string, options(request, second, signal));
      case "tokenize": return model.tokenize(first as string, second as object);
      case "detokenize": return model.detokenize(first as number[]);
      default:
        model.dispose();
        model = undefined;
        return undefined;
    }
  }

  port.addEventListener("message", ({ data }) => {
    const request = data as Request;
    if (request.abort) return running.get(request.id)?.abort();
    const stop = new AbortController();
    running.set(request.id, stop);
    run(request, stop.signal).then(
      (value) => post(port, { id: request.id, done: { value } }),
      (error: unknown) => post(port, { id: request.id, failed: failureOf(error) }),
    ).finally(() => running.delete(request.id));
  });
}

function post(port: Port, reply: Reply): void {
  port.postMessage(reply);
}

function failureOf(error: unknown): NonNullable<Reply["failed"]> {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  // By name: `load` may come from another bundle, with a class of its own.
  return name === "NibbleError" ? { name, message, code: (error as NibbleError).code }
    : { name, message };
}

/** One call at the user's end: what has come and is not taken yet, and who waits for more. */
class Call {
  readonly #texts: string[] = [];
  #end: Pick<Reply, "done" | "failed"> | undefined;
  #wake: (() => void) | undefined;

  constructor(
    readonly callbacks: Record<string, (value: unknown) => void>, readonly release: () => void,
  ) {}

  take(reply: Reply): void {
    if (reply.told) return this.callbacks[reply.told.name]?.(reply.told.value);
    if (reply.text !== undefined) this.#texts.push(reply.text);
    else this.#end = reply;
    this.#wake?.();
  }

  /** The next piece of text, or undefined at the end. Throws what the other end threw. */
  async next(): Promise<string | undefined> {
    while (this.#texts.length === 0 && !this.#end) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#texts.shift();
  }

  /** What the other end returned. */
  async result(): Promise<unknown> {
    while (await this.next() !== undefined);
    const failed = this.#end?.failed;
    if (!failed) return this.#end?.done?.value;
    if (failed.code) throw new NibbleError(failed.code, failed.message);
    throw Object.assign(new Error(failed.message), { name: failed.name });
  }
}

/** The user's end of a port: calls that are under way. */
class Link {
  readonly #calls = new Map<number, Call>();
  #count = 0;
  #broken: NibbleError | undefined;

  constructor(readonly port: Port) {
    port.addEventListener("message", ({ data }) => {
      const reply = data as Reply;
      this.#calls.get(reply.id)?.take(reply);
      if (reply.done ?? reply.failed) this.#forget(reply.id);
    });
  }

  /** Starts a call; what the options listen to comes back as messages. */
  start(method: Method, args: unknown[], options: CallOptions = {}): [Call, number] {
    if (this.#broken) throw this.#broken;
    const { signal } = options;
    signal?.throwIfAborted();
    const id = this.#count++;
    const callbacks = Object.fromEntries(CALLBACKS
      .filter((name) => typeof options[name] === "function")
      .map((name) => [name, options[name] as (value: unknown) => void]));
    const stop = (): void => this.abort(id);
    const call = new Call(callbacks, () => signal?.removeEventListener("abort", stop));
    this.#calls.set(id, call);
    const request: Request = { id, method, args, told: Object.keys(callbacks) };
    try {
      this.port.postMessage(request);
    } catch (cause) {
      this.#forget(id);
      throw new NibbleError("BAD_SOURCE", "What was given cannot be sent to a worker "
        + `(${String(cause)}); give a URL, a Blob or bytes.`, { cause });
    }
    signal?.addEventListener("abort", stop);
    return [call, id];
  }

  /** A call has ended; the signal, which may be there for many calls, forgets it too. */
  #forget(id: number): void {
    this.#calls.get(id)?.release();
    this.#calls.delete(id);
  }

  /** A call that has one result. */
  async call(method: Method, args: unknown[], options: CallOptions = {}): Promise<unknown> {
    const [call] = this.start(method, args, options);
    try {
      return await call.result();
    } catch (error) {
      options.signal?.throwIfAborted(); // the reason that was given here, not the one over there
      throw error;
    }
  }

  abort(id: number): void {
    const request: Request = { id, abort: true };
    if (this.#calls.has(id)) this.port.postMessage(request);
  }

  /** The other end is gone: every call fails, now and later. */
  break(error: NibbleError): void {
    this.#broken = error;
    for (const [id, call] of this.#calls) {
      call.take({ id, failed: { name: error.name, code: error.code, message: error.message } });
      this.#forget(id);
    }
  }
}

interface CallOptions {
  signal?: AbortSignal | undefined;
  [name: string]: unknown;
}

/** Options without what cannot travel; a library's schema as the JSON schema that it stands for. */
function plain(options: object): object {
  return Object.fromEntries(Object.entries(options).filter(([name, value]) => (
    name !== "signal" && !(CALLBACKS.includes(name) && typeof value === "function")
  )).map(([name, value]) => [name, name === "schema" && value !== undefined
    ? jsonSchemaOf(value as Schema) : value]));
}

/** What started the other end, and can tell when it has failed and end it. */
export interface Starter {
  onFailure(fail: (error: NibbleError) => void): void;
  end(): void;
}

/**
 * Loads a model at the other end of a port. Paths, addresses, Blobs and bytes can be sent; of other
 * sources BAD_SOURCE is thrown. The other end is ended when loading fails, and by `dispose`.
 */
export async function loadRemote(
  port: Port, input?: SourceInput, options: LoadOptions = {}, starter?: Starter,
): Promise<RemoteModel> {
  const link = new Link(port);
  starter?.onFailure((error) => link.break(error));
  const source = input instanceof URL ? input.href : input;
  try {
    const info = await link.call("load", [source, plain(options)], options as CallOptions);
    return new RemoteModel(link, info as ModelInfo, () => starter?.end());
  } catch (error) {
    starter?.end();
    throw error;
  }
}

/** A model at the other end of a port: what `Model` can, but that everything is a promise. */
export class RemoteModel {
  readonly #link: Link;
  readonly #end: () => void;

  /** @internal Remote models come from `loadRemote`. */
  constructor(
    link: Link,
    /** Shape, metadata, tensors and memory of the model. */
    readonly info: ModelInfo,
    end: () => void,
  ) {
    this.#link = link;
    this.#end = end;
  }

  /** As `Model.generate`; the other end may be ahead of the reader. */
  generate(prompt: Prompt, options: GenerateOptions = {}): Writing {
    return this.#write("generate", prompt, options);
  }

  /** As `Model.complete`. */
  async complete<const S extends Schema = never, const Choice extends string = never>(
    prompt: Prompt, options: GenerateOptions & ShapeOptions<S, Choice> = {},
  ): Promise<CompletionOf<S, Choice>> {
    return withValue(await completionOf(this.generate(prompt, options)), options);
  }

  /** As `Model.chat`. */
  chat(messages: readonly ChatMessage[], options: GenerateOptions = {}): Writing {
    return this.#write("chat", messages, options);
  }

  /** As `Model.completeChat`. */
  async completeChat<const S extends Schema = never, const Choice extends string = never>(
    messages: readonly ChatMessage[], options: GenerateOptions & ShapeOptions<S, Choice> = {},
  ): Promise<CompletionOf<S, Choice>> {
    return withValue(await completionOf(this.chat(messages, options)), options);
  }

  /** As `Model.classify`. */
  classify<const Name extends string>(
    text: string, labels: readonly Name[], options: ClassifyOptions = {},
  ): Promise<Label<Name>[]> {
    return this.#link.call("classify", [text, labels, plain(options)], options as CallOptions) as
      Promise<Label<Name>[]>;
  }

  /** As `Model.extract`. */
  extract<const S extends Schema>(
    text: string, schema: S, options: ExtractOptions = {},
  ): Promise<Shaped<ValueOf<S>>> {
    return extract(this, text, schema, options);
  }

  /** How well the model predicts a text: bits per byte. */
  score(text: string, options: ScoreOptions = {}): Promise<ScoreResult> {
    return this.#link.call("score", [text, plain(options)], options as CallOptions) as
      Promise<ScoreResult>;
  }

  /** Token ids of a text, with BOS and EOS as the vocabulary asks. */
  tokenize(text: string, options: TokenizeOptions = {}): Promise<number[]> {
    return this.#link.call("tokenize", [text, options]) as Promise<number[]>;
  }

  /** The text of tokens. */
  detokenize(tokens: readonly number[]): Promise<string> {
    return this.#link.call("detokenize", [tokens]) as Promise<string>;
  }

  /** Frees the model's memory. Whatever still runs rejects with MODEL_DISPOSED. */
  async dispose(): Promise<void> {
    try {
      await this.#link.call("dispose", []);
    } finally {
      this.#link.break(new NibbleError("MODEL_DISPOSED", "This model has been disposed of."));
      this.#end();
    }
  }
  async *#write(method: Method, input: unknown, options: GenerateOptions): Writing {
    const [call, id] = this.#link.start(method, [input, plain(options)], options as CallOptions);
    try {
      for (;;) {
        const text = await call.next();
        if (text === undefined) return await call.result() as GenerateResult;
        yield text;
      }
    } catch (error) {
      options.signal?.throwIfAborted();
      throw error;
    } finally {
      this.#link.abort(id); // of a reader that stopped; a call that has ended is not there any more
    }
  }
}
