// One compilation of each build for all models. Knows nothing of where the engine lies.

/** Does the work for each key once and keeps its result, but not a failure. */
export function onceEach<Key, T>(work: (key: Key) => Promise<T>): (key: Key) => Promise<T> {
  const results = new Map<Key, Promise<T>>();
  return (key) => {
    const kept = results.get(key);
    if (kept) return kept;
    const result = work(key);
    results.set(key, result);
    result.catch(() => results.delete(key)); // the next call tries again
    return result;
  };
}
