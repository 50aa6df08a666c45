// A shape as an ONNX file for onnxruntime: the very weights of the GGUF file, as MatMulNBits takes
// them, with its own operators for grouped attention, so that it is timed at its best.
//
//   x = GatherBlockQuantized(E, token)
//   x += MatMulNBits(GroupQueryAttention(...))    for every block
//   x += MatMulNBits(silu(gate) * up)
//   logits = MatMulNBits(E, norm(x of the last token))
//
// Does not know: protobuf (protobuf.mjs), or how the file is run.

import { closeSync, existsSync, openSync, renameSync, writeSync } from "node:fs";
import { blocksOf, BLOCK_BYTES, fromHalf, GROUP, tensorsOf } from "../models/tensors.mjs";
import { TYPE, graphModel, node, tensor, value } from "./protobuf.mjs";

/** Positions for which the file has angles; the bench needs 512 and the one that is written. */
const POSITIONS = 1024;
const EPSILON = 1e-5;
const ROPE_BASE = 10000;
/** onnxruntime multiplies with activations in int8, as all other contestants do. */
const INT8_ACTIVATIONS = 4;

/** Writes the file unless it is there. */
export function writeOnnx(shape, path) {
  if (existsSync(path)) return;
  const pieces = graphModel(shape.title, partsOf(shape));
  const file = openSync(`${path}.part`, "w");
  for (const piece of pieces) {
    for (let at = 0; at < piece.length;) at += writeSync(file, piece, at, piece.length - at);
  }
  closeSync(file);
  renameSync(`${path}.part`, path);
}

function partsOf(shape) {
  const { kvHeads, heads, width } = shape.stack;
  const headSize = width / heads;
  const cache = (name, positions) => value(name, TYPE.float, [1, kvHeads, positions, headSize]);
  const parts = {
    nodes: [], tensors: [],
    inputs: [value("tokens", TYPE.int64, [1, "count"]), value("last", TYPE.int32, [1]),
      value("total", TYPE.int32, [])],
    outputs: [value("logits", TYPE.float, [1, shape.vocabulary])],
  };
  for (let i = 0; i < shape.blocks; i++) {
    for (const kind of ["key", "value"]) {
      parts.inputs.push(cache(`past.${i}.${kind}`, "past"));
      parts.outputs.push(cache(`present.${i}.${kind}`, "total"));
    }
  }
  for (const each of tensorsOf(shape)) parts.tensors.push(...weightsOf(each));
  parts.tensors.push(...anglesOf(headSize), ...embeddingOf(shape),
    tensor("minus one", TYPE.int64, [], new BigInt64Array([-1n])));
  addNodes(parts.nodes, shape);
  return parts;
}

/** A gain as it is; a matrix as nibbles of neighbouring elements and f32 scales. */
function weightsOf(each) {
  const { name, rows, columns } = each;
  if (rows === undefined) {
    return [tensor(name, TYPE.float, [columns], new Float32Array(columns).fill(1))];
  }
  const groups = columns / GROUP;
  const { nibbles, scales } = repacked(blocksOf(each));
  return [
    tensor(name, TYPE.uint8, [rows, groups, GROUP / 2], nibbles),
    tensor(`${name} scales`, TYPE.float, [rows * groups], scales),
  ];
}

/** Q4_0 keeps elements i and i + 16 in a byte, ONNX elements 2i and 2i + 1. */
function repacked(blocks) {
  const count = blocks.length / BLOCK_BYTES;
  const nibbles = new Uint8Array(count * 16);
  const scales = new Float32Array(count);
  for (let block = 0; block < count; block++) {
    const at = block * BLOCK_BYTES;
    scales[block] = fromHalf(blocks[at] | (blocks[at + 1] << 8));
    for (let i = 0; i < 8; i++) {
      const [first, second] = [blocks[at + 2 + 2 * i], blocks[at + 3 + 2 * i]];
      nibbles[block * 16 + i] = (first & 15) | ((second & 15) << 4);
      nibbles[block * 16 + 8 + i] = (first >> 4) | (second & 0xf0);
    }
  }
  return { nibbles, scales };
}

/** The shapes that the lookup wants of the embedding; they are applied once, at load. */
function embeddingOf({ vocabulary, stack: { width } }) {
  return [
    tensor("table shape", TYPE.int64, [2], BigInt64Array.from([vocabulary, width / 2], BigInt)),
    tensor("table scales shape", TYPE.int64, [2],
      BigInt64Array.from([vocabulary, width / GROUP], BigInt)),
  ];
}

function anglesOf(headSize) {
  const half = headSize / 2;
  const table = (name, of) => tensor(name, TYPE.float, [POSITIONS, half],
    Float32Array.from({ length: POSITIONS * half }, (_, i) =>
      of(Math.floor(i / half) * ROPE_BASE ** (-(i % half) / half))));
  return [table("cosines", Math.cos), table("sines", Math.sin)];
}

function addNodes(nodes, shape) {
  const { width, heads, kvHeads, feedForward } = shape.stack;
  const add = (operator, inputs, outputs, attributes) =>
    nodes.push(node(operator, inputs, outputs, attributes));
  const multiply = (x, name, columns, rows, out) => add("MatMulNBits",
    [x, `${name}.weight`, `${name}.weight scales`], [out],
    { K: columns, N: rows, bits: 4, block_size: GROUP, accuracy_level: INT8_ACTIVATIONS });
  const normalize = (x, name, out) => add("SimplifiedLayerNormalization", [x, `${name}.weight`],
    [out], { axis: -1, epsilon: EPSILON });

  add("Reshape", ["token_embd.weight", "table shape"], ["table"]);
  add("Reshape", ["token_embd.weight scales", "table scales shape"], ["table scales"]);
  add("GatherBlockQuantized", ["table", "tokens", "table scales"], ["x.0"],
    { gather_axis: 0, quantize_axis: 1, block_size: GROUP, bits: 4 });
  for (let i = 0; i < shape.blocks; i++) {
    const [block, at] = [`blk.${i}`, (name) => `${name}.${i}`];
    normalize(at("x"), `${block}.attn_norm`, at("n"));
    multiply(at("n"), `${block}.attn_q`, width, width, at("q"));
    multiply(at("n"), `${block}.attn_k`, width, (width / heads) * kvHeads, at("k"));
    multiply(at("n"), `${block}.attn_v`, width, (width / heads) * kvHeads, at("v"));
    add("GroupQueryAttention", [at("q"), at("k"), at("v"), `past.${i}.key`, `past.${i}.value`,
      "last", "total", "cosines", "sines"],
    [at("attended"), `present.${i}.key`, `present.${i}.value`],
    { num_heads: heads, kv_num_heads: kvHeads, do_rotary: 1, rotary_interleaved: 1 });
    multiply(at("attended"), `${block}.attn_output`, width, width, at("o"));
    add("Add", [at("x"), at("o")], [at("y")]);
    normalize(at("y"), `${block}.ffn_norm`, at("m"));
    multiply(at("m"), `${block}.ffn_gate`, width, feedForward, at("gate"));
    multiply(at("m"), `${block}.ffn_up`, width, feedForward, at("up"));
    add("Sigmoid", [at("gate")], [at("opened")]);
    add("Mul", [at("gate"), at("opened")], [at("silu")]);
    add("Mul", [at("silu"), at("up")], [at("hidden")]);
    multiply(at("hidden"), `${block}.ffn_down`, feedForward, width, at("down"));
    add("Add", [at("y"), at("down")], [`x.${i + 1}`]);
  }
  add("Gather", [`x.${shape.blocks}`, "minus one"], ["x last"], { axis: 1 });
  normalize("x last", "output_norm", "n last");
  multiply("n last", "token_embd", width, shape.vocabulary, "logits");
}
