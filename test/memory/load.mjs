// Loads a model as a program of its own, and prints what the process held at most beyond what it
// held before, in bytes, after collection: all buffers, the engine's memory among them (external),
// JavaScript's objects (heap); and what the model says of itself (plan). Pieces that have passed
// are not in it: when they are swept is the runtime's affair.
// Arguments: the library's address; a small model, with which everything comes into being that
// stays; the model's path or address; positions. Needs --expose-gc.

const [library, small, place, context] = process.argv.slice(2);
const { load } = await import(library);
const isRemote = place.startsWith("http");
/** Bytes between two looks. */
const APART = 5e6;

/** Collects; some buffers are swept a little later. */
async function settle() {
  for (let i = 0; i < 3; i++) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const most = { external: 0, heapUsed: 0 };
let looks = 0;
function note() {
  const now = process.memoryUsage();
  for (const name of Object.keys(most)) most[name] = Math.max(most[name], now[name]);
  looks++;
}

/** A response that waits now and then, so that what has passed can be swept. */
async function watched(address, options) {
  const response = await fetch(address, options);
  let bytes = 0;
  const watch = new TransformStream({
    async transform(piece, controller) {
      bytes += piece.length;
      if (bytes >= APART) {
        bytes = 0;
        await settle();
        note();
      }
      controller.enqueue(piece);
    },
  });
  return new Response(response.body.pipeThrough(watch), { headers: response.headers });
}

(await load(small, { fetch: watched })).dispose();
await settle();
note();
const before = { ...most };
let last = 0;
const model = await load(place, {
  context: Number(context), threads: 1,
  ...(isRemote ? { fetch: watched } : {
    onProgress({ loadedBytes }) {
      if (loadedBytes < last + APART) return;
      last = loadedBytes;
      globalThis.gc();
      note();
    },
  }),
});
await settle();
note();
process.stdout.write(JSON.stringify({
  looks, external: most.external - before.external, heap: most.heapUsed - before.heapUsed,
  plan: model.info.memory.total,
}));
