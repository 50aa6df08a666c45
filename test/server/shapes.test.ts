// The shapes of answers over HTTP: OpenAI's response_format, and the fields for the same of
// llama.cpp's server and of vLLM; whole and in a stream; and refusals that name the field.
// Does not know: sockets.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createServer, eventsOf, jsonOf, openModel, post, type NibbleServer } from "./library";
import type { Model } from "../host/library";

const messages = [{ role: "user", content: "Hello" }];
const schema = {
  type: "object", additionalProperties: false, required: ["n", "on"],
  properties: { n: { type: "integer", minimum: 0, maximum: 99 }, on: { type: "boolean" } },
};
const SETTINGS = { temperature: 1.5, seed: 3, max_tokens: 200 };
const SHAPED = /^\{"n": \d{1,2}, "on": (true|false)\}$/;

let model: Model;
let server: NibbleServer;
beforeAll(async () => {
  model = await openModel({ sessions: 4 });
  server = createServer(model);
});
afterAll(async () => {
  await server.close();
  model.dispose();
});

const chat = async (fields: object) => jsonOf(await server.fetch(
  post("/v1/chat/completions", { messages, ...SETTINGS, ...fields })));
const complete = async (fields: object) => jsonOf(await server.fetch(
  post("/v1/completions", { prompt: "Once", ...SETTINGS, ...fields })));

describe("an answer has the shape of", () => {
  it.each([
    ["a json_schema of OpenAI", { response_format: { type: "json_schema",
      json_schema: { name: "pair", description: "two things", strict: true, schema } } }],
    ["a schema beside the type", { response_format: { type: "json_object", schema } }],
    ["the same with json_schema", { response_format: { type: "json_schema", schema } }],
    ["llama.cpp's json_schema", { json_schema: schema }],
    ["vLLM's guided_json", { guided_json: schema }],
    ["the same as text", { guided_json: JSON.stringify(schema) }],
    ["vLLM's structured_outputs", { structured_outputs: { json: schema } }],
    ["a grammar", { grammar: String.raw`root ::= "{\"n\": " [0-9]{1,2} ", \"on\": true}"` }],
    ["a guided grammar", { guided_grammar: String.raw`root ::= "{\"n\": 7, \"on\": true}"` }],
    ["another grammar", { structured_outputs: { grammar:
      String.raw`root ::= "{\"n\": 7, \"on\": true}"` } }],
    ["a regular expression", { guided_regex: String.raw`\{"n": \d, "on": (true|false)\}` }],
    ["another", { structured_outputs: { regex: String.raw`\{"n": \d, "on": true\}` } }],
    ["a list", { guided_choice: ['{"n": 1, "on": true}', '{"n": 2, "on": false}'] }],
    ["another list", { structured_outputs: { choice: ['{"n": 3, "on": true}'] } }],
  ])("%s", async (_, fields) => {
    const [choice] = (await chat(fields)).choices;
    expect(choice?.message?.content).toMatch(SHAPED);
    expect(choice?.finish_reason).toBe("stop");
    const { choices } = await complete({ ...fields, n: 2 });
    expect(choices).toHaveLength(2);
    for (const { text } of choices) expect(text).toMatch(SHAPED);
  });

  it.each([
    ["json_object", { response_format: { type: "json_object" } }],
    ["vLLM's json_object", { structured_outputs: { json_object: true } }],
  ])("any object: %s", async (_, fields) => {
    // A random model writes long objects; what it has written so far begins one.
    const [choice] = (await chat({ ...fields, max_tokens: 30 })).choices;
    expect(choice?.message?.content).toMatch(/^\{("|\})/);
  });

  it.each([
    ["text", { response_format: { type: "text" } }], ["no grammar", { grammar: "" }],
    ["nothing", { structured_outputs: { json_object: false }, guided_json: null }],
  ])("none at all: %s", async (_, fields) => {
    expect((await chat(fields)).choices[0]?.message).toEqual((await chat({})).choices[0]?.message);
  });

  it("its stream", async () => {
    const fields = { response_format: { type: "json_schema", json_schema: { name: "a", schema } } };
    const response = await server.fetch(post("/v1/chat/completions",
      { messages, ...SETTINGS, ...fields, stream: true, logprobs: true }));
    const events = (await eventsOf(response)).slice(0, -1).map((event) => (
      JSON.parse(event) as Awaited<ReturnType<typeof chat>>));
    const text = events.map(({ choices }) => choices[0]?.delta?.content ?? "").join("");
    expect(text).toBe((await chat(fields)).choices[0]?.message?.content);
    expect(text).toMatch(SHAPED);
    expect(events.at(-1)?.choices[0]?.finish_reason).toBe("stop");
  });
});

it("an answer that was cut says so", async () => {
  const [choice] = (await chat({ json_schema: schema, max_tokens: 4 })).choices;
  expect(choice?.finish_reason).toBe("length");
});

const format = (json_schema: unknown): object => (
  { response_format: { type: "json_schema", json_schema } });

it.each([
  [{ response_format: "json" }, "response_format", "an object"],
  [{ response_format: { type: "xml" } }, "response_format.type", "json_object or"],
  [{ response_format: { type: "json_schema" } }, "response_format.json_schema.schema", "schema"],
  [format({ name: "a" }), "response_format.json_schema.schema", "schema"],
  [format({ name: "a", schema: [] }), "response_format.json_schema.schema", "schema"],
  [format({ name: 1, schema }), "name", "a text"],
  [format({ name: "a", schema, other: 1 }), "response_format.json_schema.other", "no parameter"],
  [{ response_format: { type: "text", schema } }, "response_format.schema", "no parameter"],
  [format({ name: "a", schema: { type: "strin" } }), "response_format", "strin"],
  [format({ name: "a", schema: { not: {} } }), "response_format", ""],
  [{ json_schema: '{"enum": [1], "enum": [2]}' }, "json_schema", "has a name twice"],
  [{ json_schema: "{" }, "json_schema", "a JSON schema"], [{ grammar: 7 }, "grammar", "a text"],
  [{ grammar: "root ::= (" }, "grammar", "line 1, column 10"],
  [{ grammar: "root ::= root" }, "grammar", ""],
  [{ guided_regex: "a(" }, "guided_regex", "never closed (character 2)"],
  [{ guided_regex: ["a"] }, "guided_regex", "a text"],
  [{ guided_choice: [] }, "guided_choice", "1 to"],
  [{ guided_choice: [1] }, "guided_choice", "a list of texts"],
  [{ structured_outputs: { json: 1 } }, "structured_outputs.json", "a JSON schema"],
  [{ structured_outputs: { regex: "[" } }, "structured_outputs.regex", "never closed"],
  [{ structured_outputs: { structural_tag: "" } }, "structured_outputs.structural_tag", "no param"],
  [{ grammar: "root ::= [a]", guided_regex: "a" }, "guided_regex", "both say"],
  [{ json_schema: schema, response_format: { type: "json_object" } }, "json_schema", "both say"],
  [{ json_schema: schema, stop: ["a"] }, "stop", "does not go with json_schema"],
  [{ grammar: `root ::= ${"(".repeat(60000)}` }, "grammar", "more than 200 groups"],
])("refuses %.80j, with the field", async (fields, param, words) => {
  for (const [path, own] of [["/v1/chat/completions", { messages }],
    ["/v1/completions", { prompt: "a" }]] as const) {
    const response = await server.fetch(post(path, { ...own, ...fields }));
    expect(response.status).toBe(400);
    const { error } = await jsonOf(response);
    expect(error).toMatchObject({ type: "invalid_request_error", param });
    expect(error?.message).toContain(words);
  }
});
