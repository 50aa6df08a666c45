// Whole characters out of bytes that may end anywhere, as the Encoding Standard's UTF-8 decoder has
// it: of what cannot be a character, each longest beginning of one becomes U+FFFD. One stream at a
// time. Knows nothing of where bytes come from.

/** Bytes that `writeCharacters` can give for `length` of them: each may become a U+FFFD. */
export function charactersMax(length: i32): i32 {
  return 3 * length + 6;
}

/** How many U+FFFD stand for what was no character, in all that was written. */
export let replaced: i32 = 0;

const pending = memory.data(4); // u8[3]: the beginning of a character
let pendingLength: i32 = 0;
/** Bytes that the character still needs, and what the next one may be. */
let missing: i32 = 0;
let least: u8 = 0x80;
let most: u8 = 0xbf;

/** Writes the whole characters of the next `length` bytes; returns how many bytes. */
export function writeCharacters(source: usize, length: i32, target: usize): i32 {
  const start = target;
  for (let i: i32 = 0; i < length; i++) {
    const byte = load<u8>(source + i);
    if (missing > 0 && (byte < least || byte > most)) target = replace(target);
    if (missing == 0) target = begin(byte, target);
    else target = goOn(byte, target);
  }
  return <i32>(target - start);
}

/** The end: U+FFFD for a character that never came. Returns how many bytes. */
export function endCharacters(target: usize): i32 {
  return missing > 0 ? <i32>(replace(target) - target) : 0;
}

function begin(byte: u8, target: usize): usize {
  if (byte < 0x80) {
    store<u8>(target, byte);
    return target + 1;
  }
  if (byte < 0xc2 || byte > 0xf4) return replace(target);
  missing = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
  // Neither longer forms than needed, nor surrogates, nor anything above U+10FFFF.
  least = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
  most = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
  store<u8>(pending, byte);
  pendingLength = 1;
  return target;
}

function goOn(byte: u8, target: usize): usize {
  store<u8>(pending + pendingLength, byte);
  pendingLength++;
  missing--;
  least = 0x80;
  most = 0xbf;
  if (missing > 0) return target;
  for (let i: i32 = 0; i < pendingLength; i++) store<u8>(target + i, load<u8>(pending + i));
  return target + pendingLength;
}

/** U+FFFD in place of what was begun. */
function replace(target: usize): usize {
  replaced++;
  missing = 0;
  store<u8>(target, 0xef);
  store<u8>(target, 0xbf, 1);
  store<u8>(target, 0xbd, 2);
  return target + 3;
}
