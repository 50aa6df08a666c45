// Properties of text that is still being written: no character is ever torn, no stop sequence is
// ever shown, and how the bytes were cut into pieces changes nothing.
// Does not know: tokens or models.

import { describe, expect, it } from "vitest";
import { CharacterStream, StopFilter } from "../../host/text";
import { dice } from "./library";

const CASES = 400;
const encoder = new TextEncoder();

/** A code point of one of the four UTF-8 lengths; never half of a surrogate pair, nor U+FFFD. */
function randomCharacter(roll: (limit: number) => number): string {
  const special = ["\u{feff}", "\0", "\n", "\u{301}", "\u{200d}", "\u{1f469}", "\u{10ffff}"];
  switch (roll(5)) {
    case 0: return String.fromCodePoint(roll(0x80));
    case 1: return String.fromCodePoint(0x80 + roll(0x780));
    case 2: return String.fromCodePoint(0x800 + roll(0xd800 - 0x800));
    case 3: return String.fromCodePoint(0x10000 + roll(0x100000));
    default: return special[roll(special.length)] ?? "";
  }
}

function randomText(roll: (limit: number) => number, length: number): string {
  return Array.from({ length }, () => randomCharacter(roll)).join("");
}

/** Cuts anything that can be sliced into pieces of 0 to `most`. */
function cut<T extends { length: number; slice(from: number, to: number): T }>(
  whole: T, roll: (limit: number) => number, most: number,
): T[] {
  const pieces: T[] = [];
  for (let at = 0; at < whole.length;) {
    const size = roll(most + 1);
    pieces.push(whole.slice(at, at + size));
    at += size;
  }
  return pieces;
}

const hasTornCharacter = (text: string): boolean => /\p{Surrogate}/u.test(text);

describe("CharacterStream", () => {
  it("gives whole characters only, and all of them, wherever the bytes are cut", () => {
    for (let seed = 0; seed < CASES; seed++) {
      const roll = dice(seed);
      const text = randomText(roll, roll(40));
      const stream = new CharacterStream();
      const pieces = cut(encoder.encode(text), roll, 5).map((bytes) => stream.write(bytes));
      expect(stream.end(), `seed ${seed}`).toBe("");
      expect(pieces.join(""), `seed ${seed}`).toBe(text);
      expect(pieces.some((piece) => piece.includes("\u{fffd}")), `seed ${seed}`).toBe(false);
      expect(pieces.some(hasTornCharacter), `seed ${seed}`).toBe(false);
    }
  });

  it("reads any bytes in pieces as it reads them whole", () => {
    for (let seed = 0; seed < CASES; seed++) {
      const roll = dice(seed);
      const leads = [0x41, 0x80, 0xbf, 0xc2, 0xe2, 0xed, 0xf0, 0xf4, 0xff];
      const bytes = Uint8Array.from({ length: roll(40) }, () => (
        roll(2) ? roll(256) : leads[roll(leads.length)] ?? 0));
      const stream = new CharacterStream();
      const pieces = cut(bytes, roll, 3).map((piece) => stream.write(piece));
      const whole = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
      expect(pieces.join("") + stream.end(), `seed ${seed}`).toBe(whole);
    }
  });

  it("waits for the rest of a character and gives U+FFFD for one that never comes", () => {
    const stream = new CharacterStream();
    expect(stream.write(Uint8Array.of(0xf0, 0x9f, 0x99))).toBe("");
    expect(stream.end()).toBe("\u{fffd}");
    expect(stream.end()).toBe("");
    expect(stream.write(Uint8Array.of(0xf0, 0x9f, 0x99))).toBe("");
    expect(stream.write(Uint8Array.of(0x82, 0x41))).toBe("🙂A");
  });

  it("gives U+FFFD for broken bytes at once, and goes on", () => {
    const stream = new CharacterStream();
    expect(stream.write(Uint8Array.of(0x41, 0xff, 0x42))).toBe("A\u{fffd}B");
    expect(stream.write(Uint8Array.of(0xe2, 0x82))).toBe("");
    expect(stream.write(Uint8Array.of(0x43))).toBe("\u{fffd}C");
  });

  it("keeps a byte order mark, at the beginning and later", () => {
    const stream = new CharacterStream();
    expect(stream.write(encoder.encode("\u{feff}a\u{feff}"))).toBe("\u{feff}a\u{feff}");
  });
});

/** The slow obvious way: one character after the other, until a sequence is complete. */
function upToStop(text: string, sequences: readonly string[]): { text: string; found?: string } {
  for (let end = 1; end <= text.length; end++) {
    const ends = sequences.filter((sequence) => text.slice(0, end).endsWith(sequence));
    const [found] = ends.sort((a, b) => b.length - a.length);
    if (found !== undefined) return { text: text.slice(0, end - found.length), found };
  }
  return { text };
}

function filterPieces(pieces: readonly string[], sequences: readonly string[]) {
  const filter = new StopFilter(sequences);
  const shown = pieces.map((piece) => filter.write(piece));
  return { shown, text: shown.join("") + filter.end(), found: filter.found };
}

describe("StopFilter", () => {
  it("stops where the first sequence is complete, however the text is cut", () => {
    let stopped = 0;
    for (let seed = 0; seed < 10 * CASES; seed++) {
      const roll = dice(seed);
      const word = (length: number): string => (
        Array.from({ length }, () => "ab🙂"[roll(2)]).join(""));
      const text = word(roll(20));
      const sequences = Array.from({ length: roll(4) }, () => word(1 + roll(6)));
      const expected = upToStop(text, sequences);
      const result = filterPieces(cut(text, roll, 4), sequences);
      const name = JSON.stringify({ seed, text, sequences });
      expect(result.text, name).toBe(expected.text);
      expect(result.found, name).toBe(expected.found);
      if (result.found !== undefined) stopped++;
    }
    expect(stopped).toBeGreaterThan(CASES);
  });

  it("never shows a character of a sequence that is found later", () => {
    for (let seed = 0; seed < CASES; seed++) {
      const roll = dice(seed);
      const pieces = [...cut("one two<|end|>", roll, 3), " three"];
      const { shown, text, found } = filterPieces(pieces, ["<|end|>"]);
      expect(shown.join("")).toBe("one two");
      expect(text).toBe("one two");
      expect(found).toBe("<|end|>");
    }
  });

  it("shows text at once where nothing can become a sequence", () => {
    const filter = new StopFilter(["\n\n"]);
    expect(filter.write("a")).toBe("a");
    expect(filter.write("b\n")).toBe("b");
    expect(filter.write("c")).toBe("\nc");
    expect(filter.end()).toBe("");
    const none = new StopFilter([]);
    expect(none.write("anything")).toBe("anything");
  });

  it("lets go of what was held back when the text ends", () => {
    const filter = new StopFilter(["abcd"]);
    expect(filter.write("xabc")).toBe("x");
    expect(filter.end()).toBe("abc");
    expect(filter.end()).toBe("");
    expect(filter.found).toBeUndefined();
  });

  it("takes the longer of two sequences that end together", () => {
    expect(filterPieces(["say", " stop"], ["stop", " stop"])).toMatchObject({
      text: "say", found: " stop",
    });
  });

  it("gives nothing more once a sequence was found", () => {
    const filter = new StopFilter(["."]);
    expect(filter.write("a.b")).toBe("a");
    expect(filter.write("c")).toBe("");
    expect(filter.end()).toBe("");
  });
});
