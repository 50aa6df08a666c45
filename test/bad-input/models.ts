// Files that are whole GGUF files but hold no model that can be run as it is: a table.
// Does not know: how a file is given to the loader.

import {
  ggmlType, numberToHalf, randomModel, type MetadataType, type TensorEntry,
} from "../reference";
import type { BadFile } from "./containers";
import {
  changed, goodByte, goodFloat, goodHalf, goodSentencePiece, patched, withData, withKey,
  withTensor, withoutKey, behindName,
} from "./craft";

const q = "blk.0.attn_q.weight";
const tokens = "tokenizer.ggml.tokens";

/** A good file with one value set, and the refusal. */
function setting(
  key: string, type: MetadataType, value: unknown, code: BadFile["code"],
  says: RegExp = new RegExp(key.replace(/^llama\./, "")), good = goodByte,
): BadFile {
  return {
    name: `${key} = ${type} ${String(value).slice(0, 30)}`, code, says,
    make: () => withKey(good, key, type, value),
  };
}

const needed = ["general.architecture", "llama.context_length", "llama.embedding_length",
  "llama.block_count", "llama.feed_forward_length", "llama.attention.head_count",
  "llama.attention.layer_norm_rms_epsilon", "tokenizer.ggml.model", tokens];

const keys: BadFile[] = [
  ...needed.map((key): BadFile => ({
    name: `no ${key}`, code: "MISSING_KEY", says: new RegExp(`no metadata key "${key}"`),
    make: () => withoutKey(goodByte, key),
  })),
  ...needed.map((key) => setting(key, "bool", true, "WRONG_KEY_TYPE")),
  setting("llama.block_count", "float32", 1, "WRONG_KEY_TYPE"),
  setting("llama.block_count", "float64", 1, "WRONG_KEY_TYPE"),
  setting("llama.block_count", "string", "1", "WRONG_KEY_TYPE"),
  setting("llama.attention.head_count_kv", "uint32[]", [2], "WRONG_KEY_TYPE"),
  setting(tokens, "float32[]", [1, 2, 3], "WRONG_KEY_TYPE"),
  setting("tokenizer.ggml.bos_token_id", "string", "<s>", "WRONG_KEY_TYPE"),
  setting("general.architecture", "string", "mamba", "UNSUPPORTED_ARCHITECTURE", /"mamba"/),
  setting("general.architecture", "string", "", "UNSUPPORTED_ARCHITECTURE", /""/),
  setting("general.architecture", "string", "a\nb\x07", "UNSUPPORTED_ARCHITECTURE", /"a\?b\?"/),
  setting("general.architecture", "string", "llama".repeat(100), "UNSUPPORTED_ARCHITECTURE",
    /"(llama){19}l"/),
  setting("split.count", "uint16", 3, "SPLIT_FILE", /split into 3 files.*join/),
];

const values: BadFile[] = [
  setting("llama.context_length", "uint32", 0, "BAD_VALUE"),
  setting("llama.context_length", "int32", -1, "BAD_VALUE", /is -1;/),
  setting("llama.context_length", "uint64", 2n ** 64n - 1n, "BAD_VALUE", /is 9223372036854775807/),
  setting("llama.embedding_length", "uint32", 65536, "BAD_VALUE"),
  setting("llama.embedding_length", "uint32", 66, "BAD_VALUE", /head size/),
  setting("llama.embedding_length", "uint32", 128, "UNSUPPORTED_FEATURE", /head size/),
  setting("llama.vocab_size", "uint32", 0, "BAD_VALUE"),
  setting("llama.block_count", "uint32", 0, "BAD_VALUE"),
  setting("llama.block_count", "uint32", 2 ** 32 - 1, "BAD_VALUE"),
  setting("llama.block_count", "uint32", 2, "MISSING_TENSOR", /"blk.1.attn_norm.weight"/),
  setting("llama.block_repeat", "uint32", 0, "BAD_VALUE"),
  setting("llama.block_repeat", "uint32", 513, "BAD_VALUE"),
  setting("llama.feed_forward_length", "uint32", 0, "BAD_VALUE"),
  setting("llama.feed_forward_length", "uint32", 64, "WRONG_SHAPE", /ffn_/),
  setting("llama.attention.head_count", "uint32", 0, "BAD_VALUE"),
  setting("llama.attention.head_count", "uint32", 3, "BAD_VALUE"),
  setting("llama.attention.head_count", "uint32", 32, "BAD_VALUE", /head size/),
  setting("llama.attention.head_count_kv", "uint32", 0, "BAD_VALUE"),
  setting("llama.attention.head_count_kv", "uint32", 3, "BAD_VALUE"),
  setting("llama.attention.head_count_kv", "uint32", 8, "BAD_VALUE"),
  setting("llama.attention.head_count_kv", "uint32", 4, "WRONG_SHAPE", /attn_k/),
  setting("llama.attention.key_length", "uint32", 15, "BAD_VALUE", /head size/),
  setting("llama.attention.key_length", "uint32", 260, "BAD_VALUE"),
  setting("llama.attention.value_length", "uint32", 32, "UNSUPPORTED_FEATURE"),
  setting("llama.rope.dimension_count", "uint32", 8, "UNSUPPORTED_FEATURE"),
  setting("llama.attention.layer_norm_rms_epsilon", "float32", NaN, "BAD_VALUE", /usable number/),
  setting("llama.attention.layer_norm_rms_epsilon", "float32", 0, "BAD_VALUE", /usable number/),
  setting("llama.attention.layer_norm_rms_epsilon", "float32", 2, "BAD_VALUE"),
  setting("llama.rope.freq_base", "float32", Infinity, "BAD_VALUE"),
  setting("llama.rope.freq_base", "float32", -1, "BAD_VALUE"),
  setting("llama.rope.scaling.type", "string", "yarn", "UNSUPPORTED_FEATURE"),
  setting("llama.rope.scaling.factor", "float32", 4, "UNSUPPORTED_FEATURE"),
  setting("llama.rope.scale_linear", "float32", 2, "UNSUPPORTED_FEATURE"),
  setting("llama.expert_count", "uint32", 8, "UNSUPPORTED_FEATURE"),
  setting("llama.vocab_size", "uint32", 257, "BAD_VOCABULARY"),
];

const withTexts = (good: Uint8Array, change: (texts: string[]) => void): Uint8Array => (
  changed(good, ({ metadata }) => {
    change(metadata.find(([key]) => key === tokens)?.[2] as string[]);
  }));

/** Byte pairs, if they made a token. */
const withMerge = withKey(goodByte, "tokenizer.ggml.merges", "string[]", ["a b"]);

const vocabularies: BadFile[] = [
  setting("tokenizer.ggml.model", "string", "bert", "UNSUPPORTED_TOKENIZER", /"bert"/),
  setting("tokenizer.ggml.merges", "string[]", ["a b"], "BAD_VOCABULARY", /no token .*\(0\)/),
  setting("tokenizer.ggml.merges", "string[]", ["ab"], "BAD_VOCABULARY", /no token .*\(0\)/),
  setting("tokenizer.ggml.merges", "string[]", [""], "BAD_VOCABULARY", /no token .*\(0\)/),
  setting("tokenizer.ggml.merges", "string[]", [`${"a".repeat(999)} ${"b".repeat(999)}`],
    "BAD_VOCABULARY", /longer than a token.*\(0\)/),
  setting("tokenizer.ggml.merges", "string[]", Array<string>(2 ** 20 + 1).fill(""), "TOO_MANY",
    /1048577 merges/),
  setting("tokenizer.ggml.merges", "int32[]", [1], "WRONG_KEY_TYPE"),
  setting("tokenizer.ggml.merges", "string", "a b", "WRONG_KEY_TYPE"),
  setting("tokenizer.ggml.pre", "string", "qwen2", "UNSUPPORTED_TOKENIZER", /"qwen2".*smollm/,
    withMerge),
  setting("tokenizer.ggml.pre", "string", "gpt", "UNSUPPORTED_TOKENIZER", /"gpt"/, withMerge),
  setting("tokenizer.ggml.pre", "string", "gpt-2 ", "UNSUPPORTED_TOKENIZER", /"gpt-2 "/, withMerge),
  setting("tokenizer.ggml.pre", "uint32", 1, "WRONG_KEY_TYPE", /pre/, withMerge),
  setting("tokenizer.ggml.scores", "float32[]", [1, 2], "BAD_VOCABULARY", /scores/,
    goodSentencePiece),
  setting("tokenizer.ggml.scores", "int32[]", Array(300).fill(0), "BAD_VOCABULARY", /scores/,
    goodSentencePiece),
  setting("tokenizer.ggml.scores", "float32[]", [...Array<number>(299).fill(0), NaN],
    "BAD_VOCABULARY", /score.*\(299\)/, goodSentencePiece),
  { name: "no scores", code: "BAD_VOCABULARY", says: /scores/,
    make: () => withoutKey(goodSentencePiece, "tokenizer.ggml.scores") },
  setting("tokenizer.ggml.token_type", "int32[]", [1], "BAD_VOCABULARY", /token_type/),
  setting("tokenizer.ggml.token_type", "string[]", ["1"], "BAD_VOCABULARY", /token_type/),
  ...["bos", "eos", "eot", "unknown"].map((which) => setting(
    `tokenizer.ggml.${which}_token_id`, "uint32", 258, "BAD_VOCABULARY", /outside.*\(258\)/)),
  setting("tokenizer.ggml.bos_token_id", "int64", -2n, "BAD_VOCABULARY", /outside.*\(-2\)/),
  setting(tokens, "string[]", [], "TOO_MANY", /tokens/),
  { name: "a token fewer than embeddings", code: "WRONG_SHAPE",
    says: /token_embd.* 64 x 258 .* 64 x 257 /,
    make: () => changed(goodByte, (parts) => {
      const kept = ["llama.vocab_size", "tokenizer.ggml.token_type", "tokenizer.ggml.eos_token_id"];
      parts.metadata = parts.metadata.filter(([key]) => !kept.includes(key));
      (parts.metadata.find(([key]) => key === tokens)?.[2] as string[]).pop();
    }) },
  { name: "a token of 1025 bytes", code: "BAD_VOCABULARY", says: /longer than 1024 bytes/,
    make: () => withTexts(goodByte, (texts) => { texts[257] = "x".repeat(1025); }) },
  { name: "tokens whose hashes collide", code: "BAD_VOCABULARY", says: /hashes collide/,
    make: collidingTokens },
];

/**
 * A vocabulary of 2,000 whose hashes (as the engine's table of 3,016 takes them) all begin their
 * search in its first 200 slots: looking one up would go through most of the others.
 */
function collidingTokens(): Uint8Array {
  const good = randomModel({
    width: 64, layers: 1, heads: 4, kvHeads: 2, feedForward: 96, vocabulary: 2000, context: 64,
    type: ggmlType.Q4_0, tied: true, seed: 16, tokenizer: "spm",
  });
  return withTexts(good, (texts) => {
    for (let count = 259, next = 0; count < texts.length; next++) {
      const text = `token ${next}`;
      let hash = 2166136261;
      for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 16777619);
      hash = Math.imul(hash ^ (hash >>> 15), 2654435761) >>> 0;
      if (hash * 3016 < 200 * 2 ** 32) texts[count++] = text;
    }
  });
}

/** A matrix with other dimensions and as many bytes as they need. */
const shaped = (name: string, dims: number[], type: number, bytes: number): (() => Uint8Array) => (
  () => withTensor(goodByte, name, () => [name, dims, type, new Uint8Array(bytes)]));

const extra = (name: string, good = goodByte): (() => Uint8Array) => () => changed(
  good, ({ tensors }) => tensors.push([name, [64], ggmlType.F32, new Uint8Array(256)]));

const tensors: BadFile[] = [
  ...["token_embd.weight", "output_norm.weight", q, "blk.0.ffn_norm.weight",
    "blk.0.ffn_down.weight"].map((name): BadFile => ({
    name: `no ${name}`, code: "MISSING_TENSOR", says: new RegExp(`no tensor "${name}"`),
    make: () => withTensor(goodByte, name, () => undefined),
  })),
  ...["blk.0.attn_q.bias", "rope_freqs.weight", "blk.1.attn_norm.weight", "blk.00.attn_norm.weight",
    "blk.99999.attn_norm.weight", "blk.-1.attn_norm.weight", "blk.0.ffn_gate_exps.weight",
    "blk.0.", "blk.", "x", "output.weight2"].map((name): BadFile => ({
    name: `tensor ${name}`, code: "UNKNOWN_TENSOR", says: new RegExp(`"${name}" has no place`),
    make: extra(name),
  })),
  { name: "rows too short", code: "WRONG_SHAPE", says: /attn_q.weight".* 32 x 64 .* 64 x 64 /,
    make: shaped(q, [32, 64], ggmlType.Q4_0, 32 * 64 / 32 * 18) },
  { name: "too many rows", code: "WRONG_SHAPE", says: /attn_q.weight".* 64 x 96 .* 64 x 64 /,
    make: shaped(q, [64, 96], ggmlType.Q4_0, 96 * 64 / 32 * 18) },
  { name: "a vector for a matrix", code: "WRONG_SHAPE", says: /64 x 1 /,
    make: shaped(q, [64], ggmlType.F32, 256) },
  { name: "a matrix for a vector", code: "WRONG_SHAPE", says: /64 x 2 /,
    make: shaped("output_norm.weight", [64, 2], ggmlType.F32, 512) },
];

/** Numbers that no weight may be, as what the file holds. */
const badHalves = [["infinity", 0x7c00], ["-infinity", 0xfc00], ["NaN", 0x7e01]] as const;
const last = (data: DataView, size: number): number => data.byteLength - size;

function badWeight(
  name: string, tensor: string, change: (data: DataView) => void, good: Uint8Array,
  options?: BadFile["options"],
): BadFile {
  return {
    name: options ? `${name}, with ${JSON.stringify(options)}` : name, code: "NON_FINITE_WEIGHT",
    says: new RegExp(`"${tensor}" holds a NaN`), make: () => withData(good, tensor, change),
    ...(options ? { options } : {}),
  };
}

const weights: BadFile[] = [
  ...[NaN, Infinity, -Infinity].flatMap((value) => [
    badWeight(`${value} in F32`, q, (d) => d.setFloat32(400, value, true), goodFloat),
    badWeight(`${value} in a norm`, "output_norm.weight",
      (d) => d.setFloat32(last(d, 4), value, true), goodByte),
    badWeight(`${value} in F32`, q, (d) => d.setFloat32(last(d, 4), value, true), goodFloat,
      { weights: "q4_0" }),
    badWeight(`${value} in F32`, q, (d) => d.setFloat32(last(d, 4), value, true), goodFloat,
      { weights: "q8_0" }),
  ]),
  ...badHalves.flatMap(([words, half]) => [
    badWeight(`${words} in F16`, q, (d) => d.setUint16(last(d, 2), half, true), goodHalf),
    badWeight(`${words} in F16`, q, (d) => d.setUint16(0, half, true), goodHalf,
      { weights: "f32" }),
    badWeight(`${words} as a Q4_0 scale`, q, (d) => d.setUint16(18, half, true), goodByte),
    badWeight(`${words} as a Q4_0 scale`, q, (d) => d.setUint16(last(d, 18), half, true), goodByte,
      { weights: "q8_0" }),
    badWeight(`${words} as a Q4_0 scale`, q, (d) => d.setUint16(0, half, true), goodByte,
      { weights: "f32" }),
    badWeight(`${words} as a Q8_0 scale`, "token_embd.weight", (d) => d.setUint16(34, half, true),
      goodByte),
    badWeight(`${words} as a Q8_0 scale`, "token_embd.weight",
      (d) => d.setUint16(last(d, 34), half, true), goodByte, { weights: "q4_0" }),
  ]),
  badWeight("infinity in BF16", "token_embd.weight", (d) => d.setUint16(0, 0x7f80, true), goodHalf),
  // Scales are halves, at most 65504: a block's largest number divided by 8, or by 127.
  badWeight("1e6 in F32", q, (d) => d.setFloat32(0, 1e6, true), goodFloat, { weights: "q4_0" }),
  badWeight("1e8 in F32", q, (d) => d.setFloat32(0, -1e8, true), goodFloat, { weights: "q8_0" }),
  badWeight("a Q8_0 block that has no Q4_0", "token_embd.weight", (d) => {
    d.setUint16(0, numberToHalf(65504), true);
    d.setInt8(2, 127);
  }, goodByte, { weights: "q4_0" }),
];

const memory: BadFile[] = [
  { name: "a context beyond the model's", make: () => goodByte, options: { context: 65 },
    code: "CONTEXT_TOO_LARGE", says: /65 positions .*1 to 64/, cli: true },
  { name: "too little memory", make: () => goodByte, options: { memoryLimit: "100KB" },
    code: "MEMORY_LIMIT", says: /needs \d+ bytes .*limit of 100000;/, cli: true },
  { name: "one byte of memory", make: () => goodByte, options: { memoryLimit: 1 },
    code: "MEMORY_LIMIT", says: /limit of 1;/ },
  { name: "a cache beyond the address space", code: "OUT_OF_MEMORY", says: /did not give the \d+/,
    make: () => changed(goodFloat, wide), options: { context: 2 ** 20, sessions: 32 } },
  { name: "the same with a limit", code: "MEMORY_LIMIT", says: /limit of 4000000000;/,
    make: () => changed(goodFloat, wide),
    options: { context: 2 ** 20, sessions: 32, memoryLimit: "4GB" } },
];

function wide({ metadata }: { metadata: [string, MetadataType, unknown][] }): void {
  const at = metadata.findIndex(([key]) => key === "llama.context_length");
  metadata[at] = ["llama.context_length", "uint32", 2 ** 20];
  metadata.push(["llama.block_repeat", "uint32", 512]);
}

export const badModels: readonly BadFile[] = [
  ...keys, ...values, ...vocabularies, ...tensors, ...weights, ...memory,
];

/** Odd files that are right all the same. */
export const oddModels: readonly { name: string; make: () => Uint8Array }[] = [
  { name: "a norm with two dimensions", make: () => withTensor(goodByte, "output_norm.weight",
    ([name, , type, bytes]): TensorEntry => [name, [64, 1], type, bytes]) },
  { name: "four dimensions", make: () => withTensor(goodByte, q,
    ([name, dims, type, bytes]): TensorEntry => [name, [...dims, 1, 1], type, bytes]) },
  { name: "alignment 64", make: () => changed(goodByte, (parts) => {
    parts.metadata.push(["general.alignment", "uint32", 64]);
  }) },
  { name: "version 2", make: () => changed(goodByte, (parts) => { parts.version = 2; }) },
  { name: "a large tail", make: () => new Uint8Array([...goodByte, ...new Uint8Array(5000)]) },
  { name: "tensors in another order", make: () => changed(goodByte, (parts) => {
    parts.tensors.reverse();
  }) },
  { name: "data in another order", make: () => swapOffsets() },
  { name: "scaling by 1",
    make: () => withKey(goodByte, "llama.rope.scaling.factor", "float32", 1) },
];

/** Two matrices of one size trade their places, and their bytes, in the data. */
function swapOffsets(): Uint8Array {
  const k = "blk.0.attn_k.weight";
  const v = "blk.0.attn_v.weight";
  const traded = changed(goodByte, (parts) => {
    const find = (name: string): TensorEntry => (
      parts.tensors.find((tensor) => tensor[0] === name) as TensorEntry);
    [find(k)[3], find(v)[3]] = [find(v)[3], find(k)[3]];
  });
  return patched(traded, (view) => {
    const [a, b] = [behindName(traded, k) + 24, behindName(traded, v) + 24];
    const offset = view.getBigUint64(a, true);
    view.setBigUint64(a, view.getBigUint64(b, true), true);
    view.setBigUint64(b, offset, true);
  });
}
