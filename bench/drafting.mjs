// What a smaller model's guesses win before a larger one: node bench/drafting.mjs LARGE SMALL. Both
// read the same tokens. The small one writes its likeliest tokens ahead, the large one reads them in
// one pass and keeps those that it picks itself, so that the text is what it writes alone. Prints,
// for the likeliest tokens and for sampled ones, the time against that of the large model alone, in
// turns; how many guesses were right; and the share of the time that the small one took.
// Does not know: guesses out of the text itself (guesses.mjs).

import { readFileSync } from "node:fs";
import { median } from "./statistics.mjs";

const { load } = await import(new URL("../dist/index.js", import.meta.url).href);
const [large, small] = process.argv.slice(2);
if (!large || !small) {
  process.stderr.write("usage: node bench/drafting.mjs LARGE SMALL\n");
  process.exit(2);
}
const PROMPTS = ["Once upon a time", "Tom and his dog went to the park.",
  readFileSync(new URL("../README.md", import.meta.url), "utf8").slice(500, 900)];
const TOKENS = 300;
const ROUNDS = 5;
const GUESSES = [2, 3, 7];

/** A model's one session, by the engine itself. */
class Reader {
  constructor(model) {
    this.session = model.session();
    this.engine = this.session.host.engine;
    this.index = this.session.index;
  }

  call(call) {
    return this.engine.call((e) => call(e, this.index));
  }

  get length() {
    return this.call((e, index) => e.position(index));
  }

  read(tokens) {
    for (let at = 0; at < tokens.length; at += 32) {
      for (const token of tokens.slice(at, at + 32)) this.call((e, index) => e.push(index, token, 0));
      this.call((e) => e.run(-1));
    }
    this.call((e) => e.keepTo((tokens.length - 1) % 32));
  }

  pick() {
    return this.call((e, index) => e.sample(index));
  }

  begin(tokens, temperature) {
    this.call((e, index) => e.rewind(index, 0));
    this.call((e, index) => e.configure(index, temperature, 40, 0.95, 0.05, 1, 64));
    this.call((e, index) => e.seed(index, 7, 0));
    this.read(tokens);
  }
}

const models = await Promise.all([large, small].map((path) => load(path,
  { context: 1024, threads: 1 })));
const [writer, drafter] = models.map((model) => new Reader(model));
console.log(`${large} and ${small}, ${models[0].info.simd}, Node ${process.version}`);

function alone(prompt, temperature) {
  writer.begin(prompt, temperature);
  const started = performance.now();
  const text = [writer.pick()];
  while (text.length < TOKENS) {
    writer.read(text.slice(-1));
    text.push(writer.pick());
  }
  return { text, time: performance.now() - started };
}

/** So many tokens behind those that it has not read yet. */
function draft(unread, count) {
  const started = performance.now();
  const guesses = [];
  for (let next = unread; guesses.length < count; next = guesses.slice(-1)) {
    drafter.read(next);
    guesses.push(drafter.pick());
  }
  return { guesses, time: performance.now() - started };
}

function together(prompt, temperature, count) {
  writer.begin(prompt, temperature);
  drafter.begin(prompt, 0);
  const started = performance.now();
  const text = [writer.pick()];
  const spent = { guesses: 0, right: 0, drafting: 0 };
  while (text.length < TOKENS) {
    const unread = text.slice(drafter.length - prompt.length);
    const { guesses, time } = draft(unread, count);
    const before = writer.length;
    for (const token of [text.at(-1), ...guesses]) writer.call((e, i) => e.push(i, token, 0));
    writer.call((e) => e.run(-1));
    let right = 0;
    for (;; right++) {
      writer.call((e) => e.keepTo(right));
      text.push(writer.pick());
      if (right === count || text.at(-1) !== guesses[right] || text.length === TOKENS) break;
    }
    if (drafter.length > before + 1 + right) {
      drafter.call((e, index) => e.rewind(index, before + 1 + right));
    }
    spent.guesses += count;
    spent.right += right;
    spent.drafting += time;
  }
  return { text, time: performance.now() - started, ...spent };
}

for (const temperature of [0, 0.8]) {
  for (const count of GUESSES) {
    const ratios = [];
    const sum = { guesses: 0, right: 0, drafting: 0, time: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      for (const words of PROMPTS) {
        const prompt = [...models[0].tokenize(words)];
        const one = alone(prompt, temperature);
        const two = together(prompt, temperature, count);
        if (one.text.join() !== two.text.join()) throw new Error("the texts differ");
        ratios.push(one.time / two.time);
        for (const key of Object.keys(sum)) sum[key] += two[key];
      }
    }
    console.log(`temperature ${temperature}, ${count} guesses: ${median(ratios).toFixed(2)} x, `
      + `${(100 * sum.right / sum.guesses).toFixed(0)} % right, `
      + `${(100 * sum.drafting / sum.time).toFixed(0)} % of the time for guesses`);
  }
}
process.exit(0);
