// OpenAI's interface where others bring the server: Deno, Bun and Lambda. It streams what the
// library writes, refuses as it does everywhere, and lets go of a reader that has gone.
// Does not know: Node (host/cli-serve.test.ts), workerd (durable.test.ts).

import { spawn, type ChildProcess } from "node:child_process";
import { cpSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { streamHandle } from "hono/aws-lambda";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CHATML, chatModel, load } from "../host/library";
import { createServer } from "../server/library";
import { here, openStage, type Stage } from "./stage";

const file = chatModel(CHATML, ["<|im_start|>", "<|im_end|>"]);
const messages = [{ role: "user" as const, content: "Who are you?" }];
const asked = { messages, seed: 7, max_tokens: 40, stream: true };
const headers = { "content-type": "application/json", authorization: "Bearer k" };
const PATH = "/v1/chat/completions";

let stage: Stage;
let expected: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
  stage = await openStage();
  writeFileSync(join(stage.folder, "model.gguf"), file);
  cpSync(join(here, "serve.mjs"), join(stage.folder, "serve.mjs"));
  using model = await load(file);
  expected = (await model.completeChat(messages, { seed: 7, maxTokens: 40 })).text;
});
afterAll(async () => {
  children.forEach((child) => child.kill());
  await stage.close();
});

const textOf = (events: string): string => [...events.matchAll(/^data: (\{.*)$/gm)]
  .map(([, json]) => (JSON.parse(json!) as { choices: { delta: { content?: string } }[] })
    .choices[0]?.delta.content ?? "").join("");

const RUNTIMES: [string, string[]][] = [
  ["deno", ["run", "--allow-net", "--allow-read", "--allow-env", "--no-lock"]], ["bun", []]];

describe.each(RUNTIMES)("%s", (name, args) => {
  const command = join(here, "node_modules/.bin", name);
  it.skipIf(!existsSync(command))("serves, streams, refuses and lets go", async () => {
    const port = (name === "bun" ? 21000 : 31000) + process.pid % 9000;
    children.push(spawn(command, [...args, "serve.mjs", "model.gguf", String(port)],
      { cwd: stage.folder, stdio: "ignore" }));
    const address = `http://127.0.0.1:${port}`;
    for (let i = 0; i < 200 && !await fetch(`${address}/health`).catch(() => undefined); i++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const ask = (body: object, own: Record<string, string> = headers) => (
      fetch(address + PATH, { method: "POST", headers: own, body: JSON.stringify(body) }));
    const events = await (await ask(asked)).text();
    expect(textOf(events)).toBe(expected);
    expect(events).toMatch(/data: \[DONE\]\n\n$/);
    expect((await ask({ ...asked, temprature: 1 })).status).toBe(400);
    expect((await ask(asked, { "content-type": "application/json" })).status).toBe(401);
    const long = { ...asked, max_tokens: 100_000, logit_bias: Object.fromEntries(
      [256, 257, 258, 259].map((token) => [token, -100])) };
    const reader = (await ask(long)).body!.getReader();
    await reader.read();
    await reader.cancel();
    let metrics = "";
    for (let i = 0; i < 100 && !/^nibble_texts_running 0$/m.test(metrics); i++) {
      metrics = await (await fetch(`${address}/metrics`, { headers })).text();
    }
    expect(metrics).toMatch(/^nibble_texts_running 0$/m);
    const written = Number(/^nibble_completion_tokens_total (\d+)$/m.exec(metrics)?.[1]);
    expect(written).toBeLessThanOrEqual(40); // the one that was left never came to its end
  });
});

it("Lambda, by the adapter of hono, streams a function's URL", async () => {
  const heads: { statusCode: number }[] = [];
  Object.assign(globalThis, { awslambda: {
    streamifyResponse: (handler: unknown) => handler,
    HttpResponseStream: { from(stream: unknown, head: { statusCode: number }) {
      heads.push(head);
      return stream;
    } },
  } });
  using model = await load(file);
  const { fetch } = createServer(model, { apiKey: "k" });
  type Handler = (event: object, stream: PassThrough, context: object) => Promise<void>;
  const handler = streamHandle({ fetch } as never) as unknown as Handler;
  const ask = async (body: object): Promise<string> => {
    const stream = new PassThrough();
    const answer = text(stream);
    await handler({ version: "2.0", rawPath: PATH, rawQueryString: "", headers,
      isBase64Encoded: false, body: JSON.stringify(body),
      requestContext: { domainName: "x.lambda-url.example", http: { method: "POST", path: PATH } },
    }, stream, {});
    return answer;
  };
  expect(textOf(await ask(asked))).toBe(expected);
  expect(await ask({ ...asked, n: 0 })).toContain('"param":"n"');
  expect(heads.map(({ statusCode }) => statusCode)).toEqual([200, 400]);
});
