// Waiting for something, but no longer than a signal allows. Knows nothing of what is waited for.

/** What `work` gives, or the signal's reason as soon as it is aborted; `work` itself goes on. */
export async function unlessAborted<T>(
  work: () => Promise<T>, signal: AbortSignal | undefined,
): Promise<T> {
  if (!signal) return work();
  signal.throwIfAborted();
  let stop = (): void => undefined;
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop);
  });
  try {
    return await Promise.race([work(), stopped]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
