// Clients of a server, each asking one thing after the other: most read their stream to its end,
// some leave in the middle, read slowly, want it whole, or send what no server should take. Every
// text is compared with what it must be, and nothing is forgiven.
// Does not know: where the texts come from, how the server is started.

import { BAD } from "./requests.mjs";

/** Of all requests. The rest are streams that are read as they come. */
const SHARES = { leaves: 0.12, bad: 0.1, whole: 0.1, slow: 0.015 };
const SLOW_PAUSE_MS = 5;
/** A queue that is full is no mistake; the client comes again, as it is told to. */
const AGAIN_MS = 100;

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * Runs `clients` of them against `address` for `seconds`. Resolves with what happened:
 *   counts        requests by what became of them
 *   tokens        of all texts that were read to their end
 *   firstByteMs   of every stream, from the request to the first event
 *   wrong         sentences; none when all is right
 * With `plain`, nobody does anything but read streams.
 */
export async function runClients({ address, requests, slow, clients, seconds, seed = 1, plain }) {
  const outcome = { counts: { streams: 0, wholes: 0, left: 0, slow: 0, refused: 0, again: 0 },
    tokens: 0, firstByteMs: [], wrong: [], seconds };
  const started = performance.now();
  const end = started + seconds * 1000;
  await Promise.all(Array.from({ length: clients }, async (_, client) => {
    const random = randomFrom(seed * 1000 + client);
    while (performance.now() < end && outcome.wrong.length < 20) {
      const kind = plain ? "streams" : kindOf(random());
      const request = kind === "slow" ? slow : requests[Math.floor(random() * requests.length)];
      try {
        await ACTIONS[kind]({ address, request, random, outcome });
      } catch (error) {
        outcome.wrong.push(`${kind} ${JSON.stringify(request.body)}: ${error.stack ?? error} `
          + `${error.cause ?? ""}`);
      }
    }
  }));
  outcome.seconds = (performance.now() - started) / 1000;
  return outcome;
}

function kindOf(share) {
  let sum = 0;
  return Object.keys(SHARES).find((kind) => share < (sum += SHARES[kind])) ?? "streams";
}

/** A sequence that is the same in every run (mulberry32). */
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const ask = (address, path, text, more = {}) => fetch(address + path, {
  method: "POST", body: text, ...more,
  headers: { "content-type": more.type ?? "application/json" },
});

const ACTIONS = {
  streams: (turn) => readStream(turn, "streams", async () => undefined),
  slow: (turn) => readStream(turn, "slow", () => pause(SLOW_PAUSE_MS)),

  async whole({ address, request, outcome }) {
    const response = await ask(address, request.path, JSON.stringify(request.body));
    if (await isFull(response, outcome)) return;
    const reply = await response.json();
    const texts = reply.choices?.map((choice) => choice.text ?? choice.message.content);
    expectSame(texts, request.texts);
    outcome.counts.wholes++;
    outcome.tokens += request.tokens;
  },

  async leaves({ address, request, random, outcome }) {
    const gone = new AbortController();
    const most = random() * random() * 6000; // bytes, of which an event has some 250
    let events = "";
    const response = await ask(address, request.path,
      JSON.stringify({ ...request.body, stream: true }), { signal: gone.signal });
    if (await isFull(response, outcome)) return;
    // Without waiting for what becomes of the body then: Node's may neither end nor fail.
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    while (events.length <= most) {
      const { done, value } = await reader.read();
      if (done) break;
      events += decoder.decode(value, { stream: true });
    }
    gone.abort();
    const whole = events.slice(0, events.lastIndexOf("\n\n") + 2);
    textsOf(whole, request).forEach((text, choice) => {
      if (!request.texts[choice].startsWith(text)) expectSame([text], [request.texts[choice]]);
    });
    outcome.counts.left++;
  },

  async bad({ address, random, outcome }) {
    const { text, status, type } = BAD[Math.floor(random() * BAD.length)];
    const response = await ask(address, "/v1/completions", text, { type });
    const reply = await response.text();
    if (response.status !== status || !JSON.parse(reply).error.message) {
      throw new Error(`${text.slice(0, 40)} was answered with ${response.status}: ${reply}`);
    }
    outcome.counts.refused++;
  },
};

async function readStream({ address, request, outcome }, kind, afterPiece) {
  const started = performance.now();
  const response = await ask(address, request.path,
    JSON.stringify({ ...request.body, stream: true }));
  if (await isFull(response, outcome)) return;
  let events = "";
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    if (events === "") outcome.firstByteMs.push(performance.now() - started);
    events += piece;
    await afterPiece();
  }
  if (!events.endsWith("data: [DONE]\n\n")) throw new Error(`no end: ${events.slice(-300)}`);
  expectSame(textsOf(events, request), request.texts);
  outcome.counts[kind]++;
  outcome.tokens += request.tokens;
}

async function isFull(response, outcome) {
  if (response.status === 200) return false;
  const text = await response.text();
  if (response.status !== 429 || !response.headers.get("retry-after")) {
    throw new Error(`${response.status}: ${text}`);
  }
  outcome.counts.again++;
  await pause(AGAIN_MS);
  return true;
}

/** The text of each choice, out of the events of a stream. */
function textsOf(events, { texts }) {
  const found = texts.map(() => "");
  for (const event of events.split("\n\n").filter(Boolean)) {
    const data = event.slice("data: ".length);
    if (data === "[DONE]") continue;
    const chunk = JSON.parse(data);
    if (!chunk.choices) throw new Error(`a failure on the way: ${data}`);
    for (const { index, text, delta } of chunk.choices) found[index] += text ?? delta.content ?? "";
  }
  return found;
}

function expectSame(found, expected) {
  if (JSON.stringify(found) === JSON.stringify(expected)) return;
  throw new Error(`${JSON.stringify(found)} came in the place of ${JSON.stringify(expected)}`);
}
