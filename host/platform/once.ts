// One compilation for all models. Knows nothing of where the engine lies.

/** Does the work at the first call and keeps its result, but not a failure. */
export function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= work();
    result.catch(() => {
      result = undefined; // the next call tries again
    });
    return result;
  };
}
