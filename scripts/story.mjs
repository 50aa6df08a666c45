// Puts a model into the WASI program: node scripts/story.mjs PROGRAM MODEL OUT. PROGRAM is compiled
// with NIBBLE_STORY, so that it imports story.size and story.read (assembly/wasi/embedded.ts); they
// become functions, and the model a passive segment of data, which takes no memory by itself.

import { readFileSync, writeFileSync } from "node:fs";
import binaryen from "binaryen";

const [program, model, out] = process.argv.slice(2);
const bytes = readFileSync(model);
const module = binaryen.readBinary(readFileSync(program));
module.setFeatures(binaryen.Features.All);
const { i32, none } = binaryen;

/** The program's own data, as it was, and the model behind it. */
function segments() {
  const own = Array.from({ length: module.getNumDataSegments() }, (_, index) => {
    const { name, offset, data } = module.getDataSegmentInfo(module.getDataSegmentByIndex(index));
    return { name, offset: module.i32.const(offset), data: new Uint8Array(data) };
  });
  return [...own, { name: "model", offset: null, data: bytes, passive: true }];
}

/** The name of the function that is imported as `base`. */
function imported(base) {
  for (let index = 0; index < module.getNumFunctions(); index++) {
    const info = binaryen.getFunctionInfo(module.getFunctionByIndex(index));
    if (info.module === "story" && info.base === base) return info.name;
  }
  throw new Error(`${program} does not import story.${base}; compile it with NIBBLE_STORY.`);
}

function replace(name, parameters, results, body) {
  module.removeFunction(name);
  module.addFunction(name, parameters, results, [], body);
}

/** Pages of 64 KiB: all that 32 bits can address, which is no limit. */
const PAGES_MAX = 65536;
module.setMemory(module.getMemoryInfo().initial, PAGES_MAX, null, segments());
const local = (index) => module.local.get(index, i32);
replace(imported("size"), none, i32, module.i32.const(bytes.length));
replace(imported("read"), binaryen.createType([i32, i32, i32]), none,
  module.memory.init("model", local(0), local(1), local(2)));
const binary = module.emitBinary();
if (!WebAssembly.validate(binary)) throw new Error("The program with the model is not valid.");
writeFileSync(out, binary);
