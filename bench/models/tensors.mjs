// The tensors of a shape and their random weights, the same on every machine: a tensor's numbers
// follow from its name, so that two files of different formats can hold the same model.
// Does not know: file formats.

/** Weights that share a scale; a Q4_0 block is the scale, f16, and 16 bytes of two nibbles each. */
export const GROUP = 32;
export const BLOCK_BYTES = 18;

/** Uniform nibbles of this scale have a deviation of about 0.02, as trained weights have. */
const SCALE = 0.0043;

/** Every tensor of a shape in file order: a matrix has rows, a gain (all ones) has none. */
export function tensorsOf(shape) {
  const matrix = (name, rows, columns) => ({ name: `${name}.weight`, rows, columns });
  const gain = (name, columns) => ({ name: `${name}.weight`, columns });
  const block = (name, { width, heads, kvHeads, feedForward }) => {
    const kvWidth = (width / heads) * kvHeads;
    return [
      gain(`${name}.attn_norm`, width), matrix(`${name}.attn_q`, width, width),
      matrix(`${name}.attn_k`, kvWidth, width), matrix(`${name}.attn_v`, kvWidth, width),
      matrix(`${name}.attn_output`, width, width), gain(`${name}.ffn_norm`, width),
      matrix(`${name}.ffn_gate`, feedForward, width), matrix(`${name}.ffn_up`, feedForward, width),
      matrix(`${name}.ffn_down`, width, feedForward),
    ];
  };
  const blocks = (family, count, stack) =>
    Array.from({ length: count }, (_, i) => block(`${family}.${i}`, stack)).flat();
  if (shape.architecture === "llama") {
    const { width } = shape.stack;
    return [matrix("token_embd", shape.vocabulary, width),
      ...blocks("blk", shape.blocks, shape.stack), gain("output_norm", width)];
  }
  const { local, trunk } = shape;
  return [
    matrix("token_embd", shape.vocabulary, local.width),
    ...shape.ngramOrders.map((order) => matrix(`ngram.${order}`, shape.ngramRows, local.width)),
    ...blocks("enc", shape.encoders, local),
    gain("pool_norm", local.width), matrix("pool_up", trunk.width, local.width),
    ...blocks("blk", shape.blocks, trunk),
    gain("unpool_norm", trunk.width), matrix("unpool_down", local.width, trunk.width),
    ...blocks("dec", shape.decoders, local), gain("output_norm", local.width),
  ];
}

/** A matrix as Q4_0 blocks: scales around SCALE, nibbles of all values. */
export function blocksOf({ name, rows, columns }) {
  const count = (rows * columns) / GROUP;
  const bytes = new Uint8Array(count * BLOCK_BYTES);
  const view = new DataView(bytes.buffer);
  const next = generator(name);
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    view.setUint16(at, toHalf(SCALE * (0.75 + (next() & 255) / 512)), true);
    for (let i = 2; i < BLOCK_BYTES; i += 4) view.setUint32(at + i, next(), true);
  }
  return bytes;
}

/** Random numbers of 32 bits that begin with a text. */
function generator(text) {
  let state = 0x811c9dc5;
  for (const letter of text) state = Math.imul(state ^ letter.charCodeAt(0), 0x01000193);
  state |= 1; // xorshift would stay at 0 for ever
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  for (let i = 0; i < 16; i++) next();
  return next;
}

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** A positive normal number as f16, cut. */
function toHalf(value) {
  float[0] = value;
  return (((word[0] >>> 23) - 112) << 10) | ((word[0] >>> 13) & 0x3ff);
}

/** What `toHalf` gave, as a number. */
export function fromHalf(bits) {
  word[0] = (((bits >>> 10) + 112) << 23) | ((bits & 0x3ff) << 13);
  return float[0];
}
