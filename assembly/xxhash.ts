// XXH64 with seed 0 (Yann Collet's doc/xxhash_spec.md of github.com/Cyan4973/xxHash): a fast hash
// against mistakes, not against malice (sha256.ts is for that). Several can run at once: each has
// its state in memory of the caller's. Knows nothing of what is hashed.
//
//   state   u8[72]: u64[4] accumulators, u64 bytes so far, u8[32] bytes that wait for their stripe

const PRIME1: u64 = 0x9e3779b185ebca87;
const PRIME2: u64 = 0xc2b2ae3d27d4eb4f;
const PRIME3: u64 = 0x165667b19e3779f9;
const PRIME4: u64 = 0x85ebca77c2b2ae63;
const PRIME5: u64 = 0x27d4eb2f165667c5;

const LENGTH: usize = 32;
const WAITING: usize = 40;

export function xxh64Begin(state: usize): void {
  store<u64>(state, PRIME1 + PRIME2);
  store<u64>(state, PRIME2, 8);
  store<u64>(state, 0, 16);
  store<u64>(state, 0 - PRIME1, 24);
  store<u64>(state, 0, LENGTH);
}

/** Adds `count` bytes; where they are cut does not matter. */
export function xxh64Update(state: usize, source: usize, count: usize): void {
  let waiting = <usize>(load<u64>(state, LENGTH) & 31);
  store<u64>(state, load<u64>(state, LENGTH) + <u64>count, LENGTH);
  if (waiting > 0) {
    const taken = min<usize>(32 - waiting, count);
    memory.copy(state + WAITING + waiting, source, taken);
    waiting += taken;
    source += taken;
    count -= taken;
    if (waiting < 32) return;
    stripes(state, state + WAITING, 1);
  }
  const whole = count >> 5;
  stripes(state, source, whole);
  memory.copy(state + WAITING, source + (whole << 5), count & 31);
}

/** `count` times 32 bytes, eight for each accumulator. */
function stripes(state: usize, source: usize, count: usize): void {
  let a = load<u64>(state);
  let b = load<u64>(state, 8);
  let c = load<u64>(state, 16);
  let d = load<u64>(state, 24);
  for (const end = source + (count << 5); source < end; source += 32) {
    a = round(a, load<u64>(source));
    b = round(b, load<u64>(source, 8));
    c = round(c, load<u64>(source, 16));
    d = round(d, load<u64>(source, 24));
  }
  store<u64>(state, a);
  store<u64>(state, b, 8);
  store<u64>(state, c, 16);
  store<u64>(state, d, 24);
}

// @ts-ignore: decorator
@inline function round(accumulator: u64, word: u64): u64 {
  return rotl<u64>(accumulator + word * PRIME2, 31) * PRIME1;
}

/** The hash of all bytes so far; the state stays, so more may follow. */
export function xxh64Value(state: usize): u64 {
  const length = load<u64>(state, LENGTH);
  let hash: u64 = PRIME5;
  if (length >= 32) {
    hash = rotl<u64>(load<u64>(state), 1) + rotl<u64>(load<u64>(state, 8), 7)
      + rotl<u64>(load<u64>(state, 16), 12) + rotl<u64>(load<u64>(state, 24), 18);
    for (let i: usize = 0; i < 32; i += 8) {
      hash = (hash ^ round(0, load<u64>(state + i))) * PRIME1 + PRIME4;
    }
  }
  hash += length;
  let at = state + WAITING;
  const end = at + <usize>(length & 31);
  for (; at + 8 <= end; at += 8) {
    hash = rotl<u64>(hash ^ round(0, load<u64>(at)), 27) * PRIME1 + PRIME4;
  }
  if (at + 4 <= end) {
    hash = rotl<u64>(hash ^ <u64>load<u32>(at) * PRIME1, 23) * PRIME2 + PRIME3;
    at += 4;
  }
  for (; at < end; at++) {
    hash = rotl<u64>(hash ^ <u64>load<u8>(at) * PRIME5, 11) * PRIME1;
  }
  hash = (hash ^ (hash >> 33)) * PRIME2;
  hash = (hash ^ (hash >> 29)) * PRIME3;
  return hash ^ (hash >> 32);
}
