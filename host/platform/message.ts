// A turn by way of a message to oneself. Knows nothing of what waits for it.

/** A turn for the page. A message comes at once; a timer after 4 ms, or 1 s in a hidden page. */
export function yieldNow(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
