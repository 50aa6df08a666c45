// How much an error in each column of each matrix costs, measured: the model reads a text, and the
// mean square of what meets each column is kept. Knows nothing of how weights are rounded with it.

import { ENCODE, Engine } from "../engine";
import { NibbleError } from "../errors";
import { describeModel } from "../info";
import { loadInto } from "../load";
import type { Source } from "../source";
import { encodeText } from "../tokens";
import { planOf, type Model } from "./plan";
import type { Tools, ToolsExports } from "./tools";
import { bytesOf, sizeOf, type WriteOptions } from "./write";

/** Rows of one forward pass at most (ROWS_MAX of the engine). */
const ROWS = 32;
/** Positions that are read before the model starts anew. */
const CONTEXT_MAX = 512;
/** Mean squares settle long before; more would only take longer. */
const TOKENS_MAX = 65536;

/** The importance of the columns of each tensor that multiplies, by name. */
export type Importance = Map<string, Float32Array>;

/**
 * Runs the model over a text, with weights in q8_0. Throws what loading and running throw,
 * CALIBRATION_EMPTY or the signal's reason.
 */
export async function calibrate(
  module: WebAssembly.Module, tools: Tools, model: Model, text: string, options: WriteOptions,
): Promise<Importance> {
  const engine = await Engine.start(module, "strict");
  const exports = engine.exports as ToolsExports;
  const context = contextOf(model);
  await loadInto(engine, sourceOf(tools, model), { context, signal: options.signal });
  engine.call(() => exports.observeBegin());
  const tokens = encodeText(engine, text, ENCODE.first).slice(0, TOKENS_MAX);
  if (tokens.length === 0) {
    throw new NibbleError("CALIBRATION_EMPTY",
      "The text to calibrate with is empty; give one like those that the model will meet.");
  }
  const rowsAtOnce = Math.min(ROWS, context);
  for (let at = 0; at < tokens.length; at += rowsAtOnce) {
    // Lets the signal arrive.
    await new Promise((resolve) => setTimeout(resolve, 0));
    options.signal?.throwIfAborted();
    if (at % context === 0) engine.call((e) => e.rewind(0, 0));
    const rows = tokens.slice(at, at + rowsAtOnce);
    rows.forEach((token, i) => (
      engine.call((e) => e.push(0, token, i === rows.length - 1 ? 1 : 0))));
    engine.call((e) => e.run(-1));
    engine.call((e) => e.logitsOf(rows.length - 1));
    options.onProgress?.(at + rows.length, tokens.length);
  }
  return collect(engine, exports);
}

function collect(engine: Engine, exports: ToolsExports): Importance {
  const importance: Importance = new Map();
  describeModel(engine).tensors.forEach(({ name }, index) => {
    const count = engine.call(() => exports.observeEnd(index));
    if (count === 0) return;
    const bytes = engine.bytes(exports.stagingAddress(), count * 4).slice();
    importance.set(name, new Float32Array(bytes.buffer));
  });
  return importance;
}

/** Whole passes of the model's own context, as far as that is needed. */
function contextOf({ entries }: Model): number {
  const entry = entries.find(({ key }) => /^(llama|bytepool)\.context_length$/.test(key));
  const value = entry?.value;
  const length = value && value.length >= 8
    ? new DataView(value.buffer, value.byteOffset).getUint32(4, true) : CONTEXT_MAX;
  return Math.max(1, Math.min(CONTEXT_MAX, length < ROWS ? length : length - (length % ROWS)));
}

/** The model in q8_0 as it would be written, read without a file. */
function sourceOf(tools: Tools, model: Model): Source {
  const plan = planOf(tools, model, "q8_0", undefined);
  const pieces = bytesOf(tools, plan, { search: false });
  let rest: Uint8Array = new Uint8Array(0);
  return {
    name: "the model to calibrate",
    size: sizeOf(plan),
    async read(target) {
      while (rest.length === 0) {
        const next = await pieces.next();
        if (next.done) return 0;
        rest = next.value;
      }
      const piece = rest.subarray(0, target.length);
      target.set(piece);
      rest = rest.subarray(piece.length);
      return piece.length;
    },
    async close() {
      await pieces.return(undefined);
    },
  };
}
