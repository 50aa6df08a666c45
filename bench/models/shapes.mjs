// The shapes that are timed, by name: what a model is, without its weights. Speed depends on
// shapes alone, so the weights are random (tensors.mjs).
// Does not know: files, or what is measured.

/** A decoder in Llama's form. `tokenBytes`: what one token stands for in English text. */
const llama = (title, sizes) => ({ architecture: "llama", title, ...sizes });

const stack = (width, heads, kvHeads, feedForward) => ({ width, heads, kvHeads, feedForward });

/** A byte-pooled model: small local blocks for every byte, large ones for every patch. */
const bytepool = (title, local, encoders, trunk, blocks, ngramRows) => ({
  architecture: "bytepool", title, local, encoders, decoders: encoders, trunk, blocks,
  ngramRows, ngramOrders: [2, 3, 4], window: 128, patchLength: 16, vocabulary: 272, tokenBytes: 1,
});

/** Positions that every file allows: more than any bench asks for. */
export const CONTEXT = 16384;

/**
 * English text has about four bytes for each token of a vocabulary of tens of thousands; where a
 * figure per byte is given for such a shape, it rests on this.
 */
const WORD_PIECE_BYTES = 4;

export const SHAPES = {
  "smol-135m": llama("SmolLM-135M", {
    stack: stack(576, 9, 3, 1536), blocks: 30, vocabulary: 49152, tokenBytes: WORD_PIECE_BYTES,
  }),
  "smol-360m": llama("SmolLM-360M", {
    stack: stack(960, 15, 5, 2560), blocks: 32, vocabulary: 49152, tokenBytes: WORD_PIECE_BYTES,
  }),
  "stories-15m": llama("stories15M", {
    stack: stack(288, 6, 6, 768), blocks: 6, vocabulary: 32000, tokenBytes: WORD_PIECE_BYTES,
  }),
  "llama-10m": llama("llama-10m", {
    stack: stack(384, 6, 2, 1024), blocks: 7, vocabulary: 272, tokenBytes: 1,
  }),
  "bytepool-10m": bytepool("bytepool-10m", stack(192, 3, 1, 512), 2,
    stack(384, 6, 2, 928), 5, 4096),
  "bytepool-50m": bytepool("bytepool-50m", stack(384, 6, 2, 1024), 3,
    stack(640, 10, 2, 1728), 9, 8192),
  "bytepool-100m": bytepool("bytepool-100m", stack(512, 8, 2, 1408), 3,
    stack(896, 14, 2, 2432), 10, 8192),
};

/** The shape of a name; ends the run with a sentence when there is none. */
export function shapeOf(name) {
  const shape = SHAPES[name];
  if (shape) return { name, ...shape };
  throw new Error(`There is no shape ${name}; there are ${Object.keys(SHAPES).join(", ")}.`);
}
