// Writes a checkpoint as Hugging Face's libraries save it, with random weights: the same bytes for
// the same arguments. For tests of conversion, and for measurements at the published sizes.
//
//   node scripts/checkpoint.mjs FAMILY FOLDER [--layers N] [--vocabulary N] [--dtype F32|F16|BF16]
//     [--shards N] [--seed N]
//
// Knows nothing of GGUF. Vocabularies are made up: words of random merges.

import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";

const small = { width: 576, heads: 9, kvHeads: 3, feedForward: 1536, layers: 30 };
const middle = { width: 960, heads: 15, kvHeads: 5, feedForward: 2560, layers: 32 };
const large = { width: 2048, heads: 32, kvHeads: 32, feedForward: 8192, layers: 24 };
const smollm = { tokenizer: "bpe", vocabulary: 49152, context: 2048, theta: 10000 };
const smollm2 = { ...smollm, context: 8192, theta: 100000 };
const mobilellm = {
  tokenizer: "spm", vocabulary: 32000, context: 2048, theta: 10000, mobile: true,
};

/** The published shapes. */
const FAMILIES = {
  "smollm-135m": { ...small, ...smollm }, "smollm2-135m": { ...small, ...smollm2 },
  "smollm-360m": { ...middle, ...smollm }, "smollm2-360m": { ...middle, ...smollm2 },
  "smollm-1.7b": { ...large, ...smollm }, "smollm2-1.7b": { ...large, ...smollm2 },
  "mobilellm-125m": { ...small, ...mobilellm }, "mobilellm-350m": { ...middle, ...mobilellm },
  "mobilellm-ls-125m": { ...small, ...mobilellm, shares: true },
  "byte-llama": {
    width: 192, heads: 3, kvHeads: 1, feedForward: 512, layers: 6, tokenizer: "byte",
    vocabulary: 272, context: 1024, theta: 10000,
  },
  // Small and irregular: an own head, rows that are no multiple of 32.
  "odd-llama": {
    width: 96, heads: 2, kvHeads: 2, headSize: 32, feedForward: 172, layers: 2, tokenizer: "spm",
    vocabulary: 400, context: 256, theta: 50000, untied: true,
  },
};

const { values: options, positionals: [family, folder] } = parseArgs({
  allowPositionals: true,
  options: {
    layers: { type: "string" }, vocabulary: { type: "string" }, seed: { type: "string" },
    dtype: { type: "string", default: "BF16" }, shards: { type: "string", default: "1" },
  },
});
if (!Object.hasOwn(FAMILIES, family ?? "") || !folder) {
  console.error(`usage: checkpoint.mjs FAMILY FOLDER; families: ${Object.keys(FAMILIES)}`);
  process.exit(2);
}
const known = FAMILIES[family];
const shape = {
  ...known,
  layers: Number(options.layers ?? known.layers),
  vocabulary: Number(options.vocabulary ?? known.vocabulary),
};

let state = (Math.imul(Number(options.seed ?? 1), 0x9e3779b1) ^ 0x5bd1e995) | 1;
function random() {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return state >>> 0;
}
for (let i = 0; i < 16; i++) random();
const below = (limit) => random() % limit;

// Weights: each is one of 4,096 numbers, nearly normal, so that large files are made fast.

const CHOICES = 4096;
const bell = Array.from({ length: CHOICES }, () => (
  ((random() + random() + random() + random()) / 2 ** 32 - 2) * Math.sqrt(3)));
const bytesOf = { F32: 4, F16: 2, BF16: 2 }[options.dtype];

/** The bits of a number in the checkpoint's type. */
function bitsOf(value) {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  if (options.dtype === "F32") return view.getUint32(0);
  if (options.dtype === "BF16") return view.getUint32(0) >>> 16;
  const sign = value < 0 ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude < 2 ** -14) return sign | Math.round(magnitude * 2 ** 24);
  const exponent = Math.floor(Math.log2(magnitude));
  return sign + ((exponent + 14) << 10) + Math.round((magnitude / 2 ** exponent) * 1024);
}

function weights(count, of) {
  const Words = bytesOf === 4 ? Uint32Array : Uint16Array;
  const table = Words.from(bell, (value) => bitsOf(of(value)));
  const words = new Words(count);
  for (let i = 0; i < count; i++) words[i] = table[random() & (CHOICES - 1)];
  return new Uint8Array(words.buffer);
}

function tensors() {
  const { width, heads, kvHeads, feedForward, vocabulary, headSize = width / heads } = shape;
  const matrix = (name, rows, columns) => ({ name, shape: [rows, columns] });
  const norm = (name) => ({ name, shape: [width] });
  const list = [matrix("model.embed_tokens.weight", vocabulary, width)];
  for (let i = 0; i < shape.layers; i++) {
    const block = `model.layers.${i}`;
    list.push(
      norm(`${block}.input_layernorm.weight`),
      matrix(`${block}.mlp.down_proj.weight`, width, feedForward),
      matrix(`${block}.mlp.gate_proj.weight`, feedForward, width),
      matrix(`${block}.mlp.up_proj.weight`, feedForward, width),
      norm(`${block}.post_attention_layernorm.weight`),
      matrix(`${block}.self_attn.k_proj.weight`, kvHeads * headSize, width),
      matrix(`${block}.self_attn.o_proj.weight`, width, heads * headSize),
      matrix(`${block}.self_attn.q_proj.weight`, heads * headSize, width),
      matrix(`${block}.self_attn.v_proj.weight`, kvHeads * headSize, width),
    );
  }
  list.push(norm("model.norm.weight"));
  if (shape.untied) list.push(matrix("lm_head.weight", vocabulary, width));
  return list;
}

function dataOf({ shape: [rows, columns] }) {
  if (columns === undefined) return weights(rows, (x) => 1 + x / 10);
  const deviation = 1 / Math.sqrt(columns);
  return weights(rows * columns, (x) => x * deviation);
}

function writeSafetensors(path, list) {
  const header = { __metadata__: { format: "pt" } };
  let offset = 0;
  for (const { name, shape: sizes } of list) {
    const bytes = sizes.reduce((product, size) => product * size, bytesOf);
    header[name] = { dtype: options.dtype, shape: sizes, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  const text = JSON.stringify(header);
  const padded = text.padEnd(Math.ceil(text.length / 8) * 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const file = openSync(path, "w");
  writeSync(file, length);
  writeSync(file, padded);
  for (const tensor of list) {
    const data = dataOf(tensor);
    for (let at = 0; at < data.length;) at += writeSync(file, data, at);
  }
  closeSync(file);
}

function writeWeights() {
  const list = tensors();
  const shards = Number(options.shards);
  if (shards === 1) return writeSafetensors(join(folder, "model.safetensors"), list);
  const map = {};
  const each = Math.ceil(list.length / shards);
  const number = (i) => String(i).padStart(5, "0");
  for (let i = 0; i < shards; i++) {
    const file = `model-${number(i + 1)}-of-${number(shards)}.safetensors`;
    const part = list.slice(i * each, (i + 1) * each);
    writeSafetensors(join(folder, file), part);
    for (const { name } of part) map[name] = file;
  }
  return writeJson("model.safetensors.index.json", { metadata: {}, weight_map: map });
}

function writeJson(name, value) {
  writeFileSync(join(folder, name), `${JSON.stringify(value, undefined, 2)}\n`);
}

// Vocabularies.

/** GPT-2's letters for the 256 bytes, in byte order. */
function alphabet() {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    return String.fromCodePoint(isPrintable ? byte : next++);
  });
}

/** Merges until there are `count` texts; each merge is [left, right]. */
function grow(texts, count) {
  const isKnown = new Set(texts);
  const merges = [];
  while (texts.length < count) {
    const [left, right] = [texts[below(texts.length)], texts[below(texts.length)]];
    const joined = left + right;
    if (joined.length > 12 || isKnown.has(joined)) continue;
    isKnown.add(joined);
    texts.push(joined);
    merges.push([left, right]);
  }
  return merges;
}

function writeBytePairs() {
  const special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>",
    ...Array.from({ length: 14 }, (_, i) => `<special_${i}>`)];
  const texts = alphabet();
  const merges = grow(texts, shape.vocabulary - special.length);
  const digits = { type: "Digits", individual_digits: true };
  writeTokenizer([...special, ...texts], special, merges, [digits]);
  writeJson("tokenizer_config.json", {
    add_prefix_space: false, bos_token: special[1], eos_token: special[2], pad_token: special[2],
    unk_token: special[0], tokenizer_class: "GPT2Tokenizer",
    chat_template: "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + "
      + "message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}"
      + "{{ '<|im_start|>assistant\n' }}{% endif %}",
  });
}

function writeTokenizer(texts, special, merges, steps) {
  const bytes = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  writeJson("tokenizer.json", {
    version: "1.0",
    added_tokens: special.map((content) => (
      { id: texts.indexOf(content), content, special: true, normalized: false })),
    normalizer: null,
    pre_tokenizer: steps.length > 0
      ? { type: "Sequence", pretokenizers: [...steps, bytes] } : bytes,
    decoder: { type: "ByteLevel" },
    model: {
      type: "BPE", byte_fallback: false,
      vocab: Object.fromEntries(texts.map((text, i) => [text, i])),
      merges: merges.map((pair) => pair.join(" ")),
    },
  });
}

function writeBytes() {
  const special = ["<|begin|>", "<|end|>",
    ...Array.from({ length: shape.vocabulary - 258 }, (_, i) => `<|reserved_${i}|>`)];
  writeTokenizer([...alphabet(), ...special], special, [], []);
  writeJson("tokenizer_config.json",
    { bos_token: "<|begin|>", eos_token: "<|end|>", add_bos_token: true });
}

/** Field `number` of a protocol buffer with bytes in it. */
function field(number, bytes) {
  const length = [];
  let rest = bytes.length;
  for (; rest > 127; rest >>= 7) length.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length, rest]), bytes]);
}

function piece(text, score, kind) {
  const number = Buffer.alloc(5);
  number[0] = (2 << 3) | 5;
  number.writeFloatLE(score, 1);
  const type = kind === 1 ? Buffer.alloc(0) : Buffer.from([3 << 3, kind]);
  return field(1, Buffer.concat([field(1, Buffer.from(text)), number, type]));
}

function writeSentencePieces() {
  const hex = (byte) => byte.toString(16).toUpperCase().padStart(2, "0");
  const pieces = [piece("<unk>", 0, 2), piece("<s>", 0, 3), piece("</s>", 0, 3)];
  for (let byte = 0; byte < 256; byte++) pieces.push(piece(`<0x${hex(byte)}>`, 0, 6));
  const texts = [..."\u2581etaoinshrdlucmfwypvbgkqjxzETAOINSHRDLUCMFWYPVBGKQJXZ.,!?'\"\u00e9"];
  grow(texts, shape.vocabulary - pieces.length);
  texts.forEach((text, i) => pieces.push(piece(text, 0 - i, 1)));
  const trainer = field(2, Buffer.from([3 << 3, 2]));
  const normalizer = field(3, field(1, Buffer.from("identity")));
  writeFileSync(join(folder, "tokenizer.model"), Buffer.concat([...pieces, trainer, normalizer]));
  writeJson("tokenizer_config.json", {
    bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>", add_bos_token: true,
    add_eos_token: false, tokenizer_class: "LlamaTokenizer", use_fast: false,
  });
}

function config() {
  const ids = { bpe: [1, 2], byte: [256, 257], spm: [1, 2] }[shape.tokenizer];
  return {
    architectures: [shape.mobile ? "MobileLLMForCausalLM" : "LlamaForCausalLM"],
    attention_bias: false, bos_token_id: ids[0], eos_token_id: ids[1],
    ...(shape.headSize ? { head_dim: shape.headSize } : {}),
    hidden_act: "silu", hidden_size: shape.width, intermediate_size: shape.feedForward,
    max_position_embeddings: shape.context, mlp_bias: false,
    model_type: shape.mobile ? "mobilellm" : "llama", num_attention_heads: shape.heads,
    num_hidden_layers: shape.layers, num_key_value_heads: shape.kvHeads, rms_norm_eps: 1e-5,
    rope_scaling: null, rope_theta: shape.theta,
    // MobileLLM says of itself that it is not tied, and is.
    tie_word_embeddings: !shape.untied && !shape.mobile,
    ...(shape.mobile ? { share_embedding: true, layer_sharing: shape.shares === true } : {}),
    vocab_size: shape.vocabulary,
  };
}

mkdirSync(folder, { recursive: true });
writeJson("config.json", config());
({ bpe: writeBytePairs, byte: writeBytes, spm: writeSentencePieces })[shape.tokenizer]();
writeWeights();
console.log(`${basename(folder)}: ${family}, ${shape.layers} layers, ${options.dtype}`);
