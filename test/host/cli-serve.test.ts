// nibble serve, as a process with sockets: where it listens, what it prints, how it ends; and the
// clients that send nonsense, nothing, or do not read.
// Does not know: OpenAI's interface, which test/server has.

import { connect, type Socket } from "node:net";
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { spawn, type ChildProcess } from "node:child_process";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { command, folder, nibble } from "./command";
import { CHATML, chatModel } from "./library";

const path = join(folder, "serve.gguf");
writeFileSync(path, chatModel(CHATML, ["<|im_start|>", "<|im_end|>"], { context: 8192 }));
afterAll(() => rmSync(folder, { recursive: true }));

const children: ChildProcess[] = [];
afterEach(() => children.splice(0).forEach((child) => child.kill("SIGKILL")));

interface Served {
  child: ChildProcess;
  port: number;
  line: string;
  errors: () => string;
  ended: Promise<number | null>;
}

/** A server on some port, once it says where. */
async function serve(args: string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Served> {
  const port = args.includes("--port") ? [] : ["--port", "0"];
  const child = spawn(process.execPath, [command, "serve", path, ...port, ...args],
    { cwd: folder, env: { ...process.env, ...env } });
  children.push(child);
  let [line, errors] = ["", ""];
  child.stdout.on("data", (piece: Buffer) => { line += String(piece); });
  child.stderr.on("data", (piece: Buffer) => { errors += String(piece); });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  for (let i = 0; i < 500 && !line.includes("\n"); i++) await pause(10);
  return { child, port: Number(/:(\d+)\D*$/.exec(line)?.[1]), line, errors: () => errors, ended };
}

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

const LONG = { prompt: "Once", temperature: 1, seed: 1, max_tokens: 100000,
  logit_bias: { 256: -100, 257: -100 }, stream: true };

const complete = (port: number, body: object, headers = {}): Promise<Response> => (
  fetch(`http://127.0.0.1:${port}/v1/completions`, { method: "POST", body: JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers } }));

/** What comes back for raw bytes, until the other side closes or says enough. */
async function raw(port: number, text: string): Promise<string> {
  const socket: Socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.on("data", (piece) => { answer += String(piece); });
  socket.on("error", () => undefined);
  socket.write(text);
  for (let i = 0; i < 300 && !answer.includes("\r\n\r\n") && !socket.closed; i++) await pause(10);
  socket.destroy();
  return answer;
}

async function running(port: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(/^nibble_texts_running (\d+)$/m.exec(text)?.[1]);
}

describe("nibble serve", () => {
  it("says what it serves and where, and logs every request", async () => {
    const { port, line, errors } = await serve(["--name", "tiny", "--parallel", "2"]);
    expect(line).toMatch(
      /serve\.gguf: [\d.]+ million parameters, 2 texts at once of 2,048 tokens/);
    expect(line).toContain(`http://127.0.0.1:${port}`);
    const response = await complete(port, { prompt: "Once", max_tokens: 3, seed: 1 });
    expect(response.status).toBe(200);
    await response.text();
    expect((await fetch(`http://localhost:${port}/secret?key=abc`)).status).toBe(404);
    await pause(100);
    const entries = errors().trim().split("\n").map((text) => JSON.parse(text) as object);
    expect(entries[0]).toMatchObject({ method: "POST", path: "/v1/completions", status: 200,
      promptTokens: 5, milliseconds: expect.any(Number), time: expect.any(String) });
    expect(entries[1]).toMatchObject({ path: "other", status: 404 });
    expect(errors()).not.toContain("abc");
  });

  it("takes a key from the command or from the environment, and shows it nowhere", async () => {
    for (const [args, env] of [[["--api-key", "s3cret"], {}], [[], { NIBBLE_API_KEY: "s3cret" }]] as
      const) {
      const { port, line, errors } = await serve([...args], env);
      expect((await complete(port, { prompt: "x", max_tokens: 1 })).status).toBe(401);
      expect((await complete(port, { prompt: "x", max_tokens: 1 },
        { authorization: "Bearer s3cret" })).status).toBe(200);
      expect(line + errors()).not.toContain("s3cret");
    }
    const empty = await nibble(["serve", path, "--api-key", ""]);
    expect([empty.code, empty.stderr]).toEqual([2, expect.stringContaining("empty")]);
  });

  it("ends after SIGTERM, but lets running answers end", async () => {
    const { child, port, ended } = await serve();
    const response = await complete(port, { ...LONG, max_tokens: 400 });
    const text = response.text();
    child.kill("SIGTERM");
    await pause(50);
    // Nobody gets in any more, and who is in still is told so.
    const late = await complete(port, { prompt: "x" }).catch(() => undefined);
    expect([undefined, 503]).toContain(late?.status);
    expect(await text).toContain("[DONE]");
    expect(await ended).toBe(0);
  });

  it("lets go of clients that have gone, within a step", async () => {
    const { port } = await serve();
    for (let i = 0; i < 3; i++) {
      const gone = new AbortController();
      const response = await fetch(`http://127.0.0.1:${port}/v1/completions`, { method: "POST",
        body: JSON.stringify(LONG), headers: { "content-type": "application/json" },
        signal: gone.signal });
      await response.body?.getReader().read();
      expect(await running(port)).toBe(1);
      gone.abort();
      await pause(50);
      expect(await running(port)).toBe(0);
    }
    // Also of those that wait for a whole text.
    const client = request({ port, host: "127.0.0.1", method: "POST", path: "/v1/completions",
      headers: { "content-type": "application/json" } });
    client.on("error", () => undefined);
    client.end(JSON.stringify({ ...LONG, stream: false }));
    await pause(100);
    expect(await running(port)).toBe(1);
    client.destroy();
    await pause(50);
    expect(await running(port)).toBe(0);
  });

  it("refuses nonsense on the wire, and lives on", async () => {
    const { port } = await serve();
    const host = "Host: localhost\r\n";
    for (const [text, status] of [
      ["nonsense\r\n\r\n", 400],
      [`GET / HTTP/1.1\r\n${host}x: ${"a".repeat(20000)}\r\n\r\n`, 431],
      [`GET / HTTP/1.1\r\n${host}bad header\r\n\r\n`, 400],
      [`GET / HTTP/1.1\r\n${host}x: a\nb\r\n\r\n`, 400],
      ["GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403],
      [`GET http://evil.example/ HTTP/1.1\r\n${host}\r\n`, 403],
      [`GET /../../etc/passwd HTTP/1.1\r\n${host}\r\n`, 404],
      [`GET /%0d%0aset-cookie:%20a=b HTTP/1.1\r\n${host}\r\n`, 404],
      [`OPTIONS /v1/models HTTP/1.1\r\n${host}Origin: a%0d%0ax:y\r\n\r\n`, 404],
      [`POST /v1/completions HTTP/1.1\r\n${host}content-type: application/json\r\n`
        + "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400],
    ] as const) {
      const answer = await raw(port, text);
      expect(answer, text.slice(0, 60)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(answer.toLowerCase()).not.toContain("set-cookie");
    }
    const large = await raw(port, `POST /v1/completions HTTP/1.1\r\n${host}`
      + "content-type: application/json\r\ncontent-length: 99999999\r\n\r\n{");
    expect(large).toMatch(/^HTTP\/1.1 413 /);
    const pieces = `POST /tokenize HTTP/1.1\r\n${host}content-type: application/json\r\n`
      + 'transfer-encoding: chunked\r\n\r\n10\r\n{"content":"Hi"}\r\n0\r\n\r\n';
    expect(await raw(port, pieces)).toMatch(/^HTTP\/1.1 200 /);
    expect((await complete(port, { prompt: "x", max_tokens: 1 })).status).toBe(200);
  });

  it("ends connections on which nothing moves", async () => {
    const { port } = await serve(["--idle-limit", "1"]);
    for (const text of ["", "GET / HT", "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
      + "content-type: application/json\r\ncontent-length: 50\r\n\r\n{"]) {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.resume();
      socket.write(text);
      const started = performance.now();
      await new Promise((resolve) => socket.once("close", resolve));
      expect(performance.now() - started).toBeLessThan(5000);
    }
  });

  it("answers beside a thousand connections on which nothing moves, and ends them", async () => {
    // More than it takes at all: those beyond are let go at once, and the files that are open stay
    // few enough for any system.
    const { child, port } = await serve(["--idle-limit", "2"]);
    const sockets = Array.from({ length: 1100 }, (_, i) => {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.resume();
      if (i % 2 === 0) socket.write("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n");
      return socket;
    });
    const closed = Promise.all(sockets.map((socket) => (
      new Promise((resolve) => socket.once("close", resolve)))));
    for (let i = 0; i < 500 && sockets.some(({ connecting }) => connecting); i++) await pause(10);
    const path = `/proc/${child.pid}/fd`;
    const files = (): number => (existsSync(path) ? readdirSync(path).length : 0);
    expect(files()).toBeLessThan(1100);
    await closed;
    expect((await complete(port, { prompt: "x", max_tokens: 1 })).status).toBe(200);
    expect(files()).toBeLessThan(100);
  });

  it("answers while hundreds of connections idle", async () => {
    const { port } = await serve();
    const sockets = Array.from({ length: 1000 }, () => connect(port, "127.0.0.1"));
    for (const socket of sockets) socket.on("error", () => undefined);
    for (let i = 0; i < 500 && sockets.some(({ connecting }) => connecting); i++) await pause(10);
    for (let i = 0; i < 3; i++) {
      expect((await complete(port, { prompt: "x", max_tokens: 2 })).status).toBe(200);
    }
    expect(sockets.filter((socket) => socket.closed)).toEqual([]);
    sockets.forEach((socket) => socket.destroy());
  });

  it("killed in the middle of a stream: clients hear of it, and it starts again", async () => {
    const before = readFileSync(path);
    const names = readdirSync(folder);
    const { child, port, ended } = await serve();
    const stream = await complete(port, LONG);
    const reader = stream.body!.getReader();
    expect((await reader.read()).done).toBe(false);
    const whole = complete(port, { ...LONG, stream: false });
    const failures = [whole, (async () => {
      while (!(await reader.read()).done) continue;
    })()].map((work) => work.then(() => "an end", () => "an error"));
    await pause(50);
    child.kill("SIGKILL");
    expect(await Promise.all(failures)).toEqual(["an error", "an error"]);
    await ended;
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(readdirSync(folder)).toEqual(names);
    const again = await serve(["--port", String(port)]);
    expect(again.port).toBe(port);
    const response = await complete(port, { ...LONG, max_tokens: 20 });
    expect(await response.text()).toContain("[DONE]");
  });

  it("lets go of a client that does not read", async () => {
    const { port } = await serve(["--idle-limit", "1", "--context", "8192"]);
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => undefined);
    const { prompt, ...rest } = LONG;
    const body = JSON.stringify({ ...rest, messages: [{ role: "user", content: prompt }], n: 4,
      logprobs: true, top_logprobs: 20, logit_bias: { 256: -100, 257: -100, 258: -100, 259: -100 },
    }); // 60 MB, more than sockets hold
    socket.write("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\ncontent-type: "
      + `application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    socket.pause(); // it never reads a byte
    await pause(500);
    expect(await running(port)).toBe(4);
    let written = 0;
    for (let i = 0; i < 200 && await running(port) > 0; i++) {
      await pause(100);
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      written = Number(/^nibble_completion_tokens_total (\d+)$/m.exec(text)?.[1]);
    }
    expect(await running(port)).toBe(0);
    expect(written).toBe(0); // it was stopped, not written to its end
    socket.destroy();
  });

  it("fails in a sentence where it cannot listen", async () => {
    const { port } = await serve();
    const again = await nibble(["serve", path, "--port", String(port)]);
    expect(again.code).toBe(2);
    expect(again.stderr).toMatch(/^nibble: 127\.0\.0\.1:\d+ cannot be listened on \(something/);
    for (const args of [["--port", "65536"], ["--port", "x"], ["--parallel", "0"],
      ["--parallel", "33"], ["--queue", "-1"], ["--time-limit", "0"],
      ["--idle-limit", "0"]]) {
      const { code, stderr } = await nibble(["serve", path, ...args]);
      expect([code, stderr]).toEqual([2, expect.stringContaining(args[0] as string)]);
    }
  });
});
