// What clients ask of a server under load, and what each must get: the text that the library writes
// alone, in this process, with the same seed. And what must be refused.
// Does not know: sockets, how many ask at once.

const PROMPTS = ["Once upon a time", "Once upon a time, there was", "The", "A dog and a cat",
  "Über den Wolken", "My name is", "The weather today"];
const QUESTIONS = ["Hello, how are you?", "Hello, who are you?", "Tell me about the sea.",
  "What time is it?"];
const KINDS = 28;
/** No answer of the slow kind fits into the buffers of sockets. */
const SLOW = { n: 2, max_tokens: 250, logprobs: true, top_logprobs: 20 };

/** Requests of many lengths, beginnings and settings, in both forms; with what they must give. */
export async function requestsFor(model) {
  const requests = [];
  for (let i = 0; i < KINDS; i++) {
    const body = {
      seed: i, temperature: [0.8, 1, 0][i % 3], max_tokens: 10 + (i * 37) % 120,
      ...(i % 5 === 0 ? { stop: ["e "] } : {}), ...(i % 7 === 3 ? { n: 2 } : {}),
      ...(i % 4 === 1 ? { frequency_penalty: 0.5, top_p: 0.9 } : {}),
    };
    const messages = [{ role: "user", content: QUESTIONS[i % QUESTIONS.length] }];
    requests.push(await answered(model, i % 2 === 0
      ? { path: "/v1/completions", body: { prompt: PROMPTS[i % PROMPTS.length], ...body } }
      : { path: "/v1/chat/completions", body: { messages, ...body } }));
  }
  return requests;
}

/** One whose answer is megabytes. */
export const slowRequestFor = (model) => answered(model, { path: "/v1/chat/completions",
  body: { messages: [{ role: "user", content: QUESTIONS[0] }], seed: 1, temperature: 1, ...SLOW,
    logit_bias: Object.fromEntries([0, 1, 2, 3, 256, 257, 258, 259].filter(
      (token) => token < model.info.vocabulary).map((token) => [token, -100])) } });

async function answered(model, request) {
  const { prompt, messages, n = 1, seed, ...body } = request.body;
  const texts = [];
  let tokens = 0;
  for (let choice = 0; choice < n; choice++) {
    const options = {
      seed: seed + choice, maxTokens: body.max_tokens, temperature: body.temperature,
      topP: body.top_p, frequencyPenalty: body.frequency_penalty, stop: body.stop,
      logitBias: body.logit_bias,
    };
    const own = prompt === undefined ? await model.completeChat(messages, options)
      : await model.complete(prompt, options);
    texts.push(own.text);
    tokens += own.completionTokens;
  }
  return { ...request, texts, tokens };
}

/** What is refused, and with which status. */
export const BAD = [
  { text: "{", status: 400 },
  { text: "", status: 400 },
  { text: "[".repeat(50_000), status: 400 },
  { text: JSON.stringify({ prompt: "x", max_tokens: -1 }), status: 400 },
  { text: JSON.stringify({ prompt: "x", temprature: 1 }), status: 400 },
  { text: JSON.stringify({ prompt: [1e9] }), status: 400 },
  { text: JSON.stringify({ prompt: "x", model: "another" }), status: 404 },
  { text: "x".repeat(5 << 20), status: 413 },
  { text: "{}", status: 415, type: "text/plain" },
];
