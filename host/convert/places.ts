// Hugging Face's names of a Llama's tensors, in GGUF's names and order, with the shape that each
// must have. Knows nothing of files.

import type { Shape } from "./family";

/** Where a tensor of the checkpoint goes. */
export interface Place {
  /** In the checkpoint, and in the file. */
  from: string;
  to: string;
  rows: number;
  columns: number;
  isVector: boolean;
  /**
   * Rows of one head whose halves are laced: rotary pairs are (i, i + half) in the checkpoint and
   * (2i, 2i + 1) in a file of architecture "llama". 0 for tensors that do not turn.
   */
  laced: number;
}

/** Buffers that old checkpoints carry along and that are computed here. */
const IGNORED = /rotary_emb\.inv_freq$/;

/** All tensors that the checkpoint must have, in the order of the file. */
export function placesOf(shape: Shape): Place[] {
  const { width, heads, kvHeads, headSize, feedForward, vocabulary } = shape;
  const vector = (from: string, to: string): Place =>
    ({ from, to, rows: 1, columns: width, isVector: true, laced: 0 });
  const matrix = (from: string, to: string, rows: number, columns: number, laced = 0): Place =>
    ({ from, to, rows, columns, isVector: false, laced });
  const blocks = Array.from({ length: shape.layers }, (_, i) => {
    const [source, target] = [`model.layers.${i}`, `blk.${i}`];
    const attention = `${source}.self_attn`;
    return [
      vector(`${source}.input_layernorm.weight`, `${target}.attn_norm.weight`),
      matrix(`${attention}.q_proj.weight`, `${target}.attn_q.weight`, heads * headSize, width,
        headSize),
      matrix(`${attention}.k_proj.weight`, `${target}.attn_k.weight`, kvHeads * headSize, width,
        headSize),
      matrix(`${attention}.v_proj.weight`, `${target}.attn_v.weight`, kvHeads * headSize, width),
      matrix(`${attention}.o_proj.weight`, `${target}.attn_output.weight`, width,
        heads * headSize),
      vector(`${source}.post_attention_layernorm.weight`, `${target}.ffn_norm.weight`),
      matrix(`${source}.mlp.gate_proj.weight`, `${target}.ffn_gate.weight`, feedForward, width),
      matrix(`${source}.mlp.up_proj.weight`, `${target}.ffn_up.weight`, feedForward, width),
      matrix(`${source}.mlp.down_proj.weight`, `${target}.ffn_down.weight`, width, feedForward),
    ];
  });
  return [
    matrix("model.embed_tokens.weight", "token_embd.weight", vocabulary, width),
    ...blocks.flat(),
    vector("model.norm.weight", "output_norm.weight"),
    ...(shape.isTied ? [] : [matrix("lm_head.weight", "output.weight", vocabulary, width)]),
  ];
}

/** Whether a checkpoint may have a tensor that no place takes. */
export function isIgnored(name: string, shape: Shape): boolean {
  // A tied head is the embedding once more.
  return IGNORED.test(name) || (shape.isTied && name === "lm_head.weight");
}
