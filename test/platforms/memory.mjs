// Loads a model as a Worker does, from a stream, writes a little and prints the bytes that an
// isolate would count: the engine's memory, JavaScript's heap at its highest, and what is not both.
// Arguments: the library's address, the model's path.

import { createReadStream } from "node:fs";
import { Readable } from "node:stream";

const [library, path] = process.argv.slice(2);
const { load } = await import(library);
globalThis.gc();
let heap = 0;
const look = () => {
  globalThis.gc();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  // Of `external`, buffers: pieces on their way; the engine's memory is counted by itself.
  heap = Math.max(heap, heapUsed + Math.min(external, arrayBuffers));
};
const stream = Readable.toWeb(createReadStream(path, { highWaterMark: 65536 }));
let seen = 0;
const model = await load(stream, {
  onProgress({ loadedBytes }) {
    if (loadedBytes - seen < 8e6) return;
    seen = loadedBytes;
    look();
  },
});
for await (const text of model.generate("Once upon a time", { maxTokens: 40, seed: 1 })) {
  if (text) look();
}
console.log(JSON.stringify({ engine: model.info.memory.total, heap }));
