// Every kind of source gives the same model, tells its progress, can be given up at any moment, and
// is closed whatever happens. Addresses are those of a server of this test's own.
// Does not know: what the model computes, only that it is always the same.

import { execFileSync } from "node:child_process";
import {
  createWriteStream, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync,
  rmSync, writeFileSync,
} from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LoadProgress } from "../../host/options";
import type { SourceInput } from "../../host/source";
import { byteModel, codeOf, failureOf, load } from "./library";

const bytes = byteModel({ width: 128, feedForward: 256, layers: 3 });
const folder = mkdtempSync(join(tmpdir(), "nibble-source-"));
const path = join(folder, "model.gguf");
let server: Server;
let origin = "";
let openRequests = 0;
let expected = "";

/** What the server does with each address. */
const answers: Record<string, (response: ServerResponse) => void> = {
  "/plain.gguf": (response) => {
    response.writeHead(200, { "content-length": bytes.length }).end(bytes);
  },
  "/chunked.gguf": (response) => {
    response.writeHead(200);
    for (let at = 0; at < bytes.length; at += 10_007) response.write(bytes.slice(at, at + 10_007));
    response.end();
  },
  "/gzip.gguf": (response) => {
    const packed = gzipSync(bytes);
    response.writeHead(200, { "content-encoding": "gzip", "content-length": packed.length });
    response.end(packed);
  },
  "/stalls.gguf": (response) => {
    response.writeHead(200, { "content-length": bytes.length }).write(bytes.slice(0, 40_000));
  },
  "/stalls-early.gguf": (response) => {
    response.writeHead(200).write(bytes.slice(0, 10));
  },
  "/silent.gguf": () => undefined,
  "/breaks.gguf": (response) => {
    response.writeHead(200, { "content-length": bytes.length }).write(bytes.slice(0, 40_000));
    setTimeout(() => response.destroy(), 50);
  },
  "/short.gguf": (response) => {
    response.writeHead(200).end(bytes.slice(0, bytes.length - 1));
  },
  "/page.gguf": (response) => {
    response.writeHead(200).end("<!DOCTYPE html><html></html>");
  },
  "/moved.gguf": (response) => {
    response.writeHead(302, { location: "/plain.gguf" }).end();
  },
};

function answer(request: IncomingMessage, response: ServerResponse): void {
  openRequests++;
  response.on("close", () => openRequests--);
  const found = answers[request.url ?? ""];
  if (found) found(response);
  else response.writeHead(404).end("nothing here ".repeat(10_000));
}

/** Bytes as a stream of pieces of one size; tells when it is cancelled. */
function streamOf(size: number, state = { cancelled: false }): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= bytes.length) controller.close();
      else controller.enqueue(bytes.slice(at, at += size));
    },
    cancel() {
      state.cancelled = true;
    },
  });
}

/** The model's numbers as one hash. */
async function fingerprint(input: SourceInput): Promise<string> {
  using model = await load(input);
  return await model.session().hashLogits(model.tokenize("The same model?"));
}

beforeAll(async () => {
  writeFileSync(path, bytes);
  server = createServer(answer).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  expected = await fingerprint(bytes);
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

describe("every kind of source gives the same model", () => {
  const named = (name: string): string => {
    const place = join(folder, name);
    writeFileSync(place, bytes);
    return place;
  };
  const inFolder = (name: string): string => {
    mkdirSync(join(folder, name), { recursive: true });
    return named(join(name, "model.gguf"));
  };
  const inputs: Record<string, () => SourceInput | Promise<SourceInput>> = {
    "a path": () => path,
    "a path with spaces, percent signs and letters": () => named("my 100% model ü%20?#.gguf"),
    "a file: URL": () => pathToFileURL(path),
    "a file: URL with spaces and percent signs": () => pathToFileURL(inFolder("a b%20c %41 é")),
    "a file: address as text": () => pathToFileURL(inFolder("d e%f")).href,
    "an http address": () => `${origin}/plain.gguf`,
    "an address in capitals": () => `${origin}/plain.gguf`.replace("http", "HTTP"),
    "a URL object": () => new URL(`${origin}/plain.gguf`),
    "an answer in chunks, without a length": () => `${origin}/chunked.gguf`,
    "a compressed answer": () => `${origin}/gzip.gguf`,
    "a redirection": () => `${origin}/moved.gguf`,
    "a Response of fetch": () => fetch(`${origin}/plain.gguf`),
    "a Response made here": () => new Response(bytes.slice()),
    "a Blob": () => new Blob([bytes.slice()]),
    "a stream of large pieces": () => streamOf(50_000),
    "a stream of tiny pieces": () => streamOf(13),
    "an object of a store": () =>
      ({ body: streamOf(5000), size: bytes.length, key: "m.gguf", etag: "7" }),
    "an ArrayBuffer": () => bytes.slice().buffer,
    "a Uint8Array": () => bytes,
    "a Buffer inside a larger one": () => Buffer.concat([Buffer.alloc(5), bytes]).subarray(5),
  };
  for (const [name, make] of Object.entries(inputs)) {
    it(name, async () => {
      expect(await fingerprint(await make())).toBe(expected);
    });
  }

  it.skipIf(process.platform === "win32")("a named pipe", async () => {
    const pipe = join(folder, "pipe.gguf");
    execFileSync("mkfifo", [pipe]);
    const writer = createWriteStream(pipe);
    writer.end(bytes);
    expect(await fingerprint(pipe)).toBe(expected);
  });
});

describe("progress", () => {
  const inputs: Record<string, () => SourceInput> = {
    "a path": () => path,
    "an address": () => `${origin}/plain.gguf`,
    "a compressed address": () => `${origin}/gzip.gguf`,
    "a stream": () => streamOf(1000),
    "bytes with more behind them": () => Buffer.concat([bytes, Buffer.alloc(9000)]),
  };
  for (const [name, make] of Object.entries(inputs)) {
    it(`only grows, and ends at the total: ${name}`, async () => {
      const seen: LoadProgress[] = [];
      using model = await load(make(), { onProgress: (progress) => seen.push(progress) });
      expect(model.info.layers).toBe(3);
      expect(seen.length).toBeGreaterThan(1);
      expect(new Set(seen.map((progress) => progress.totalBytes))).toEqual(new Set([bytes.length]));
      const loaded = seen.map((progress) => progress.loadedBytes);
      expect(loaded).toEqual([...loaded].sort((a, b) => a - b));
      expect(loaded.at(-1)).toBe(bytes.length);
    });
  }
});

/** Whether this process has the file open; only where the system can tell. */
function isOpen(file: string): boolean {
  if (!existsSync("/proc/self/fd")) return false;
  return readdirSync("/proc/self/fd").some((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`) === file;
    } catch {
      return false; // the descriptor with which the list itself was read
    }
  });
}

async function untilNoRequest(): Promise<void> {
  for (let i = 0; i < 200 && openRequests > 0; i++) await sleep(10);
  expect(openRequests).toBe(0);
}

describe("an abort while loading rejects with the signal's reason and leaves nothing open", () => {
  const reason = new Error("no longer wanted");

  /** Aborts after the first piece of tensor data. */
  async function abortInside(input: SourceInput): Promise<unknown> {
    const controller = new AbortController();
    return load(input, {
      signal: controller.signal, onProgress: () => controller.abort(reason),
    }).then(() => "loaded", (error: unknown) => error);
  }

  it("before it begins", async () => {
    const state = { cancelled: false };
    await expect(load(path, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await expect(load(streamOf(10, state), { signal: AbortSignal.abort(reason) }))
      .rejects.toBe(reason);
    await expect(load(`${origin}/silent.gguf`, { signal: AbortSignal.abort(reason) }))
      .rejects.toBe(reason);
    expect(isOpen(path)).toBe(false);
    expect(openRequests).toBe(0);
  });

  it("a path", async () => {
    const large = join(folder, "large.gguf");
    writeFileSync(large, byteModel({ width: 256, feedForward: 1024, layers: 4 }));
    expect(await abortInside(large)).toBe(reason);
    expect(isOpen(large)).toBe(false);
  });

  it("a stream", async () => {
    const state = { cancelled: false };
    expect(await abortInside(streamOf(100, state))).toBe(reason);
    expect(state.cancelled).toBe(true);
  });

  it("a stream that never gives another piece", async () => {
    const stalled = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(bytes.slice(0, 40_000)),
    });
    const signal = AbortSignal.timeout(50);
    await expect(load(stalled, { signal })).rejects.toMatchObject({ name: "TimeoutError" });
  });

  for (const place of ["stalls", "stalls-early", "silent"]) {
    it(`a server that is silent: ${place}`, async () => {
      const controller = new AbortController();
      setTimeout(() => controller.abort(reason), 50);
      await expect(load(`${origin}/${place}.gguf`, { signal: controller.signal }))
        .rejects.toBe(reason);
      await untilNoRequest();
    });
  }

  it("a Response whose server is silent", async () => {
    const response = await fetch(`${origin}/stalls.gguf`);
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 50);
    await expect(load(response, { signal: controller.signal })).rejects.toBe(reason);
    await untilNoRequest();
  });

  it.skipIf(process.platform === "win32")("a named pipe whose writer is silent", async () => {
    const pipe = join(folder, "silent.pipe");
    execFileSync("mkfifo", [pipe]);
    const writer = createWriteStream(pipe);
    writer.write(bytes.slice(0, 1000));
    const signal = AbortSignal.timeout(200);
    await expect(load(pipe, { signal })).rejects.toMatchObject({ name: "TimeoutError" });
    await new Promise((resolve) => writer.end(resolve));
  });
});

describe("a source that fails says so and is closed", () => {
  const missing = "/there/is/no such.gguf";
  const inputs: [string, () => SourceInput, string, string][] = [
    ["a path of nothing", () => missing, "FILE_NOT_FOUND", missing],
    ["a file: URL of nothing", () => pathToFileURL(missing), "FILE_NOT_FOUND", missing],
    ["a path through a file", () => join(path, "deeper"), "FILE_NOT_FOUND", "deeper"],
    ["a directory", () => folder, "IS_DIRECTORY", folder],
    ["a file: URL with a stray %", () => new URL("file:///tmp/100%.gguf"), "BAD_SOURCE", "100%"],
    ["an address of nothing", () => `${origin}/none.gguf`, "HTTP_STATUS", "404"],
    ["a web page", () => `${origin}/page.gguf`, "HTML_NOT_GGUF", "/page.gguf"],
    ["an address that breaks off", () => `${origin}/breaks.gguf`, "FETCH_FAILED", "breaks.gguf"],
    ["an address that ends too early", () => `${origin}/short.gguf`, "TRUNCATED_TENSOR", "short"],
    ["a scheme that nothing serves", () => new URL("gopher://x/y"), "FETCH_FAILED", "gopher://x/y"],
    ["no bytes", () => new Uint8Array(0), "EMPTY_SOURCE", "bytes"],
    ["an empty Response", () => new Response(null), "EMPTY_SOURCE", "response"],
    ["bytes cut inside the header", () => bytes.slice(0, 100), "TRUNCATED_HEADER", "bytes"],
    ["bytes cut inside a tensor", () => bytes.slice(0, -1), "TENSOR_BEYOND_END", "bytes"],
    ["a stream of texts", () => new ReadableStream({
      start: (controller) => controller.enqueue("GGUF" as unknown as Uint8Array),
    }), "BAD_SOURCE", "stream"],
    ["a number", () => 7 as unknown as SourceInput, "BAD_SOURCE", "path"],
    ["nothing", () => null as unknown as SourceInput, "BAD_SOURCE", "path"],
  ];
  for (const [name, make, code, word] of inputs) {
    it(`${name}: ${code}`, async () => {
      const failure = await failureOf(load(make()));
      expect([failure.code, failure.message]).toEqual([code, expect.stringContaining(word)]);
      expect(failure.message).toMatch(/^[^\n]+\.$/);
      await untilNoRequest();
    });
  }

  it("a port where nobody listens: FETCH_FAILED", async () => {
    const closed = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => closed.once("listening", resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    expect(await codeOf(load(`http://127.0.0.1:${port}/model.gguf`))).toBe("FETCH_FAILED");
  });

  it("a Response or a stream that has been read: SOURCE_USED", async () => {
    const response = new Response(bytes.slice());
    await response.arrayBuffer();
    expect(await codeOf(load(response))).toBe("SOURCE_USED");
    const stream = streamOf(1000);
    stream.getReader();
    expect(await codeOf(load(stream))).toBe("SOURCE_USED");
  });

  it("a stream is cancelled when its bytes are refused", async () => {
    const state = { cancelled: false };
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => void (sent++, controller.enqueue(new Uint8Array(1000))),
      cancel: () => void (state.cancelled = true),
    });
    expect(await codeOf(load(endless))).toBe("NOT_GGUF");
    expect(state.cancelled).toBe(true);
    expect(sent).toBeLessThan(1000);
  });

  it("a file is closed when it is refused", async () => {
    const broken = join(folder, "broken.gguf");
    writeFileSync(broken, bytes.slice(0, 50_000));
    expect(await codeOf(load(broken))).toMatch(/^T/);
    expect(isOpen(broken)).toBe(false);
    expect(await codeOf(load(path, { memoryLimit: 1000 }))).toBe("MEMORY_LIMIT");
    expect(isOpen(path)).toBe(false);
  });

  it("names the source once, in front of the engine's sentence", async () => {
    const broken = join(folder, "not a model.gguf");
    writeFileSync(broken, "hello");
    const failure = await failureOf(load(broken));
    expect(failure.message.startsWith(`${broken}: `)).toBe(true);
    expect(failure.message.split(broken)).toHaveLength(2);
  });

  it("says that the engine is missing where its file is", async () => {
    const lonely = join(folder, "lonely.mjs");
    writeFileSync(lonely, readFileSync(new URL("../../dist/index.js", import.meta.url)));
    const script = `import { load } from ${JSON.stringify(pathToFileURL(lonely).href)};
      const codeNow = () => load(${JSON.stringify(path)}).catch((error) => error.code);
      console.log(await codeNow(), await codeNow());`;
    const output = execFileSync(process.execPath, ["--input-type=module", "-e", script]);
    expect(String(output).trim()).toBe("ENGINE_MISSING ENGINE_MISSING");
    expect(isOpen(path)).toBe(false);
  });
});

it("keeps reading no more than it needs: what follows the tensors stays unread", async () => {
  const state = { cancelled: false };
  let pieces = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(pieces++ === 0 ? bytes : new Uint8Array(1000));
    },
    cancel: () => void (state.cancelled = true),
  });
  using model = await load(endless);
  expect(model.info.tensors.length).toBeGreaterThan(10);
  expect(state.cancelled).toBe(true);
  expect(pieces).toBeLessThan(1000);
});
