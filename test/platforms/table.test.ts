// The promise as a table: every model on every runtime, with each build that it has, gives the same
// logits and the same text, and a text that one runtime saves goes on in the next as if nothing had
// been. What is not on this machine is skipped by its name. Does not know: how a runtime is reached
// (hosts/).

import { execFileSync } from "node:child_process";
import { cpSync, existsSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pi3, pi4, pi5 } from "./hosts/arm64";
import { bun } from "./hosts/bun";
import { chromium, chromiumWorker } from "./hosts/chromium";
import { deno } from "./hosts/deno";
import { node } from "./hosts/node";
import { node24 } from "./hosts/node24";
import { workerd, workerdRelaxed } from "./hosts/workerd";
import { denoWasi, nodeWasi } from "./hosts/wasi";
import {
  RELAXED, STRICT, openStage, root, withBuild, type Answer, type Host, type Running, type Stage,
} from "./stage";

const HOSTS: readonly Host[] = [node, node24, deno, bun, workerd, chromium, nodeWasi, denoWasi,
  pi3, pi4, pi5,
  withBuild(node24, RELAXED), withBuild(deno, RELAXED), withBuild(bun, RELAXED), workerdRelaxed,
  withBuild(chromium, RELAXED), withBuild(pi4, RELAXED), withBuild(pi5, RELAXED),
  withBuild(node, { ...STRICT, threads: 2 }), withBuild(node, { ...STRICT, threads: 4 }),
  withBuild(node24, { ...RELAXED, threads: 2 }), withBuild(deno, { ...STRICT, threads: 2 }),
  withBuild(bun, { ...RELAXED, threads: 2 }), withBuild(chromiumWorker, { ...RELAXED, threads: 2 }),
];

/**
 * Grammars are TypeScript: a column for each engine of JavaScript and each processor tells whether
 * they run the same, and the program without JavaScript has none.
 */
const ENGINES: readonly Host[] = [node, node24, deno, bun, workerd, chromium, pi4];

interface Row {
  name: string;
  file: string;
  prompt: string;
  maxTokens: number;
  /** So large that a slow host is spared most tokens. */
  isLarge?: boolean;
  /** Made by a program instead of copied. */
  shape?: string;
  /** What the text is: JSON that is valid by this schema. */
  schema?: object;
}

const shared = join(root, "../shared");
const random = join(shared, "tools/random-gguf.mjs");
const prompt = "Once upon a time there was a little girl";

const bytepool = join(root, "models/bytepool-10m.gguf");
const stories = join(shared, "models/stories260K/stories260Ktok512.gguf");

/** Three people, which no limit cuts. */
const schema = { type: "array", minItems: 3, maxItems: 3, items: {
  type: "object", required: ["name", "age", "moods", "says"], additionalProperties: false,
  properties: {
    name: { type: "string", pattern: "^[A-Z][a-zé]{2,9}$" },
    age: { type: "integer", minimum: 1, maximum: 120 },
    moods: { type: "array", items: { enum: ["glad", "sad", "grumpy"] }, maxItems: 2 },
    says: { type: "string", minLength: 5, maxLength: 30 },
  },
} };

const MODELS: readonly Row[] = [
  { name: "bytepool-10m", file: bytepool, prompt, maxTokens: 300 },
  { name: "stories260K", prompt, maxTokens: 300, file: stories },
  { name: "bytepool-10m, in JSON", file: bytepool, prompt, maxTokens: 500, schema },
  { name: "stories260K, in JSON", file: stories, prompt, maxTokens: 500, schema },
  { name: "random, of the shape of SmolLM-135M", file: random, shape: "smol135", isLarge: true,
    prompt: "Bytes.", maxTokens: 24 },
];

let stage: Stage;
const running = new Map<Host, Running>();

beforeAll(async () => {
  stage = await openStage();
});

afterAll(async () => {
  for (const host of running.values()) await host.stop();
  await stage.close();
});

/** The runtime, started when it is first needed. */
async function started(host: Host): Promise<Running> {
  const found = running.get(host) ?? await host.start(stage);
  running.set(host, found);
  return found;
}

/** The model in the stage's folder. */
function placed({ file, shape }: Row): string {
  const path = join(stage.folder, shape ? `${shape}.gguf` : basename(file));
  if (existsSync(path)) return path;
  if (shape) execFileSync(process.execPath, [file, shape, path]);
  else cpSync(file, path);
  return path;
}

function optionsFor(row: Row, host: Host) {
  const most = row.isLarge ? host.tokensMax ?? row.maxTokens : row.maxTokens;
  const { schema } = row;
  return { seed: 7, temperature: 0.8, maxTokens: Math.min(row.maxTokens, most), schema };
}

describe.each(MODELS)("$name", (row) => {
  const isAbsent = !existsSync(row.file);
  /** Answers of the hosts so far; the first is what the others are compared with. */
  const own = new Map<Host, Answer>();
  const hosts = row.schema ? ENGINES : HOSTS;

  for (const host of hosts) {
    const missing = isAbsent ? row.file : host.missing();
    const words = missing ? ` (there is no ${missing})` : "";

    it.skipIf(missing)(`writes the same on ${host.name}${words}`, async () => {
      const options = optionsFor(row, host);
      const answer = await (await started(host)).run(placed(row),
        { build: host.build, prompt: row.prompt, options });
      own.set(host, answer);
      const [reference] = own.values();
      expect(answer.logits).toMatch(/^[0-9a-f]{64}$/);
      expect(answer.logits).toBe(reference!.logits);
      expect(answer.build).toEqual(host.build);
      if (answer.entry !== undefined) expect(answer.entry).toBe(host.entry);
      const text = answer.first! + answer.rest;
      if (row.schema) expect(JSON.parse(text)).toHaveLength(3);
      else expect(text.length).toBeGreaterThan(options.maxTokens / 2);
      const whole = reference!.first! + reference!.rest;
      if (host.hasSessions === false) {
        expect(text.replace(/\n$/, "")).toBe(whole.replace(/\n$/, ""));
      } else if (options.maxTokens === row.maxTokens) {
        expect(text).toBe(whole);
        expect(answer.saved === reference!.saved, "the saved bytes").toBe(true);
      } else {
        expect(whole.slice(0, text.length)).toBe(text);
      }
    });
  }

  const savers = hosts.filter((host) => host.hasSessions !== false);
  const there = savers.filter((host) => !isAbsent && !host.missing());
  savers.forEach((host) => {
    const missing = isAbsent ? row.file : host.missing();
    const words = missing ? ` (there is no ${missing})` : "";
    const other = there[(there.indexOf(host) + 1) % there.length];
    it.skipIf(missing)(`is saved on ${host.name} and goes on on ${other?.name}${words}`,
      async () => {
        const { saved, rest } = own.get(host)!;
        const answer = await (await started(other!)).run(placed(row),
          { build: other!.build, prompt: row.prompt, options: optionsFor(row, host), saved });
        expect(answer.build).toEqual(other!.build);
        expect(answer.rest).toBe(rest);
      });
  });
});
