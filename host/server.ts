// A model behind OpenAI's interface: one function from Request to Response, which any runtime with
// these two can serve. Opens no sockets and reads no files; knows nothing of the platform.

import { Hono, type Context } from "hono";
import { cors } from "hono/cors";
import type { GenerateResult, Writing } from "./completion";
import type { ModelInfo } from "./info";
import type { Model } from "./model";
import type { GenerateOptions } from "./options";
import { recommendedBy } from "./recommended";
import { KeptSessions, type SessionStore } from "./sessions";
import { readJson } from "./server/body";
import { checkKey } from "./server/key";
import { Metrics } from "./server/metrics";
import page from "./server/page.html";
import {
  chatOf, completionOf, detokenizeOf, embeddingsOf, tokenizeOf, type Wanted,
} from "./server/parameters";
import { OPEN_PATHS, pathForLog, sessionOf } from "./server/paths";
import { Refusal, refusalOf, refusalResponse } from "./server/refusal";
import {
  chatForm, completionForm, type Form, type FormSettings,
} from "./server/replies";
import { Running, type Run } from "./server/running";
import { byField, fieldsOf, overDefaults } from "./server/sampling";
import { spellerOf } from "./server/speller";
import { eventStream } from "./server/stream";
import { gather } from "./server/whole";
import { happenings, type Begin } from "./server/writings";
import { settingsOf } from "./settings";

export { durableStore, type DurableStorage } from "./server/durable";
export {
  createJobs, type JobBatch, type JobBucket, type JobQueue, type JobsOptions, type NibbleJobs,
} from "./server/jobs";
export { sessionOf } from "./server/paths";
export type { SessionStore } from "./sessions";

export interface ServerOptions {
  /** What clients call the model; default its own name. */
  name?: string | undefined;
  /** What clients must send as `Authorization: Bearer KEY`; default nothing. */
  apiKey?: string | undefined;
  /** Origins whose pages may use the server, or "*" for all; default none. */
  cors?: readonly string[] | undefined;
  /** How texts are sampled whose requests do not say; default as the model's file recommends. */
  sampling?: GenerateOptions | undefined;
  /** Longest time for one answer; default 300 seconds. */
  limitSeconds?: number | undefined;
  /** Longest time that the reader of a stream may take nothing; default 10 seconds. */
  idleSeconds?: number | undefined;
  /** Largest body of a request; default 4 MiB, more than any context holds. */
  bodyBytesMax?: number | undefined;
  /** Where sessions are kept by id, for the paths below /v1/sessions/; default nowhere. */
  sessions?: SessionStore | undefined;
  /** Called once for every request, when its answer is over. */
  log?: ((entry: LogEntry) => void) | undefined;
}

/** A request and what became of it. */
export interface LogEntry {
  method: string;
  path: string;
  status: number;
  milliseconds: number;
  promptTokens: number;
  reusedTokens: number;
  completionTokens: number;
  /** What went wrong, if anything did. */
  error?: string;
}

export interface NibbleServer {
  /** Answers a request; never rejects. */
  fetch(request: Request): Promise<Response>;
  /** Takes no more, lets running answers end for some seconds (10), and stops the rest. */
  close(limitSeconds?: number): Promise<void>;
}

const BODY_BYTES_MAX = 4 << 20;
const LIMIT_SECONDS = 300;
const IDLE_SECONDS = 10;
/** A server for a model; the model stays the caller's. */
export function createServer(model: Model, options: ServerOptions = {}): NibbleServer {
  const server = new Server(model, options);
  return {
    fetch: (request) => server.answer(request),
    close: (limitSeconds = 10) => server.running.close(limitSeconds),
  };
}

class Server {
  readonly running = new Running();
  readonly #model: Model;
  readonly #info: ModelInfo;
  readonly #options: ServerOptions;
  readonly #kept: KeptSessions | undefined;
  readonly #name: string;
  readonly #started = Math.floor(Date.now() / 1000);
  readonly #metrics = new Metrics();
  readonly #app = new Hono<{ Bindings: { entry: LogEntry; settle(): void } }>();

  constructor(model: Model, options: ServerOptions) {
    this.#model = model;
    this.#options = options;
    settingsOf(options.sampling ?? {}); // wrong ones are the owner's mistake, not a client's
    this.#kept = options.sessions && new KeptSessions(model, options.sessions);
    // It does not change, and takes a while to read back out of the engine.
    this.#info = model.info;
    const own = this.#info.metadata.find(({ key }) => key === "general.name")?.value;
    this.#name = options.name ?? (typeof own === "string" && own !== "" ? own : "nibble");
    this.#route();
  }

  /** Answers, and logs and counts the answer when its last byte has gone. */
  async answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const started = performance.now();
    const entry: LogEntry = {
      method: request.method, path: pathForLog(pathname), status: 500,
      milliseconds: 0, promptTokens: 0, reusedTokens: 0, completionTokens: 0,
    };
    let isOpen = false;
    const settle = (): void => {
      entry.milliseconds = Math.round((performance.now() - started) * 10) / 10;
      this.#metrics.answered(entry.path, entry.status, entry.milliseconds / 1000);
      this.#options.log?.(entry);
    };
    const response = await this.#app.fetch(request, { entry, settle: () => {
      if (isOpen) settle();
      isOpen = false;
    } });
    entry.status = response.status;
    isOpen = response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
    if (!isOpen) settle();
    return response;
  }

  #route(): void {
    const app = this.#app;
    app.onError((error, context) => this.#refuse(context, error));
    app.notFound((context) => this.#refuse(context, new Refusal(404, "There is nothing here; "
      + "the interface begins at /v1/.")));
    const { cors: origins } = this.#options;
    if (origins) {
      app.use("*", cors({ origin: origins.includes("*") ? "*" : [...origins], maxAge: 86400,
        allowHeaders: ["authorization", "content-type"],
        allowMethods: ["GET", "POST", "DELETE"] }));
    }
    app.use("*", async (context, next) => {
      await next();
      context.header("x-content-type-options", "nosniff");
    });
    app.use("*", (context, next) => this.#authorize(context, next));
    app.get("/", (context) => pageFor(context));
    app.get("/health", (context) => context.json({ status: "ok" }));
    app.get("/metrics", (context) => context.text(
      this.#metrics.text(this.#model.activity, this.#info.sessions), 200,
      { "content-type": "text/plain; version=0.0.4; charset=utf-8" }));
    app.get("/props", (context) => context.json(this.#props()));
    app.get("/v1/models", (context) => context.json({ object: "list", data: [
      { id: this.#name, object: "model", created: this.#started, owned_by: "nibble" }] }));
    app.post("/v1/completions", (context) => this.#complete(context));
    app.post("/v1/chat/completions", (context) => this.#chat(context));
    if (this.#kept) this.#routeSessions(this.#kept);
    app.post("/v1/embeddings", (context) => this.#embed(context));
    app.post("/tokenize", async (context) => {
      const { text, special } = tokenizeOf(await this.#bodyOf(context));
      return context.json({ tokens: this.#model.tokenize(text, { special }) });
    });
    app.post("/detokenize", async (context) => {
      const tokens = detokenizeOf(await this.#bodyOf(context));
      return context.json({ content: this.#model.detokenize(tokens) });
    });
  }

  /** The same as without, in a session that stays. */
  #routeSessions(kept: KeptSessions): void {
    const idOf = ({ req }: Context): string => {
      const id = sessionOf(req.raw);
      if (id !== undefined) return id;
      throw new Refusal(400, "The id of a session has 1 to 128 letters, digits, - and _.");
    };
    const path = "/v1/sessions/:id";
    this.#app.post(`${path}/completions`, async (context) => this.#complete(context, {
      kept, id: idOf(context) }));
    this.#app.post(`${path}/chat/completions`, async (context) => this.#chat(context, {
      kept, id: idOf(context) }));
    this.#app.delete(path, async (context) => {
      const id = idOf(context);
      return context.json({ object: "session.deleted", id, deleted: await kept.delete(id) });
    });
  }

  #refuse(context: Context, error: unknown): Response {
    const refusal = refusalOf(error);
    const { entry } = context.env as { entry: LogEntry };
    entry.error = refusal.status === 500 && error instanceof Error ? String(error.stack)
      : refusal.message;
    return refusalResponse(refusal);
  }

  async #authorize(context: Context, next: () => Promise<void>): Promise<void> {
    if (!OPEN_PATHS.includes(context.req.path)) {
      await checkKey(context.req.header("authorization"), this.#options.apiKey);
    }
    await next();
  }

  #bodyOf(context: Context): Promise<unknown> {
    return readJson(context.req.raw, this.#options.bodyBytesMax ?? BODY_BYTES_MAX);
  }

  #props(): object {
    const { architecture, parameters, context, sessions, tokenizer, chatTemplate, metadata } = (
      this.#info);
    const settings = settingsOf(this.#options.sampling ?? {}, recommendedBy(metadata).options);
    return { model: this.#name, architecture, parameters, context, sessions, tokenizer,
      chat_template: chatTemplate ?? null,
      defaults: fieldsOf(settings) };
  }

  #checkModel(name: string | undefined): void {
    if (name === undefined || name === this.#name) return;
    throw new Refusal(404, `There is no model ${JSON.stringify(name.slice(0, 100))} here; there is `
      + `${JSON.stringify(this.#name)}.`, "model", "model_not_found");
  }

  #formSettings(wanted: Wanted): FormSettings {
    return {
      head: { created: Math.floor(Date.now() / 1000), model: this.#name,
        system_fingerprint: `nibble-${this.#info.numerics}` },
      spell: spellerOf(this.#model), alternatives: wanted.alternatives,
      includesUsage: wanted.isStream && wanted.includesUsage,
    };
  }

  async #complete(context: Context, own?: Own): Promise<Response> {
    const wanted = completionOf(await this.#bodyOf(context), own !== undefined);
    this.#checkModel(wanted.model);
    const { prompts, choices, echo } = wanted;
    const echoes = echo ? prompts.map((prompt) => (
      typeof prompt === "string" ? prompt : this.#model.detokenize(prompt))) : undefined;
    const form = completionForm(this.#formSettings(wanted), choices, echoes);
    if (own) {
      const [prompt] = prompts; // none where a text is taken up
      const param = prompt === undefined ? "resume" : "prompt";
      return this.#write(context, wanted, form, param, [(options) => (prompt === undefined
        ? own.kept.resume(own.id, options) : own.kept.generate(own.id, prompt, options))]);
    }
    const all = prompts.flatMap((prompt) => Array.from({ length: choices }, () => prompt));
    return this.#write(context, wanted, form, "prompt", all.map((prompt) => (
      (options) => this.#model.generate(prompt, options))));
  }

  async #chat(context: Context, own?: Own): Promise<Response> {
    const wanted = chatOf(await this.#bodyOf(context), own !== undefined);
    this.#checkModel(wanted.model);
    const form = chatForm(this.#formSettings(wanted), wanted.choices);
    const { messages, resumes } = wanted;
    const begin = (options: GenerateOptions): Writing => {
      if (!own) return this.#model.chat(messages, options);
      return resumes ? own.kept.resumeChat(own.id, messages, options)
        : own.kept.chat(own.id, messages, options);
    };
    return this.#write(context, wanted, form, "messages",
      Array.from({ length: wanted.choices }, () => begin));
  }

  /** Writes all texts of a request, and answers with them at once or as they come. */
  async #write(
    context: Context, wanted: Wanted, form: Form, param: string,
    writers: ((options: GenerateOptions) => Writing)[],
  ): Promise<Response> {
    const run = this.running.begin(context.req.raw.signal,
      this.#options.limitSeconds ?? LIMIT_SECONDS);
    const options = overDefaults(wanted.options, this.#options.sampling);
    const rest = happenings(
      writers.map((write, i) => beginOf(write, { ...wanted, options }, i, run)), run.stop);
    let isStreaming = false;
    try {
      const first = await rest.next();
      if (first.done) throw new Error("there is no text at all");
      if (!wanted.isStream) {
        const choices = await gather(writers.length, first.value, rest);
        for (const { result } of choices) this.#count(context, result);
        return context.json(form.whole(choices));
      }
      isStreaming = true;
      const { entry, settle } = context.env as { entry: LogEntry; settle(): void };
      return context.body(eventStream({
        form, choices: writers.length, first: first.value, rest,
        includesUsage: wanted.includesUsage, signal: run.signal,
        idleSeconds: this.#options.idleSeconds ?? IDLE_SECONDS,
        onEnd: (result) => this.#count(context, result),
        onOver: (error) => {
          if (error !== undefined) entry.error = String(error);
          run.stop(error);
          run.end();
          settle();
        },
      }), 200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store",
        "x-accel-buffering": "no" });
    } catch (error) {
      throw refusalOf(byField(error), param, wanted.shape ?? null);
    } finally {
      if (!isStreaming) run.end();
    }
  }

  #count(context: Context, result: GenerateResult): void {
    const { entry } = context.env as { entry: LogEntry };
    entry.promptTokens += result.promptTokens;
    entry.reusedTokens += result.reusedTokens;
    entry.completionTokens += result.completionTokens;
    this.#metrics.tokens.prompt += result.promptTokens;
    this.#metrics.tokens.reused += result.reusedTokens;
    this.#metrics.tokens.completion += result.completionTokens;
  }

  async #embed(context: Context): Promise<Response> {
    const { inputs, model: name, isBase64 } = embeddingsOf(await this.#bodyOf(context));
    this.#checkModel(name);
    const run = this.running.begin(context.req.raw.signal,
      this.#options.limitSeconds ?? LIMIT_SECONDS);
    try {
      const found = await Promise.all(inputs.map((input) => (
        this.#model.embed(input, { signal: run.signal }))));
      const tokens = found.reduce((sum, { promptTokens }) => sum + promptTokens, 0);
      this.#metrics.tokens.prompt += tokens;
      return context.json({
        object: "list", model: this.#name,
        data: found.map(({ vector }, index) => ({ object: "embedding", index,
          embedding: isBase64 ? base64Of(vector) : [...vector] })),
        usage: { prompt_tokens: tokens, total_tokens: tokens },
      });
    } catch (error) {
      run.stop(error);
      throw refusalOf(error, "input");
    } finally {
      run.end();
    }
  }
}

/** The session that a request is for. */
interface Own {
  kept: KeptSessions;
  id: string;
}

/** How one of several texts begins: each has a seed of its own. */
function beginOf(
  write: (options: GenerateOptions) => Writing, { options, alternatives, choices }: Wanted,
  index: number, { signal }: Run,
): Begin {
  const seed = options.seed === undefined ? undefined : options.seed + index % choices;
  return (onToken) => write({
    ...options, seed, signal,
    ...(alternatives === undefined ? {} : { onToken, likeliest: alternatives }),
  });
}

function base64Of(vector: Float32Array): string {
  const bytes = new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

/** The chat page. Nothing but its own script may run in it, and it may talk to nobody else. */
function pageFor(context: Context): Response {
  const nonce = crypto.randomUUID();
  return context.html(page.replaceAll("NONCE", nonce), 200, {
    "content-security-policy": `default-src 'none'; script-src 'nonce-${nonce}'; style-src `
      + `'nonce-${nonce}'; connect-src 'self'; img-src data:; base-uri 'none'; `
      + "form-action 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
  });
}
