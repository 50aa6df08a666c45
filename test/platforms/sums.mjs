// Which form of products a model comes to here in the relaxed build, alone and with two threads:
// the bits of its sums after a text, and the hash of the same text's logits.
// Arguments: dist/index.js, a model, how often to look again. Does not know: what they should be.

import { pathToFileURL } from "node:url";

/** Exports of all engines that start; the last is the one that runs. */
const engines = [];
const { instantiate } = WebAssembly;
WebAssembly.instantiate = async (...args) => {
  const instance = await instantiate(...args);
  engines.push(instance.exports);
  return instance;
};

const [library, file, turns] = process.argv.slice(2);
const { load } = await import(pathToFileURL(library));
const found = [];
for (const threads of [1, 2]) {
  const model = await load(file, { simd: "relaxed", threads, context: 256 });
  const session = model.session();
  const tokens = model.tokenize("Once upon a time there was a little girl");
  // Engines compile in the background: until they have, the form is the one that is always right.
  for (let turn = 0; turn < turns && engines.at(-1).sumBits(0) === 16; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    session.rewind(0);
    await session.feed(tokens.slice(0, 1));
  }
  session.rewind(0);
  const hash = await session.hashLogits(tokens);
  found.push({ threads: model.info.threads, bits: engines.at(-1).sumBits(0), hash });
  model.dispose();
}
console.log(JSON.stringify(found));
