// nibble serve: a model behind OpenAI's interface, on a port of this machine. What a socket may do
// is limited here; what a request may ask, in server.ts.

import { createAdaptorServer } from "@hono/node-server";
import { createServer as createHttpServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { NibbleError } from "../errors";
import { createServer, type LogEntry } from "../server";
import { UsageError, loadModel, numberOption, parseArguments, type Arguments } from "./arguments";
import { SAMPLING, samplingOptions } from "./sampling";

const OPTIONS = {
  ...SAMPLING,
  host: { type: "string" },
  port: { type: "string" },
  "api-key": { type: "string" },
  cors: { type: "string", multiple: true },
  parallel: { type: "string" },
  queue: { type: "string" },
  name: { type: "string" },
  "time-limit": { type: "string" },
  "idle-limit": { type: "string" },
} as const;

/** More than any client of this interface sends. */
const HEADER_BYTES_MAX = 16384;
const HEADERS_MS = 10_000;
const REQUEST_MS = 30_000;
/** How often these two are looked at. */
const CHECK_MS = 1000;
const CONNECTIONS_MAX = 1024;
/** For answers that are under way at SIGTERM. */
const CLOSE_SECONDS = 10;

export async function serve(argv: string[], signal: AbortSignal): Promise<void> {
  const args = parseArguments(argv, OPTIONS, 0);
  const text = (name: string): string | undefined => args.values[name] as string | undefined;
  const host = text("host") ?? "127.0.0.1";
  const port = wholeOption(args, "port", 0, 65535) ?? 8080;
  const sessions = wholeOption(args, "parallel", 1, 32) ?? 4;
  const apiKey = text("api-key") ?? process.env["NIBBLE_API_KEY"];
  if (apiKey === "") throw new UsageError("The API key is empty; leave it out, or give one.");
  const queue = wholeOption(args, "queue", 0, 65536) ?? 64;
  const limitSeconds = wholeOption(args, "time-limit", 1, 86400);
  const origins = args.values["cors"] as string[] | undefined;
  const model = await loadModel(args, signal, { sessions, queue });
  const idleSeconds = wholeOption(args, "idle-limit", 1, 3600) ?? 30;
  const server = createServer(model, {
    name: text("name"), apiKey, cors: origins, limitSeconds, idleSeconds, log: printEntry,
    sampling: samplingOptions(args) });
  const http = limited(createAdaptorServer({
    fetch: async (request) => foreignHost(request, host) ?? server.fetch(request),
    overrideGlobalObjects: false,
    createServer: createHttpServer,
    serverOptions: { maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: HEADERS_MS,
      requestTimeout: REQUEST_MS, keepAliveTimeout: idleSeconds * 1000,
      connectionsCheckingInterval: CHECK_MS },
  }) as Server, idleSeconds * 1000);
  await listen(http, port, host);
  const { parameters, context } = model.info;
  const millions = (parameters / 1e6).toFixed(1);
  process.stdout.write(`${args.model ?? "embedded model"}: ${millions} million parameters, `
    + `${sessions} texts at once of ${context.toLocaleString("en-US")} tokens, on `
    + `${addressOf(http, host)}${apiKey === undefined ? "" : ", with an API key"}\n`);
  await ended(signal);
  process.stderr.write("Shutting down; running answers may end.\n");
  const closed = new Promise<void>((resolve) => http.close(() => resolve()));
  await server.close(CLOSE_SECONDS);
  http.closeIdleConnections();
  setTimeout(() => http.closeAllConnections(), 1000).unref();
  await closed;
  model.dispose();
}

function wholeOption(
  args: Arguments, name: string, least: number, most: number,
): number | undefined {
  const value = numberOption(args, name);
  if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) {
    return value;
  }
  throw new UsageError(`--${name} takes a whole number from ${least} to ${most}.`);
}

/** One line of JSON for every request. */
function printEntry(entry: LogEntry): void {
  process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`);
}

/**
 * A server for this machine alone answers no other name: a page somewhere could point its own name
 * at 127.0.0.1 and would be let in by the browser.
 */
function foreignHost(request: Request, host: string): Response | undefined {
  if (!["127.0.0.1", "localhost", "::1"].includes(host)) return undefined;
  const { hostname } = new URL(request.url);
  if (["127.0.0.1", "localhost", "[::1]"].includes(hostname)) return undefined;
  return Response.json({ error: { message: "This server answers only to localhost; start it with "
    + "--host to use another name.", type: "invalid_request_error", param: null, code: null } },
  { status: 403 });
}

/** Connections are ended on which nothing moves for a while, or whose client does not read. */
function limited(http: Server, idleMs: number): Server {
  http.maxConnections = CONNECTIONS_MAX;
  const requests = new WeakMap<Socket, IncomingMessage>();
  http.on("request", (request, response) => {
    requests.set(request.socket, request);
    response.once("close", () => requests.delete(request.socket));
  });
  // An answer that waits for its turn moves nothing either, but it has been asked for whole, and
  // leaves nothing unread.
  http.setTimeout(idleMs, (socket) => {
    const isWaiting = requests.get(socket)?.complete === true && socket.writableLength === 0;
    if (!isWaiting) socket.destroy();
  });
  return http;
}

async function listen(http: Server, port: number, host: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    http.once("error", (cause: NodeJS.ErrnoException) => {
      const why = cause.code === "EADDRINUSE" ? "something listens there already"
        : cause.code ?? cause.message;
      reject(new NibbleError("BAD_OPTION", `${host}:${port} cannot be listened on (${why}); `
        + "choose another --port or --host.", { cause }));
    });
    http.listen(port, host, resolve);
  });
}

function addressOf(http: Server, host: string): string {
  const { port } = http.address() as AddressInfo;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** SIGTERM, or Ctrl-C. */
function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve());
    process.once("SIGTERM", resolve);
  });
}
