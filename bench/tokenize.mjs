// How fast a vocabulary tokenizes a text: node bench/tokenize.mjs MODEL TEXT-FILE. Prints MB/s of
// ten rounds; the first ones are slower while the JavaScript engine still compiles.

import { readFileSync } from "node:fs";

const { load } = await import(new URL("../dist/index.js", import.meta.url).href);
const [model, file] = process.argv.slice(2);
if (!model || !file) {
  process.stderr.write("usage: node bench/tokenize.mjs MODEL TEXT-FILE\n");
  process.exit(2);
}
const text = readFileSync(file, "utf8");
const bytes = Buffer.byteLength(text);
const vocabulary = await load(model);
const speeds = [];
let tokens = 0;
for (let round = 0; round < 10; round++) {
  const begin = performance.now();
  tokens = vocabulary.tokenize(text).length;
  speeds.push(bytes / 1e3 / (performance.now() - begin));
}
process.stdout.write(`${bytes} bytes, ${tokens} tokens; MB/s: `
  + `${speeds.map((speed) => speed.toFixed(1)).join(" ")}\n`);
