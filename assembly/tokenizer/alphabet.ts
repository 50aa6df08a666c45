// GPT-2's byte alphabet: every byte has a printable character in the texts of a byte-level
// vocabulary. Printable Latin-1 stands for itself, the other 68 bytes, in order, for U+0100 and on.
// Knows nothing of tokens.

/** The byte of a symbol, or -1 for any other character. */
function symbolByte(symbol: i32): i32 {
  if (symbol < 0x100) return isPrintable(symbol) ? symbol : -1;
  let rank = symbol - 0x100;
  for (let byte: i32 = 0; byte < 256; byte++) {
    if (isPrintable(byte)) continue;
    if (rank == 0) return byte;
    rank--;
  }
  return -1;
}

function isPrintable(byte: i32): bool {
  return (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
}

/** Whether the last `spellBytes` met nothing but symbols. */
export let isSpelled: bool = true;

/** The bytes that a text of symbols stands for; returns how many. What is no symbol stays. */
export function spellBytes(text: usize, length: i32, target: usize): i32 {
  let written: i32 = 0;
  let at: i32 = 0;
  isSpelled = true;
  while (at < length) {
    const lead = load<u8>(text + at);
    const isPair = lead >= 0xc2 && lead <= 0xdf && at + 1 < length;
    const symbol = isPair ? ((<i32>lead & 0x1f) << 6) | (<i32>load<u8>(text + at, 1) & 0x3f)
      : <i32>lead;
    const byte = isPair || lead < 0x80 ? symbolByte(symbol) : -1;
    if (byte < 0) isSpelled = false;
    else if (isPair) at++;
    store<u8>(target + written, byte >= 0 ? <u8>byte : lead);
    written++;
    at++;
  }
  return written;
}
