// The packed layouts of weights, activations and caches, drawn once. Every kernel, the loader and
// the planner take their sizes from here. Knows nothing of files: their blocks are in quantize.ts.
//
// A GROUP is 32 weights of one row that share a scale. A BAND is four neighbouring rows. Rows pad
// with zeros to a whole band.
//
// Q4 band: for every group four vectors; lane r of vector j holds bytes 4j..4j+3 of row r's Q4_0
// block, so packing is a transposition of 32-bit words. With `b` the byte of the block
// (element b in the low nibble, b + 16 in the high one), one lane reads as two 16-bit words:
//
//        bits   0..3      4..7        8..11     12..15     | 16..19    20..23      24..27    28..31
//   element    4j        4j+16       4j+1      4j+17       | 4j+2      4j+18       4j+3      4j+19
//
//   The strict build keeps each 16-bit word with its top bit turned, which makes it a number with a
//   sign: 32,768 less than it was, and its top nibble, after a shift by 12, 8 less.
//
// Q8 band: the same with eight vectors a group; lane r of vector j holds elements 4j..4j+3 of
// row r. The strict build keeps the lower byte of each 16-bit word with its top bit turned: 128
// more than it was, without a sign.
//
// Scales: a plane of their own behind the quants, f16[band][group][4 rows].
//
// F32: plain rows, padded with zeros to a multiple of four numbers.
//
// Activation row (the input of a quantized product): for every GROUP of 32 numbers
//
//   i32       where the sums of a group start. Q4: -8 · (sum of the group, in the strict build
//             without top nibbles); for sums of 16 bits (simd.ts) two i16, for the parts' first and
//             second halves. Q8: -128 · 256 · (sum of the elements of lower bytes) in the strict
//             build, nothing in the relaxed one
//   four steps, of which step j meets vector j of a Q4 band, j and j + 4 of a Q8 band
//   f32       scale × 2^56
//
//   strict build: i16[4][8], parts of a pair: (4j, 4j+2)  (4j+16, 4j+18)  (4j+1, 4j+3)
//                 (4j+17, 4j+19), in two kinds of rows (simd.ts): for Q4 each but the first of a
//                 step less 16 × the one before; for Q8 the first two 256 times, less the last two
//   relaxed:      i8[4][8], parts of four: (4j, 4j+1, 4j+2, 4j+3)  (4j+16, 4j+17, 4j+18, 4j+19),
//                 for both types
//
// From three rows on that are multiplied together, four of them lie in turn, one word of four bytes
// each: the four starts, the four first words of step 0, and so on (kernels/matmul.ts). What is
// missing of four stays as it was.
//
// Panel: two bands unpacked for many activation rows, one vector for each part, the bands in turn.
//
// Cache of one session: for each layer (a pass, not a stored block) and key/value head
//
//   int8:  keys i8[context][headStride], values the same, f32 key scales[context], value scales,
//          f32[headSize] the unrounded key of position 0. A negative key scale (-0 too) says that
//          the difference from that key is kept.
//   f32:   keys f32[context][headStride], values the same

/** Weights that share one scale. */
export const GROUP: i32 = 32;
/** Rows interleaved in the packed layouts. */
export const BAND: i32 = 4;
/** Most rows (session, token) of one forward pass. */
export const ROWS_MAX: i32 = 32;
/** Positions whose probabilities and values are summed before they join the total. */
export const POSITION_BLOCK: i32 = 32;

/** Packed matrix types; F32 is the plain one. */
export const PACKED_F32: i32 = 0;
export const PACKED_Q4: i32 = 1;
export const PACKED_Q8: i32 = 2;
/** Kinds of matrices, a bit for each packed type: those that want activation rows. */
export const QUANTIZED_KINDS: i32 = 1 << PACKED_Q4 | 1 << PACKED_Q8;

/** Bytes of one band's group of quants. */
export const Q4_BAND_BYTES: usize = 64;
export const Q8_BAND_BYTES: usize = 128;
/** Bytes of one band's group of scales: four f16. */
export const SCALE_BAND_BYTES: usize = 8;
/** Bytes of one step of an activation group, of all four, and of what is before and behind them. */
export const ACTIVATION_STEP_BYTES: usize = ASC_FEATURE_RELAXED_SIMD ? 8 : 16;
export const ACTIVATION_STEPS_BYTES: usize = ACTIVATION_STEP_BYTES * 4;
export const START_BYTES: usize = 4;
export const ACTIVATION_SCALE_BYTES: usize = 4;
/** Bits that the words of a Q4 band, two in a lane, are kept turned in. */
export const Q4_TURNED: u32 = ASC_FEATURE_RELAXED_SIMD ? 0 : 0x80008000;
/** The same for a Q8 band. */
export const Q8_TURNED: u32 = ASC_FEATURE_RELAXED_SIMD ? 0 : 0x00800080;
/** Bytes of one group of a band's panel. */
export const Q8_PANEL_BYTES: usize = 256;

/** The rebias that kernels owe for `loadHalfScales` is split between activation and result. */
export const ACTIVATION_REBIAS: f32 = 72057594037927936.0; // 2^56
/** What remains. */
export const RESULT_SCALE: f32 = ACTIVATION_REBIAS;
/** The same for sums of Q8 vectors, which carry 256. */
export const Q8_RESULT_SCALE: f32 = ACTIVATION_REBIAS / 256;

/** `value` rounded up to a multiple of `unit`, a power of two. */
// @ts-ignore: decorator
@inline export function alignUp(value: usize, unit: usize): usize {
  return (value + unit - 1) & ~(unit - 1);
}

/** Bytes of a row of `count` floats, whole cache lines. */
export function rowBytes(count: i32): usize {
  return (<usize>((count + 15) & ~15)) << 2;
}

/** Bytes of one activation row of `columns` numbers, a multiple of GROUP. */
export function activationBytes(columns: i32): usize {
  const groups: usize = <usize>columns / <usize>GROUP;
  return alignUp(groups * (START_BYTES + ACTIVATION_STEPS_BYTES + ACTIVATION_SCALE_BYTES), 16);
}

/** Bytes of the quants of a packed matrix; for F32 all there is. */
export function quantBytes(type: i32, rows: i32, columns: i32): u64 {
  if (type == PACKED_F32) {
    const stride = (<u64>columns + 3) & ~3;
    return ((<u64>rows + 3) & ~3) * stride * 4;
  }
  const bands = (<u64>rows + 3) / 4;
  const groups = <u64>columns / 32;
  return bands * groups * (type == PACKED_Q4 ? <u64>Q4_BAND_BYTES : <u64>Q8_BAND_BYTES);
}

/** Bytes of the scale plane of a packed matrix. */
export function scaleBytes(type: i32, rows: i32, columns: i32): u64 {
  if (type == PACKED_F32) return 0;
  return ((<u64>rows + 3) / 4) * (<u64>columns / 32) * <u64>SCALE_BAND_BYTES;
}

/** Elements of one head's key or value in the cache: vectors of 16 int8 or of 4 f32. */
export function headStride(headSize: i32, int8Cache: bool): i32 {
  return int8Cache ? (headSize + 15) & ~15 : (headSize + 3) & ~3;
}
