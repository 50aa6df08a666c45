// The engine by address, as browsers get it: from any server that gives the right bytes; where the
// bytes are others, one sentence says what to do. Does not know: what a page's policy forbids,
// which only a browser can tell (test/platforms).

import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileFetched } from "../../host/platform/fetched";
import { onceEach } from "../../host/platform/once";

const wasm = readFileSync(new URL("../../dist/nibble.wasm", import.meta.url));
const page = "<!DOCTYPE html><title>An app</title>";

/** Status, type and body of each address. */
const answers: Record<string, [number, string, string | Uint8Array]> = {
  "/right.wasm": [200, "application/wasm", wasm],
  "/typed.wasm": [200, "application/wasm; charset=binary", wasm],
  "/octets.wasm": [200, "application/octet-stream", wasm],
  "/untyped.wasm": [200, "", wasm],
  "/page.wasm": [200, "text/html", page],
  "/untyped-page.wasm": [200, "", page],
  "/none.wasm": [404, "text/html", page],
  "/cut.wasm": [200, "application/wasm", wasm.subarray(0, 5000)],
  "/empty.wasm": [200, "application/octet-stream", ""],
};
let server: Server;
let origin = "";

beforeAll(async () => {
  server = createServer((request, response) => {
    const [status, type, body] = answers[request.url ?? ""] ?? [500, "", ""];
    response.writeHead(status, type ? { "content-type": type } : {}).end(body);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => void server.close());

describe("the engine's file", () => {
  it.each(["right", "typed", "octets", "untyped"])("is compiled from /%s.wasm", async (name) => {
    const module = await compileFetched(new URL(`${origin}/${name}.wasm`));
    expect(WebAssembly.Module.exports(module).length).toBeGreaterThan(10);
  });

  it.each([
    ["/page.wasm", "is a web page, not the engine"],
    ["/untyped-page.wasm", "optimizeDeps"],
    ["/none.wasm", "answered 404; copy nibble*.wasm"],
    ["/cut.wasm", "could not be compiled ("],
    ["/empty.wasm", "could not be compiled ("],
  ])("is missed in one sentence: %s", async (path, words) => {
    const failure = await compileFetched(new URL(origin + path)).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: "ENGINE_MISSING", message: expect.stringContaining(words) as string,
    });
    expect((failure as Error).message).toMatch(/^[^\n]+\.$/);
    expect((failure as Error).message).toContain(origin + path);
  });

  it("is missed where nobody answers", async () => {
    const failure = await compileFetched(new URL("http://127.0.0.1:1/nibble.wasm"))
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "ENGINE_MISSING" });
    expect((failure as Error).message)
      .toMatch(/^http:\/\/127\.0\.0\.1:1\/nibble\.wasm could not be fetched \([^\n]+\.$/);
  });
});

it("work is done once for each key, and again after a failure", async () => {
  let count = 0;
  const work = onceEach(async (key) => {
    if (++count === 1) throw new Error("not yet");
    return `${key}${count}`;
  });
  await expect(work("a")).rejects.toThrow("not yet");
  expect([await work("a"), await work("a"), await work("b"), await work("a")])
    .toEqual(["a2", "a2", "b3", "a2"]);
});
