// Work for later: requests wait in a queue until a consumer answers them, and the answers lie in a
// bucket. Queue and bucket are those of Cloudflare, or anything of their shape. The same job may be
// sent, and delivered, any number of times: it has one answer. Knows nothing of models.
//
//   POST /v1/jobs               {"id": "...", "requests": [{"custom_id", "url", "body"}, ...]}
//   GET  /v1/jobs/ID            which of them are done
//   GET  /v1/jobs/ID/CUSTOM_ID  an answer, as in the output file of OpenAI's batches

import { Hono } from "hono";
import { readJson } from "./body";
import { Fields, wrong } from "./fields";
import { checkKey } from "./key";
import { Refusal, refusalOf, refusalResponse } from "./refusal";

/** Where jobs wait; `env.QUEUE` of a Worker. */
export interface JobQueue {
  send(body: unknown): Promise<unknown>;
  sendBatch(messages: Iterable<{ body: unknown }>): Promise<unknown>;
}

/** Where answers lie; `env.BUCKET` of a Worker. */
export interface JobBucket {
  head(key: string): Promise<object | null>;
  get(key: string): Promise<{ text(): Promise<string> } | null>;
  put(key: string, value: string, options: { onlyIf: { etagDoesNotMatch: string } }):
  Promise<unknown>;
  /** Not all at once: while it is `truncated`, the rest begins at the cursor. */
  list(options: { prefix: string; cursor?: string | undefined }): Promise<{
    objects: readonly { key: string }[];
    truncated?: boolean | undefined;
    cursor?: string | undefined;
  }>;
}

/** What a consumer is given. */
export interface JobBatch {
  readonly messages: readonly {
    readonly body: unknown;
    readonly attempts: number;
    ack(): void;
    retry(options: { delaySeconds: number }): void;
  }[];
}

export interface JobsOptions {
  queue: JobQueue;
  /** The queue for jobs that cannot be answered. */
  dead: JobQueue;
  results: JobBucket;
  /** What clients must send as `Authorization: Bearer KEY`, and what the server is sent. */
  apiKey?: string | undefined;
  /** Told what failed whenever a message comes again because of something that was thrown. */
  log?: ((error: unknown) => void) | undefined;
}

export interface NibbleJobs {
  /** Takes jobs and tells of them; never rejects. */
  fetch(request: Request): Promise<Response>;
  /**
   * Answers the jobs of a batch, one after the other, by `answer`, a server's `fetch`. A busy or
   * failing server means that a job comes again; a job that is wrong goes to the dead ones.
   */
  consume(batch: JobBatch, answer: (request: Request) => Promise<Response>): Promise<void>;
  /** For the queue of the dead: says in the place of each answer why there is none. */
  bury(batch: JobBatch): Promise<void>;
}

interface Job {
  id: string;
  custom_id: string;
  url: string;
  body: Record<string, unknown>;
  /** Of a dead one: why. */
  error?: string;
}

const URLS = ["/v1/completions", "/v1/chat/completions", "/v1/embeddings"];
/** As many as a bucket lists at once. */
const JOBS_MAX = 1000;
const BODY_BYTES_MAX = 4 << 20;
/** A message has at most 128,000 bytes, and a batch of them 100 and 256,000. */
const JOB_BYTES_MAX = 120_000;
const BATCH_BYTES_MAX = 240_000;
const BATCH_MAX = 100;
/**
 * Wrong in the same way however often it is tried, unless the status is one of these. A key or a
 * path that the server does not take is its owner's mistake, who can mend it meanwhile.
 */
const COMES_AGAIN = [401, 403, 404, 408, 409, 425, 429];
/** As the dead queue has them beside a job: together they fit into a message. */
const ERROR_CHARACTERS_MAX = 2000;
/** Doubled with every attempt. */
const AGAIN_SECONDS = 5;
const AGAIN_SECONDS_MAX = 3600;
const NAME = /^[A-Za-z0-9_-]{1,128}$/;

/** Jobs in a queue, their consumer, and their answers in a bucket. */
export function createJobs(options: JobsOptions): NibbleJobs {
  const app = appOf(options);
  return {
    fetch: async (request) => app.fetch(request),
    consume: (batch, answer) => eachOf(options, batch, (body) => work(options, body, answer)),
    bury: (batch) => eachOf(options, batch, async (job) => {
      // What is no job at all has no place where anybody would look for it.
      if (isJob(job)) {
        await keep(options.results, job, null, job.error ?? "The job was tried as often as the "
          + "queue allows, and never answered; the consumer's log says more.");
      }
      return false;
    }),
  };
}

/** Each message by itself: one that fails comes again, and those behind it have their turn. */
async function eachOf(
  { log }: JobsOptions, batch: JobBatch, take: (body: unknown) => Promise<boolean>,
): Promise<void> {
  for (const message of batch.messages) {
    const comesAgain = await take(message.body).catch((error: unknown) => {
      log?.(error);
      return true;
    });
    if (!comesAgain) message.ack();
    else message.retry({ delaySeconds: Math.min(AGAIN_SECONDS_MAX,
      AGAIN_SECONDS * 2 ** Math.min(16, message.attempts - 1)) });
  }
}

function appOf({ queue, results, apiKey }: JobsOptions): Hono {
  const app = new Hono();
  app.onError((error) => refusalResponse(refusalOf(error)));
  app.notFound(() => refusalResponse(new Refusal(404, "There is nothing here but /v1/jobs.")));
  app.use("*", async (context, next) => {
    await checkKey(context.req.header("authorization"), apiKey);
    await next();
  });
  app.post("/v1/jobs", async (context) => {
    const { id, jobs } = jobsOf(await readJson(context.req.raw, BODY_BYTES_MAX));
    for (const batch of batchesOf(jobs)) await queue.sendBatch(batch.map((body) => ({ body })));
    return context.json({ object: "job", id, count: jobs.length }, 202);
  });
  app.get("/v1/jobs/:id", async (context) => {
    const prefix = `${folderOf(checkName("id", context.req.param("id")))}/`;
    const done: string[] = [];
    let cursor: string | undefined;
    do {
      const part = await results.list({ prefix, cursor });
      done.push(...part.objects.map(({ key }) => key.slice(prefix.length, -".json".length)));
      cursor = part.truncated ? part.cursor : undefined;
    } while (cursor !== undefined);
    return context.json({ object: "job", id: context.req.param("id"), done });
  });
  app.get("/v1/jobs/:id/:name", async (context) => {
    const { id, name } = context.req.param();
    const result = await results.get(keyOf({ id: checkName("id", id),
      custom_id: checkName("custom_id", name) }));
    if (!result) {
      throw new Refusal(404, "This job has no answer yet, or was never asked for.", null,
        "job_not_done");
    }
    return context.body(await result.text(), 200, { "content-type": "application/json" });
  });
  return app;
}

/** The jobs of a request. */
function jobsOf(body: unknown): { id: string; jobs: Job[] } {
  const fields = new Fields(body);
  const id = checkName("id", fields.take("id") ?? crypto.randomUUID());
  const requests = fields.take("requests");
  fields.end();
  if (!Array.isArray(requests) || requests.length === 0 || requests.length > JOBS_MAX) {
    throw wrong("requests", `an array of 1 to ${JOBS_MAX}`);
  }
  const jobs = requests.map((request, i) => jobOf(id, request, `requests[${i}]`));
  if (new Set(jobs.map((job) => job.custom_id)).size < jobs.length) {
    throw wrong("requests", "of different custom_ids");
  }
  return { id, jobs };
}

function jobOf(id: string, request: unknown, at: string): Job {
  if (typeof request !== "object" || request === null) throw wrong(at, "an object");
  const fields = new Fields(request);
  const customId = checkName(`${at}.custom_id`, fields.take("custom_id"));
  const url = fields.text("url") ?? "";
  if (!URLS.includes(url)) throw wrong(`${at}.url`, URLS.join(" or "));
  if ((fields.text("method") ?? "POST") !== "POST") throw wrong(`${at}.method`, "POST");
  const body = fields.take("body");
  fields.end(`${at}.`);
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw wrong(`${at}.body`, "an object");
  }
  const own = { ...body } as Record<string, unknown>;
  if (own["stream"]) throw wrong(`${at}.body.stream`, "false: nobody waits for the pieces");
  // Delivered twice, it is the same text.
  if (url !== "/v1/embeddings") own["seed"] ??= crypto.getRandomValues(new Uint32Array(1))[0];
  const job = { id, custom_id: customId, url, body: own };
  if (bytesOf(job) <= JOB_BYTES_MAX) return job;
  throw new Refusal(413, `${at} is larger than ${JOB_BYTES_MAX} bytes.`, at);
}

function checkName(name: string, value: unknown): string {
  if (typeof value === "string" && NAME.test(value)) return value;
  throw wrong(name, "1 to 128 letters, digits, - and _");
}

const bytesOf = (job: Job): number => new TextEncoder().encode(JSON.stringify(job)).length;
const folderOf = (id: string): string => `jobs/${id}`;
const keyOf = ({ id, custom_id: name }: Pick<Job, "id" | "custom_id">): string => (
  `${folderOf(id)}/${name}.json`);

/** As many at once as a queue takes. */
function batchesOf(jobs: readonly Job[]): Job[][] {
  const batches: Job[][] = [];
  let bytes = BATCH_BYTES_MAX;
  for (const job of jobs) {
    const own = bytesOf(job);
    if (bytes + own > BATCH_BYTES_MAX || batches.at(-1)?.length === BATCH_MAX) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1)?.push(job);
    bytes += own;
  }
  return batches;
}

function isJob(value: unknown): value is Job {
  const { id, custom_id: name, url, body } = (value ?? {}) as Partial<Record<keyof Job, unknown>>;
  return [id, name].every((text) => typeof text === "string" && NAME.test(text))
    && URLS.includes(url as string) && typeof body === "object" && body !== null;
}

/** Answers a job that has no answer yet; whether it is to come again. */
async function work(
  { results, dead, apiKey }: JobsOptions, job: unknown,
  answer: (request: Request) => Promise<Response>,
): Promise<boolean> {
  if (!isJob(job)) {
    await dead.send({ job, error: "This is no job: it must have an id, a custom_id, a url and a "
      + "body, as POST /v1/jobs makes it." });
    return false;
  }
  if (await results.head(keyOf(job))) return false;
  const response = await answer(new Request(`http://localhost${job.url}`, { method: "POST",
    body: JSON.stringify(job.body), headers: { "content-type": "application/json",
      ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }) } }));
  const { status } = response;
  const reply = await response.json() as { error?: { message?: string; code?: string } };
  const isWrong = reply.error?.code === "model_not_found";
  if (status >= 500 || (COMES_AGAIN.includes(status) && !isWrong)) return true;
  if (response.ok) await keep(results, job, { status_code: status, body: reply }, null);
  else await dead.send({ ...job, error: (reply.error?.message ?? `Refused (${status}).`)
    .slice(0, ERROR_CHARACTERS_MAX) });
  return false;
}

/** Only the first answer is kept. */
async function keep(
  results: JobBucket, job: Job, response: object | null, error: string | null,
): Promise<void> {
  const { id, custom_id: name } = job;
  await results.put(keyOf(job), JSON.stringify({ id, custom_id: name, response,
    error: error === null ? null : { message: error } }),
  { onlyIf: { etagDoesNotMatch: "*" } });
}
