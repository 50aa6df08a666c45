// How fast labels are read: node bench/labels.mjs [MODEL or -] [SESSIONS] [THREADS]. Milliseconds of
// 2 to 256 labels behind a text of 400 bytes, most of which is there already: one label after the
// other in passes of its own; as a tree in one session; and in as many sessions as are asked for
// (default 8, of one thread). In turns, medians; all must be the same bits.
// Does not know: which label is right (classify.mjs).

import { deepStrictEqual } from "node:assert";
import { median } from "./statistics.mjs";

const { load } = await import(new URL("../dist/index.js", import.meta.url).href);
const [model = "-", sessions = "8", threads = "1"] = process.argv.slice(2);
const path = model === "-" ? undefined : model;
const TEXT = "It was a rainy day, and nobody wanted to go out. ".repeat(8);
const COUNTS = [2, 4, 8, 16, 64, 256];
const SECONDS = 5;
const NAMES = ["story", "article", "letter", "recipe", "conversation", "poem", "report", "song"];
const KINDS = ["", "short ", "long ", "old ", "new ", "formal ", "funny ", "sad "];

/** Different labels, some of which begin alike. */
function labelsOf(count) {
  return Array.from({ length: count }, (_, i) => {
    const round = i >> 6;
    return KINDS[(i >> 3) & 7] + NAMES[i & 7] + (round > 0 ? ` of kind ${round}` : "");
  });
}

/** A pass for each label, with the text read once; gives the same numbers as choose. */
async function oneByOne(model, session, query, labels) {
  const { engine } = session.host;
  const head = model.tokenize(query, { special: false });
  if (engine.fact("bos") >= 0) head.unshift(engine.fact("bos"));
  const kept = session.keepShared(head);
  await session.feed(head.slice(kept));
  const isSpaced = model.info.tokenizer === "sentencepiece";
  const tails = labels.map((label) => (
    model.tokenize(isSpaced ? label : ` ${label}`, { special: false })));
  const sums = tails.map(([first]) => engine.exports.logProbability(session.index, first));
  for (const [i, tail] of tails.entries()) {
    if (tail.length < 2) continue;
    session.rewind(head.length);
    await session.evaluate(tail.slice(0, -1), (at) => {
      sums[i] += engine.exports.logProbability(session.index, tail[at + 1]);
    });
  }
  return sums;
}

const options = { context: 1024, threads: Number(threads) };
const single = await load(path, options);
const before = await load(path, options);
const session = before.session();
const many = await load(path, { ...options, sessions: Number(sessions) });
const lanes = {
  "one by one": (query, labels) => oneByOne(before, session, query, labels),
  tree: async (query, choices) => (await single.choose({ query, choices })).logLikelihoods,
  [`${sessions} sessions`]: async (query, choices) => (
    (await many.choose({ query, choices })).logLikelihoods),
};
console.log(`${path ?? "embedded model"}, ${single.info.simd}, Node ${process.version}`);
for (const count of COUNTS) {
  const labels = labelsOf(count);
  const times = Object.fromEntries(Object.keys(lanes).map((name) => [name, []]));
  let round = 0;
  for (const end = performance.now() + SECONDS * 1000; performance.now() < end || round < 3;) {
    // Another text each time, so that the label's bytes are what is read and little else.
    const query = `${TEXT}${round}. Kind of text:`;
    const found = [];
    const names = Object.keys(lanes);
    for (const name of round++ % 2 ? names.reverse() : names) {
      const started = performance.now();
      found.push(await lanes[name](query, labels));
      times[name].push(performance.now() - started);
    }
    for (const values of found) deepStrictEqual(values, found[0]);
  }
  const medians = Object.entries(times).map(([name, all]) => [name, median(all)]);
  console.log(`${String(count).padStart(3)} labels  ${medians.map(([name, time]) => (
    `${name} ${time.toFixed(1)} ms, ${((count * 1000) / time).toFixed(0)}/s`)).join("   ")}`);
}
process.exit(0);
