// Jobs that wait in a queue: what is taken and refused, that each is answered once however often it
// is delivered, which come again, which are dead, and what their senders find.
// Does not know: Cloudflare's own queues and buckets (platforms/demos.test.ts).

import { afterAll, describe, expect, it } from "vitest";
import type * as Library from "../../host/server";
import { createServer, openModel, post, type Reply } from "./library";

const address = new URL("../../dist/server.js", import.meta.url).href;
const { createJobs } = await import(/* @vite-ignore */ address) as typeof Library;

const model = await openModel();
const server = createServer(model);
afterAll(() => model.dispose());

interface Sent { id: string; custom_id: string; url: string; body: object; error?: string }

/** R2 lists 1,000. */
const LISTED_MAX = 2;

/** Queues and a bucket in memory, with their limits. */
function house(apiKey?: string, log?: (error: unknown) => void) {
  const [sent, buried]: Sent[][] = [[], []];
  const batches: number[] = [];
  const kept = new Map<string, string>();
  const queueTo = (list: Sent[] = []) => ({
    send: async (body: unknown) => void list.push(body as Sent),
    async sendBatch(messages: Iterable<{ body: unknown }>) {
      const all = [...messages];
      batches.push(all.length);
      if (all.length > 100 || JSON.stringify(all).length > 256_000) throw new Error("too large");
      list.push(...all.map(({ body }) => body as Sent));
    },
  });
  const jobs = createJobs({ queue: queueTo(sent), dead: queueTo(buried), apiKey, log, results: {
    head: async (key) => (kept.has(key) ? {} : null),
    get: async (key) => (kept.has(key) ? { text: async () => kept.get(key)! } : null),
    async put(key, value, { onlyIf }) {
      expect(onlyIf).toEqual({ etagDoesNotMatch: "*" });
      if (!kept.has(key)) kept.set(key, value);
    },
    async list({ prefix, cursor = "0" }) {
      const keys = [...kept.keys()].filter((key) => key.startsWith(prefix));
      const end = Number(cursor) + LISTED_MAX;
      return { objects: keys.slice(Number(cursor), end).map((key) => ({ key })),
        ...(end < keys.length ? { truncated: true, cursor: String(end) } : { truncated: false }) };
    },
  } });
  return { jobs, sent: sent!, dead: buried!, kept, batches };
}

/** A delivery, and what became of each message. */
function delivery(bodies: readonly unknown[], attempts = 1) {
  const ends: (number | "done")[] = [];
  return { ends, messages: bodies.map((body, i) => ({ body, attempts,
    ack: () => void (ends[i] = "done"),
    retry: ({ delaySeconds }: { delaySeconds: number }) => void (ends[i] = delaySeconds) })) };
}

const request = (name: string, more: object = {}) => ({ custom_id: name, url: "/v1/completions",
  body: { prompt: "Once", max_tokens: 8, temperature: 1, ...more } });
const ask = (jobs: Library.NibbleJobs, body: object): Promise<Response> => (
  jobs.fetch(post("/v1/jobs", body)));
const get = (jobs: Library.NibbleJobs, path: string, init?: RequestInit): Promise<Response> => (
  jobs.fetch(new Request(`http://localhost${path}`, init)));
interface Result { custom_id: string; response: { status_code: number; body: Reply } | null;
  error: { message: string } | null }
const resultOf = async (jobs: Library.NibbleJobs, path: string): Promise<Result> => (
  await (await get(jobs, path)).json() as Result);

describe("jobs", () => {
  it("are answered once, however often they come", async () => {
    const { jobs, sent, kept } = house();
    const response = await ask(jobs, { id: "night-1", requests: [request("a", { seed: 7 }),
      request("b"), { custom_id: "c", url: "/v1/embeddings", body: { input: "Hi" } }] });
    expect(response.status).toBe(202);
    expect(await response.json()).toEqual({ object: "job", id: "night-1", count: 3 });
    expect((await get(jobs, "/v1/jobs/night-1/a")).status).toBe(404);
    let asked = 0;
    const answer = (each: Request): Promise<Response> => {
      asked++;
      return server.fetch(each);
    };
    const first = delivery(sent);
    await jobs.consume(first, answer);
    expect(first.ends).toEqual(["done", "done", "done"]);
    const again = delivery([...sent, ...sent]);
    await jobs.consume(again, answer);
    expect(again.ends).toEqual(Array(6).fill("done"));
    expect(asked).toBe(3);
    expect(await (await get(jobs, "/v1/jobs/night-1")).json()).toEqual(
      { object: "job", id: "night-1", done: ["a", "b", "c"] });
    const { text } = await model.complete("Once", { seed: 7, maxTokens: 8, temperature: 1 });
    const { custom_id: name, response: own, error } = await resultOf(jobs, "/v1/jobs/night-1/a");
    expect([name, own?.status_code, own?.body.choices[0]?.text, error]).toEqual(
      ["a", 200, text, null]);
    // Without a seed it got one: done twice, at the same time, it is the same text.
    const { response: unseeded } = await resultOf(jobs, "/v1/jobs/night-1/b");
    kept.clear();
    await jobs.consume(delivery([sent[1]]), answer);
    expect((await resultOf(jobs, "/v1/jobs/night-1/b")).response?.body.choices)
      .toEqual(unseeded?.body.choices);
  });

  it("come again, later every time, when the server is busy", async () => {
    const { jobs, sent, dead, kept } = house();
    await ask(jobs, { id: "x", requests: [request("a"), request("b")] });
    for (const [attempts, delay] of [[1, 5], [2, 10], [4, 40], [60, 3600]] as const) {
      for (const status of [429, 503, 500, 504]) {
        const batch = delivery(sent, attempts);
        await jobs.consume(batch, async (each) => ((await each.text()).includes("Once")
          ? Response.json({ error: { message: "Busy." } }, { status }) : new Response()));
        expect(batch.ends).toEqual([delay, delay]);
      }
    }
    expect([dead, kept.size]).toEqual([[], 0]);
  });

  it("that fail come again, and leave those behind them alone", async () => {
    const log: unknown[] = [];
    const { jobs, sent, dead } = house(undefined, (error) => log.push(error));
    await ask(jobs, { id: "x", requests: ["a", "b", "c"].map((name) => request(name)) });
    let asked = 0;
    const batch = delivery(sent);
    await jobs.consume(batch, async (each) => {
      asked++;
      if (asked === 1) throw new Error("broken");
      return asked === 2 ? new Response("no JSON") : server.fetch(each);
    });
    expect(batch.ends).toEqual([5, 5, "done"]);
    expect(log).toEqual([new Error("broken"), expect.any(SyntaxError)]);
    expect(dead).toEqual([]);
  });

  it("are sent with the key, and wait where the server takes another", async () => {
    const { jobs, sent, dead, kept } = house("s3cret");
    const headers = { authorization: "Bearer s3cret" };
    await jobs.fetch(post("/v1/jobs", { id: "x", requests: [request("a"),
      request("b", { model: "other" })] }, { headers }));
    const locked = delivery(sent);
    await jobs.consume(locked, createServer(model, { apiKey: "another" }).fetch);
    for (const status of [403, 404]) {
      await jobs.consume(locked, async () => Response.json({}, { status }));
    }
    expect([locked.ends, dead, kept.size]).toEqual([[5, 5], [], 0]);
    const open = delivery(sent);
    await jobs.consume(open, createServer(model, { apiKey: "s3cret" }).fetch);
    expect([open.ends, kept.size]).toEqual([["done", "done"], 1]);
    expect(dead.map(({ error }) => error)).toEqual([expect.stringContaining("no model")]);
  });

  it("that are wrong at length fit into a message all the same", async () => {
    const { jobs, sent, dead } = house();
    await ask(jobs, { requests: [request("a")] });
    await jobs.consume(delivery(sent), async () => (
      Response.json({ error: { message: "x".repeat(1e6) } }, { status: 400 })));
    expect(dead[0]?.error).toBe("x".repeat(2000));
  });

  it("that are wrong are dead, with a sentence, and say so to who looks", async () => {
    const { jobs, sent, dead } = house();
    await ask(jobs, { id: "x", requests: [request("a", { temperature: 99 }),
      request("b", { prompt: "x".repeat(600) }), request("c", { seed: 1 })] });
    const batch = delivery([...sent, "nonsense", null, { id: "../..", custom_id: "a" }]);
    await jobs.consume(batch, (each) => server.fetch(each));
    expect(batch.ends).toEqual(Array(6).fill("done"));
    expect(dead.map(({ error }) => error)).toEqual([
      expect.stringMatching(/^temperature must be/), expect.stringMatching(/^The text has 601 tok/),
      ...Array(3).fill(expect.stringMatching(/^This is no job/))]);
    const tried = { ...sent[2]!, custom_id: "d" }; // as the queue itself gives one up
    const burial = delivery([...dead, tried]);
    await jobs.bury(burial);
    expect(burial.ends).toEqual(Array(6).fill("done"));
    expect((await resultOf(jobs, "/v1/jobs/x/a"))).toMatchObject(
      { response: null, error: { message: expect.stringContaining("temperature") } });
    expect((await resultOf(jobs, "/v1/jobs/x/d")).error?.message).toContain("tried as often");
    expect((await resultOf(jobs, "/v1/jobs/x/c")).error).toBeNull();
  });

  it("go into the queue in as many pieces as it takes", async () => {
    const { jobs, sent, batches } = house();
    const requests = Array.from({ length: 250 }, (_, i) => request(`n${i}`));
    expect((await ask(jobs, { requests })).status).toBe(202);
    expect(batches).toEqual([100, 100, 50]);
    const large = Array.from({ length: 7 }, (_, i) => request(`n${i}`,
      { prompt: "\u00fc".repeat(50_000) }));
    expect((await ask(jobs, { requests: large })).status).toBe(202);
    expect(sent).toHaveLength(257);
    expect(new Set(sent.map(({ id }) => id)).size).toBe(2);
  });
});

describe("what is refused", () => {
  it.each([
    [{}, "requests"], [{ requests: [] }, "requests"], [{ requests: "x" }, "requests"],
    [{ requests: [request("a"), request("a")] }, "requests"],
    [{ requests: Array(1001).fill(request("a")) }, "requests"],
    [{ requests: [5] }, "requests[0]"], [{ id: "a/b", requests: [request("a")] }, "id"],
    [{ requests: [request("../a")] }, "requests[0].custom_id"],
    [{ requests: [request("a"), { ...request("b"), url: "/metrics" }] }, "requests[1].url"],
    [{ requests: [{ ...request("b"), method: "GET" }] }, "requests[0].method"],
    [{ requests: [{ ...request("b"), body: [] }] }, "requests[0].body"],
    [{ requests: [{ ...request("b"), more: 1 }] }, "requests[0].more"],
    [{ requests: [request("a", { stream: true })] }, "requests[0].body.stream"],
    [{ requests: [request("a")], more: 1 }, "more"],
  ])("%.60j", async (body, param) => {
    const { jobs, sent } = house();
    const response = await ask(jobs, body);
    expect(response.status).toBe(400);
    expect((await response.json() as Reply).error).toMatchObject({ param });
    expect(sent).toEqual([]);
  });

  it("a job that is too large, another path, a wrong key", async () => {
    const { jobs } = house();
    expect((await ask(jobs, { requests: [request("a", { prompt: "x".repeat(120_000) })] })).status)
      .toBe(413);
    expect((await get(jobs, "/v1/other")).status).toBe(404);
    expect((await get(jobs, "/v1/jobs/x/..%2f..%2fy")).status).toBe(400);
    const { jobs: locked, sent } = house("s3cret");
    for (const path of ["/v1/jobs/x", "/v1/jobs/x/a", "/v1/jobs"]) {
      expect((await get(locked, path)).status).toBe(401);
      expect((await get(locked, path, { headers: { authorization: "Bearer wrong" } })).status)
        .toBe(401);
    }
    expect((await ask(locked, { requests: [request("a")] })).status).toBe(401);
    expect(sent).toEqual([]);
    const headers = { authorization: "Bearer s3cret" };
    expect((await get(locked, "/v1/jobs/x", { headers })).status).toBe(200);
  });
});
