// Loads a model as a Worker does, from a stream, writes a little and prints the bytes that an
// isolate would count: the engine's memory, and JavaScript's heap at its highest after collection.
// Buffers of pieces that have passed are not in it: when they are swept is the runtime's affair.
// Arguments: the library's address, the model's path.

import { createReadStream } from "node:fs";
import { Readable } from "node:stream";

const [library, path] = process.argv.slice(2);
const { load } = await import(library);
globalThis.gc();
let heap = 0;
const look = () => {
  globalThis.gc();
  heap = Math.max(heap, process.memoryUsage().heapUsed);
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
