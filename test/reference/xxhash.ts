// XXH64 with seed 0 in BigInt, written beside the specification (doc/xxhash_spec.md of xxHash).
// Does not know: streams.

const [p1, p2, p3, p4, p5] = [0x9e3779b185ebca87n, 0xc2b2ae3d27d4eb4fn, 0x165667b19e3779f9n,
  0x85ebca77c2b2ae63n, 0x27d4eb2f165667c5n];

const wrap = (value: bigint): bigint => BigInt.asUintN(64, value);
const turn = (value: bigint, by: bigint): bigint => wrap((value << by) | (value >> (64n - by)));
const round = (lane: bigint, word: bigint): bigint => wrap(turn(wrap(lane + word * p2), 31n) * p1);

/** The hash of all bytes. */
export function xxh64(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const lanes = [wrap(p1 + p2), p2, 0n, wrap(-p1)];
  let at = 0;
  for (; at + 32 <= bytes.length; at += 32) {
    lanes.forEach((lane, i) => { lanes[i] = round(lane, view.getBigUint64(at + i * 8, true)); });
  }
  let hash = p5;
  if (bytes.length >= 32) {
    hash = lanes.reduce((sum, lane, i) => wrap(sum + turn(lane, [1n, 7n, 12n, 18n][i])), 0n);
    for (const lane of lanes) hash = wrap((hash ^ round(0n, lane)) * p1 + p4);
  }
  hash = wrap(hash + BigInt(bytes.length));
  for (; at + 8 <= bytes.length; at += 8) {
    hash = wrap(turn(hash ^ round(0n, view.getBigUint64(at, true)), 27n) * p1 + p4);
  }
  if (at + 4 <= bytes.length) {
    hash = wrap(turn(hash ^ wrap(BigInt(view.getUint32(at, true)) * p1), 23n) * p2 + p3);
    at += 4;
  }
  for (; at < bytes.length; at++) hash = wrap(turn(hash ^ wrap(BigInt(bytes[at]) * p5), 11n) * p1);
  hash = wrap((hash ^ (hash >> 33n)) * p2);
  hash = wrap((hash ^ (hash >> 29n)) * p3);
  return hash ^ (hash >> 32n);
}
