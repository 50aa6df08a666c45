// The ladder: every kernel by itself at the shapes of SmolLM-135M, median of nine rounds.
// `node bench/kernels/ladder.mjs [NAME ...]` runs the rungs whose names contain a NAME; NIBBLE_SIMD
// chooses the build, strict unless told. The relaxed one has two rungs for every product of Q4, one
// for each type that its sums may have (assembly/sums.ts).
// Does not know: the forward pass, which is `nibble bench`'s business.

import { pathToFileURL } from "node:url";
import { Arena, measure } from "./arena.mjs";

/** Rows x columns of the matrices: q and o, k and v, gate and up, down, the output. */
const MATRICES = [[576, 576], [192, 576], [1536, 576], [576, 1536], [49152, 576]];
const VECTORS = 32;
const POSITIONS = [128, 512, 2048];
const HEAD_SIZE = 64;
const HEADS = 9;
const WIDTH = 576;
const HIDDEN = 1536;

/** Bytes of a group of 32 weights in a band of four rows. */
const BAND_BYTES = { Q4: 64, Q8: 128 };

/** Activation rows of random numbers: one, or by fours whose words lie in turn. */
function activations(arena, type, columns, rows = 1) {
  const source = arena.floats(columns);
  const stride = (((columns / 32) * 72) + 15) & ~15;
  const target = arena.take(stride * rows);
  const quantize = type === "Q8" ? arena.kernels.quantizeRowQ8 : arena.kernels.quantizeRow;
  if (rows === 1) quantize(target, source, columns, 4);
  for (let row = 0; rows > 1 && row < rows; row++) {
    quantize(target + (row >> 2) * 4 * stride + (row & 3) * 4, source, columns, 16);
  }
  return { target, stride };
}

function packed(arena, type, rows, columns) {
  const bands = rows / 4;
  const groups = columns / 32;
  const quants = arena.bytes(bands * groups * BAND_BYTES[type]);
  return { quants, scales: arena.halves(bands * groups * 4), bands, groups };
}

/** A rung whose sums are of so many bits, or as they are when that is undefined. */
function matvec(type, rows, columns, bits) {
  return {
    name: `matvec${type}${bits ? `<i${bits}>` : ""} ${rows}x${columns}`,
    weights: rows * columns,
    prepare(arena) {
      const { kernels } = arena;
      kernels.sumBits(bits ?? 0);
      const out = arena.take(rows * 4);
      if (type === "F32") {
        const x = arena.floats(columns);
        const weights = arena.floats(rows * columns);
        return () => kernels.matvecF32(out, x, weights, columns, 0, rows / 4);
      }
      const { target } = activations(arena, type, columns);
      const { quants, scales, bands, groups } = packed(arena, type, rows, columns);
      const kernel = kernels[`matvec${type}`];
      const units = kernels.matvecUnits(bands);
      return () => kernel(out, target, quants, scales, bands, groups, 0, units);
    },
  };
}

function matmul(type, rows, columns, bits) {
  return {
    name: `matmul${type}${bits ? `<i${bits}>` : ""} ${rows}x${columns} by ${VECTORS}`,
    weights: rows * columns * VECTORS,
    prepare(arena) {
      arena.kernels.sumBits(bits ?? 0);
      const outs = arena.addresses(arena.take(rows * 4 * VECTORS), rows * 4, VECTORS);
      const { target, stride } = activations(arena, type, columns, VECTORS);
      const { quants, scales, bands, groups } = packed(arena, type, rows, columns);
      const kernel = arena.kernels[`matmul${type}`];
      const panel = arena.take(arena.kernels.panelBytes(columns));
      const units = arena.kernels.matmulUnits(bands);
      return () => kernel(outs, target, stride, VECTORS, quants, scales, bands, groups, panel, 0,
        units);
    },
  };
}

/** One head over a full cache. Bytes are those of keys or values and their scales. */
function attention(positions) {
  const last = positions - 1;
  const cacheBytes = positions * (HEAD_SIZE + 4);
  const rung = (name, bytes, prepare) => ({ name: `${name} ${positions}`, bytes, prepare });
  return [
    rung("scoresInt8", cacheBytes, (arena) => {
      const [scores, query] = [arena.take(positions * 4), arena.take(HEAD_SIZE * 2)];
      const [keys, scales] = [arena.bytes(positions * HEAD_SIZE), arena.floats(positions)];
      arena.kernels.quantizeQuery(query, arena.floats(HEAD_SIZE), HEAD_SIZE, HEAD_SIZE);
      return () => arena.kernels.scoresInt8(scores, query, 0.001, 0, keys, scales, 0, last,
        HEAD_SIZE);
    }),
    rung("scoresInt8x3", cacheBytes, (arena) => {
      const [scores, query] = [arena.take(positions * 12), arena.bytes(HEAD_SIZE * 6)];
      const [keys, scales] = [arena.bytes(positions * HEAD_SIZE), arena.floats(positions)];
      const [factors, bases] = [arena.floats(4), arena.floats(4)];
      return () => arena.kernels.scoresInt8x3(scores, positions * 4, query, factors, bases, keys,
        scales, 0, last, HEAD_SIZE);
    }),
    rung("scoresF32", positions * HEAD_SIZE * 4, (arena) => {
      const [scores, query] = [arena.take(positions * 4), arena.floats(HEAD_SIZE)];
      const keys = arena.floats(positions * HEAD_SIZE);
      return () => arena.kernels.scoresF32(scores, query, 0.125, keys, 0, last, HEAD_SIZE);
    }),
    softmax(positions),
    weighValues(positions),
    rung("valuesInt8", positions * HEAD_SIZE, (arena) => {
      const out = arena.take(HEAD_SIZE * 4);
      const [weights, blockScales] = [arena.bytes(positions * 2), arena.floats(positions / 32)];
      const values = arena.bytes(positions * HEAD_SIZE);
      return () => arena.kernels.valuesInt8(out, weights, blockScales, 1, values, 0, last,
        HEAD_SIZE, HEAD_SIZE);
    }),
    rung("valuesInt8x3", positions * HEAD_SIZE, (arena) => {
      const outs = arena.addresses(arena.take(HEAD_SIZE * 12), HEAD_SIZE * 4, 3);
      const [weights, blockScales] = [arena.bytes(positions * 6), arena.floats(positions / 8)];
      const [values, sums] = [arena.bytes(positions * HEAD_SIZE), arena.floats(4)];
      return () => arena.kernels.valuesInt8x3(outs, weights, positions * 2, blockScales,
        positions / 8, sums, values, 0, last, HEAD_SIZE, HEAD_SIZE);
    }),
    rung("valuesF32", positions * HEAD_SIZE * 4, (arena) => {
      const [out, p] = [arena.take(HEAD_SIZE * 4), arena.floats(positions)];
      const values = arena.floats(positions * HEAD_SIZE);
      return () => arena.kernels.valuesF32(out, p, 1, values, 0, last, HEAD_SIZE);
    }),
  ];
}

/** Works in place: after the first call the scores are probabilities, at the same speed. */
function softmax(positions) {
  return {
    name: `softmax ${positions}`,
    bytes: positions * 4,
    prepare(arena) {
      const scores = arena.floats(positions);
      return () => arena.kernels.softmax(scores, 0, positions - 1);
    },
  };
}

/** In place as well: scales of 1 keep the probabilities as they are. */
function weighValues(positions) {
  return {
    name: `weighValues ${positions}`,
    bytes: positions * 8,
    prepare(arena) {
      const { kernels } = arena;
      const [p, scales] = [arena.floats(positions), arena.take(positions * 4)];
      kernels.softmax(p, 0, positions - 1);
      new Float32Array(kernels.memory.buffer, scales, positions).fill(1);
      const [weights, blockScales] = [arena.take(positions * 2), arena.take(positions / 8)];
      return () => kernels.weighValues(weights, blockScales, p, scales, 0, positions - 1);
    },
  };
}

/** Kernels over one row. swiglu works in place: the time to bring its input back is in. */
function rows() {
  const rung = (name, count, prepare) => ({ name: `${name} ${count}`, bytes: count * 4, prepare });
  return [
    rung("quantizeRow", WIDTH, (arena) => {
      const [x, target] = [arena.floats(WIDTH), arena.take((WIDTH / 32) * 72)];
      return () => arena.kernels.quantizeRow(target, x, WIDTH, 4);
    }),
    rung("quantizeRow", HIDDEN, (arena) => {
      const [x, target] = [arena.floats(HIDDEN), arena.take((HIDDEN / 32) * 72)];
      return () => arena.kernels.quantizeRow(target, x, HIDDEN, 4);
    }),
    rung("quantizeHead", HEAD_SIZE, (arena) => {
      const [x, target] = [arena.floats(HEAD_SIZE), arena.take(HEAD_SIZE)];
      return () => arena.kernels.quantizeHead(target, x, HEAD_SIZE, HEAD_SIZE);
    }),
    rung("quantizeQuery", HEAD_SIZE, (arena) => {
      const [x, target] = [arena.floats(HEAD_SIZE), arena.take(HEAD_SIZE * 2)];
      return () => arena.kernels.quantizeQuery(target, x, HEAD_SIZE, HEAD_SIZE);
    }),
    rung("rmsnorm", WIDTH, (arena) => {
      const [out, x, gain] = [arena.take(WIDTH * 4), arena.floats(WIDTH), arena.floats(WIDTH)];
      return () => arena.kernels.rmsnorm(out, x, gain, WIDTH, 1e-5);
    }),
    rung("swiglu", HIDDEN, (arena) => {
      const source = arena.floats(HIDDEN);
      const [gate, up] = [arena.take(HIDDEN * 4), arena.floats(HIDDEN)];
      return () => {
        arena.kernels.embedF32(gate, source, 0, HIDDEN);
        arena.kernels.swiglu(gate, up, HIDDEN);
      };
    }),
    rung("add", WIDTH, (arena) => {
      const [x, y] = [arena.floats(WIDTH), arena.take(WIDTH * 4)];
      return () => arena.kernels.add(x, y, WIDTH);
    }),
    rung("ropeAngles", HEAD_SIZE, (arena) => {
      const [table, frequencies] = [arena.take(HEAD_SIZE * 4), arena.take(HEAD_SIZE * 4)];
      new Float64Array(arena.kernels.memory.buffer, frequencies, HEAD_SIZE / 2).fill(0.1);
      return () => arena.kernels.ropeAngles(table, frequencies, 1000, HEAD_SIZE / 2);
    }),
    ...[["interleaved", 1], ["half-split", 0]].map(([name, flag]) =>
      rung(`rope, ${name},`, WIDTH, (arena) => {
        const [x, table, frequencies] = [arena.floats(WIDTH), arena.take(256), arena.take(256)];
        arena.kernels.ropeAngles(table, frequencies, 1, HEAD_SIZE / 2); // angle 0 keeps x as it is
        return () => arena.kernels.rope(x, table, HEADS, HEAD_SIZE, flag);
      })),
  ];
}

function embed(type) {
  return {
    name: `embed${type} ${WIDTH}`,
    weights: WIDTH,
    prepare(arena) {
      const out = arena.take(WIDTH * 4);
      if (type === "F32") {
        const weights = arena.floats(WIDTH * 64);
        return () => arena.kernels.embedF32(out, weights, 37, WIDTH);
      }
      const { quants, scales, groups } = packed(arena, type, 64, WIDTH);
      const kernel = arena.kernels[`embed${type}`];
      return () => kernel(out, quants, scales, 37, groups);
    },
  };
}

/** All rungs: a name, how many weights or bytes one call takes in, and a call to be. */
function ladder(simd) {
  const small = MATRICES.slice(0, 4);
  const forms = simd === "relaxed" ? [16, 32] : [undefined];
  const q4 = (rung, shapes) =>
    shapes.flatMap((shape) => forms.map((bits) => rung("Q4", ...shape, bits)));
  return [
    ...q4(matvec, MATRICES),
    ...["Q8", "F32"].flatMap((type) => MATRICES.map((shape) => matvec(type, ...shape))),
    ...q4(matmul, small),
    ...small.map((shape) => matmul("Q8", ...shape)),
    ...POSITIONS.flatMap(attention),
    ...rows(),
    ...["Q4", "Q8", "F32"].map(embed),
  ];
}

/** Runs the rungs whose names contain one of `names` (all without any) and prints a line each. */
export async function runLadder(names = []) {
  const simd = process.env.NIBBLE_SIMD;
  const arena = await Arena.open(simd);
  const wanted = names.map((name) => name.toLowerCase());
  for (const { name, weights, bytes, prepare } of ladder(simd)) {
    const isWanted = wanted.length === 0
      || wanted.some((part) => name.toLowerCase().includes(part));
    if (!isWanted) continue;
    arena.reset();
    const microseconds = measure(prepare(arena));
    const speed = (weights ?? bytes) / microseconds / 1000;
    const unit = weights === undefined ? "GB/s" : "Gweights/s";
    console.log(`${name.padEnd(30)} ${microseconds.toFixed(2).padStart(12)} µs `
      + `${speed.toFixed(2).padStart(9)} ${unit}`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  await runLadder(process.argv.slice(2));
}
