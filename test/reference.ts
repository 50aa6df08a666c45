// The oracle that judges the engine: an f64 Llama and byte-pooled model, a GGUF reader and writer,
// ggml's plain block quantizers, a SentencePiece and byte tokenizer, and a maker of random model
// files. It is slow and obvious on purpose, shares no code with the engine and looks into none of
// it, and is itself judged by outside data (reference.test.ts). Where oracle and engine differ,
// read the oracle: every step stands there as in the formulas of the design.
// Does not know: the engine, its memory layout, its kernels.

export * from "./reference/half";
export * from "./reference/quantize";
export * from "./reference/gguf";
export * from "./reference/stack";
export * from "./reference/forward";
export * from "./reference/bytepool";
export * from "./reference/models";
export * from "./reference/sampling";
export * from "./reference/tokenizer";
export * from "./reference/xxhash";
