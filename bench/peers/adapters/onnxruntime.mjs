// onnxruntime, native or as WebAssembly: the cache goes out and in again with every run, as
// transformers.js does it. Does not know: which of the two it is.

import { largest, writeBySteps } from "../measure.mjs";

/** `session` runs the file of onnx.mjs; `Tensor` is its package's. */
export function contestant(session, Tensor, { blocks, kvHeads, headSize }) {
  let cache;
  let position;

  const clear = () => {
    position = 0;
    cache = {};
    for (let i = 0; i < blocks; i++) {
      for (const kind of ["key", "value"]) {
        cache[`past.${i}.${kind}`] =
          new Tensor("float32", new Float32Array(0), [1, kvHeads, 0, headSize]);
      }
    }
  };

  /** Reads tokens and gives the one after them. */
  const read = async (tokens) => {
    position += tokens.length;
    const result = await session.run({
      tokens: new Tensor("int64", BigInt64Array.from(tokens, BigInt), [1, tokens.length]),
      last: new Tensor("int32", Int32Array.of(position - 1), [1]),
      total: new Tensor("int32", Int32Array.of(position), []),
      ...cache,
    });
    for (const name of Object.keys(cache)) cache[name] = result[name.replace("past", "present")];
    return largest(result.logits.data);
  };

  return {
    async prompt(tokens) {
      clear();
      await read(tokens);
    },
    async write(tokens, count, limitMs) {
      clear();
      return writeBySteps(await read(tokens), (token) => read([token]), count, limitMs);
    },
  };
}

/** What a session is opened with. */
export function sessionOptions(threads) {
  return { intraOpNumThreads: threads, interOpNumThreads: 1, graphOptimizationLevel: "all" };
}
