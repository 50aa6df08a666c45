// The ways into the server. Knows nothing of what lies behind them.

/** Open to everybody: the page asks for the key itself. */
export const OPEN_PATHS = ["/", "/health"];
const PATHS = [...OPEN_PATHS, "/v1/models", "/v1/completions", "/v1/chat/completions",
  "/v1/embeddings", "/tokenize", "/detokenize", "/metrics", "/props", "/v1/sessions/:id",
  "/v1/sessions/:id/completions", "/v1/sessions/:id/chat/completions"];

/** Whoever knows an id may go on with its session, so ids should be long and random. */
const SESSION = /^\/v1\/sessions\/([A-Za-z0-9_-]{1,128})(?=\/|$)/;

/**
 * The id of the session that a request is for, out of its path; undefined when it is for none. In
 * Workers it says which Durable Object is to answer.
 */
export function sessionOf(request: Request): string | undefined {
  return SESSION.exec(new URL(request.url).pathname)?.[1];
}

/** A path as logs and metrics have it: of few kinds, with nothing in it that clients made up. */
export function pathForLog(pathname: string): string {
  const path = pathname.replace(SESSION, "/v1/sessions/:id");
  return PATHS.includes(path) ? path : "other";
}
