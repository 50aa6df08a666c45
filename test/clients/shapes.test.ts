// Answers that have the shape of a schema, through the clients that other people wrote and their
// libraries of schemas: openai, Vercel's AI SDK over HTTP and in process, LangChain; and the
// library itself with Zod and Valibot.
// Does not know: how a shape is kept to.

import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { ChatOpenAI } from "@langchain/openai";
import { toStandardJsonSchema } from "@valibot/to-json-schema";
import { Output, generateObject, generateText, streamObject } from "ai";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import * as v from "valibot";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { KEY, serve, type Served } from "./served";
import type * as Provider from "../../host/ai";

// By address, so that types come from the source and the code from dist/.
const provider = new URL("../../dist/ai.js", import.meta.url).href;
const { languageModel } = await import(provider) as typeof Provider;

let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served.close());

const Person = z.object({
  name: z.string().max(10), age: z.int().min(0).max(120),
  moods: z.array(z.enum(["glad", "sad"])).max(2),
});
const SEEDS = [1, 2, 3, 4];
const prompt = "Hello there";

describe("the openai package", () => {
  it("parses what it asked for", async () => {
    const client = new OpenAI({ baseURL: served.baseURL, apiKey: KEY, maxRetries: 0 });
    for (const seed of SEEDS) {
      const { choices } = await client.chat.completions.parse({ model: "tiny", seed,
        messages: [{ role: "user", content: prompt }], temperature: 1.5,
        response_format: zodResponseFormat(Person, "person") });
      expect(Person.parse(choices[0]?.message.parsed)).toEqual(choices[0]?.message.parsed);
    }
    await expect(client.chat.completions.create({ model: "tiny",
      messages: [{ role: "user", content: prompt }],
      response_format: { type: "json_schema", json_schema: { name: "x",
        schema: { type: "no type" } } } }))
      .rejects.toMatchObject({ status: 400, param: "response_format", code: "bad_schema" });
  });
});

describe.each(["over HTTP", "in process"])("Vercel's AI SDK %s", (way) => {
  const model = () => (way === "in process" ? languageModel(served.model)
    : createOpenAICompatible({ name: "nibble", baseURL: served.baseURL, apiKey: KEY,
      supportsStructuredOutputs: true })("tiny"));
  const settings = (seed: number) => ({ model: model(), prompt, seed, temperature: 1.5,
    maxRetries: 0 });

  it("generates and streams objects", async () => {
    for (const seed of SEEDS) {
      const { object, warnings } = await generateObject({ ...settings(seed), schema: Person });
      expect(Person.parse(object)).toEqual(object);
      expect(warnings ?? []).toEqual([]);
      const stream = streamObject({ ...settings(seed), schema: Person });
      const parts: unknown[] = [];
      for await (const part of stream.partialObjectStream) parts.push(part);
      expect(await stream.object).toEqual(object);
      expect(parts.at(-1)).toEqual(object);
      const { output } = await generateText({ ...settings(seed),
        output: Output.object({ schema: Person }) });
      expect(output).toEqual(object);
    }
  });

  it("chooses", async () => {
    const { object } = await generateObject({ ...settings(1), output: "enum",
      enum: ["glad", "sad"] });
    expect(["glad", "sad"]).toContain(object);
  });
});

it("LangChain's structured output", async () => {
  const client = new ChatOpenAI({ model: "tiny", apiKey: KEY, temperature: 1.5, maxRetries: 0,
    configuration: { baseURL: served.baseURL }, modelKwargs: { seed: 5 } });
  const person = await client.withStructuredOutput(Person, { method: "jsonSchema" })
    .invoke(prompt);
  expect(Person.parse(person)).toEqual(person);
});

describe("the library", () => {
  it("gives what Zod and Valibot make of a text", async () => {
    const Length = Person.shape.name.transform((name) => name.length);
    const Email = z.object({ to: z.email(), cc: z.email().optional(), at: z.iso.date() });
    const Shout = toStandardJsonSchema(v.object({ word: v.picklist(["a", "b"]) }));
    for (const seed of SEEDS) {
      const options = { seed, temperature: 1.5, maxTokens: 1000 };
      const length = await served.model.complete(prompt, { schema: Length, ...options });
      expect(length.value).toBe((JSON.parse(length.text) as string).length);
      const mail = await served.model.complete(prompt, { schema: Email, ...options });
      expect(Email.parse(mail.value)).toEqual(mail.value);
      const shout = await served.model.complete(prompt, { schema: Shout, ...options });
      expect(["a", "b"]).toContain(shout.value?.word);
    }
  });

  it("has the types of Zod's and Valibot's values", () => {
    const folder = fileURLToPath(new URL(".", import.meta.url));
    const program = join(folder, "typed.ts");
    writeFileSync(program, `
import { toStandardJsonSchema } from "@valibot/to-json-schema";
import * as v from "valibot";
import { z } from "zod";
import type { Model } from "../../host/index";
declare const model: Model;
const person = await model.complete("", { schema: z.object({ a: z.string().transform(Number) }) });
if (person.value) { const same: { a: number } = person.value; void same; }
const schema = toStandardJsonSchema(v.object({ b: v.picklist(["x", "y"]) }));
const found = await model.extract("", schema);
if (found.value) { const same: { b: "x" | "y" } = found.value; void same; }
// ${["@ts", "expect-error"].join("-")} Valibot's own schemas cannot tell their JSON schema
await model.complete("", { schema: v.object({ b: v.string() }) });
export {};
`);
    try {
      const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")),
        "bin/tsc");
      expect(execFileSync(process.execPath, [tsc, "--noEmit", "--strict", "--target", "es2022",
        "--module", "esnext", "--moduleResolution", "bundler", "--skipLibCheck",
        "--lib", "es2023,dom,dom.asynciterable,esnext.disposable", program],
      { encoding: "utf8" })).toBe("");
    } finally {
      rmSync(program);
    }
  });
});
