// Nibble in Node or in a page, through the package's own functions. Says which engine was compiled,
// by its size, so that nobody takes one build for another.
// Does not know: builds.

import { writeBySteps } from "../measure.mjs";

const GREEDY = { temperature: 0, seed: 1 };

/** `load` comes from the platform's bundle. */
export async function openNibble(load, { model, context, threads }) {
  const engineBytes = watchCompiler();
  const options = { context, ...(threads > 1 ? { threads } : {}) };
  const loaded = await load(model, options).catch((error) => {
    const hasNone = threads > 1 && error.code === "BAD_OPTION";
    throw hasNone ? new Error("this build has no threads") : error;
  });
  // Where memory cannot be shared the model runs on one, whatever is asked.
  if (loaded.info.threads !== threads) throw new Error("this host gives it one thread only");
  const session = loaded.session();
  const next = () => session.sample(GREEDY);
  return {
    async prompt(tokens) {
      session.rewind(0);
      await session.feed(tokens);
    },
    async write(tokens, count, limitMs) {
      session.rewind(0);
      await session.feed(tokens);
      return writeBySteps(next(), async (token) => {
        await session.feed([token]);
        return next();
      }, count, limitMs);
    },
    notes: () => ({ engineBytes: [...engineBytes] }),
  };
}

/** Sizes of all that is compiled from now on. */
function watchCompiler() {
  const sizes = new Set();
  const { compile, compileStreaming } = WebAssembly;
  WebAssembly.compile = (bytes, ...rest) => {
    sizes.add(bytes.byteLength);
    return compile(bytes, ...rest);
  };
  if (compileStreaming) {
    WebAssembly.compileStreaming = async (source, ...rest) => {
      const response = await source;
      sizes.add((await response.clone().arrayBuffer()).byteLength);
      return compileStreaming(response, ...rest);
    };
  }
  return sizes;
}
