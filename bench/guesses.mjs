// What guesses at a text can win: node bench/guesses.mjs [MODEL] [PROMPT]. Prints the cost of a row,
// read out and its token picked, in passes of 1 to 32 rows behind 512 others: a guess pays by what a
// row of many costs less than a row alone. Then the time of texts with `speculation` off and
// `lookup`, in turns: with the usual sampling, with the likeliest tokens, and of one token that is
// made likely above all, where every guess is right; and the passes and rows of each.
// Does not know: where guesses come from.

import { median } from "./statistics.mjs";

const { load } = await import(new URL("../dist/index.js", import.meta.url).href);
const [path, prompt = "Once upon a time"] = process.argv.slice(2);
const SECONDS = 12;
const POSITIONS = 512;
const ROWS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32];
const TOKENS = 600;
const SAMPLED = {
  usual: {}, likeliest: { temperature: 0 }, one: { logitBias: { 97: 100 } },
};

const model = await load(path, { context: 2048, threads: 1 });
console.log(`${path ?? "embedded model"}, ${model.info.simd}, Node ${process.version}`);
printRows(rowCosts());
for (const [name, options] of Object.entries(SAMPLED)) await compare(name, options);
process.exit(0);

/** Microseconds of a row, by the rows of a pass. */
function rowCosts() {
  const session = model.session();
  const { engine } = session.host;
  const { index } = session;
  const push = (at, count) => {
    for (let i = at; i < at + count; i++) {
      // Words of five letters, or ids all over a larger vocabulary.
      const token = model.info.vocabulary < 1000 ? (i % 6 === 5 ? 32 : 97 + ((i * 7) % 26))
        : (i * 7919 + 3) % model.info.vocabulary;
      engine.call((e) => e.push(index, token, 0));
    }
    engine.call((e) => e.run(-1));
  };
  for (let at = 0; at < POSITIONS; at += 32) push(at, 32);
  engine.call((e) => e.configure(index, 0.8, 40, 0.95, 0.05, 1, 64));
  const costs = ROWS.map(() => []);
  for (const end = performance.now() + SECONDS * 1000; performance.now() < end;) {
    ROWS.forEach((rows, i) => {
      engine.call((e) => e.rewind(index, POSITIONS));
      const started = performance.now();
      let done = 0;
      for (; done + rows <= 32; done += rows) {
        push(POSITIONS + done, rows);
        for (let row = 0; row < rows; row++) {
          engine.call((e) => e.keepTo(row));
          engine.call((e) => e.sample(index));
        }
      }
      costs[i].push(((performance.now() - started) * 1000) / done);
    });
  }
  session.close();
  return costs.map(median);
}

function printRows(costs) {
  ROWS.forEach((rows, i) => console.log(`${String(rows).padStart(2)} rows  `
    + `${costs[i].toFixed(0).padStart(6)} us a row  ${(costs[0] / costs[i]).toFixed(2)} x`));
}

/** Texts of both kinds in turns, by the processor's time behind the prompt. */
async function compare(name, options) {
  const times = { off: [], lookup: [] };
  const work = {};
  let seed = 0;
  for (const end = performance.now() + SECONDS * 1000; performance.now() < end; seed++) {
    for (const speculation of seed % 2 ? ["off", "lookup"] : ["lookup", "off"]) {
      const before = model.activity;
      let started;
      for await (const _ of model.generate(prompt,
        { maxTokens: TOKENS, seed, ...options, speculation })) started ??= process.cpuUsage();
      const { user, system } = process.cpuUsage(started);
      times[speculation].push((user + system) / 1000);
      const { passes, rows } = model.activity;
      work[speculation] = `${passes - before.passes} passes of ${rows - before.rows} rows`;
    }
  }
  const ratio = median(times.off.map((time, i) => time / times.lookup[i]));
  console.log(`${name.padEnd(10)} ${ratio.toFixed(3)} x  off: ${work.off}, `
    + `lookup: ${work.lookup}`);
}
