// Writes assembly/tokenizer/unicode-runs.ts: the classes of all code points, as the regular
// expressions of this Node know them. To be run with Node 20, the oldest that is supported, when
// its Unicode moves on; `--print` only prints.

import { writeFileSync } from "node:fs";

/** In the order of the class numbers, from 1 on; 0 is everything else. */
const CLASSES = [/\p{L}/u, /\p{N}/u, /\p{White_Space}/u, /\p{P}/u];
/** A run is one number: its length times this, plus its class. */
const KINDS = CLASSES.length + 1;

function classOf(codePoint) {
  return CLASSES.findIndex((pattern) => pattern.test(String.fromCodePoint(codePoint))) + 1;
}

/** Runs of one class, `[length, class]`, over all code points. */
function runs() {
  const found = [];
  for (let codePoint = 0; codePoint < 0x110000; codePoint++) {
    const kind = classOf(codePoint);
    if (found.at(-1)?.[1] !== kind) found.push([0, kind]);
    found.at(-1)[0]++;
  }
  return found;
}

/** Seven bits a byte, the lowest first; the eighth says that more follow. */
function bytesOf(number) {
  const bytes = [];
  for (let rest = number; ; rest >>>= 7) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest & 127) | 128);
  }
}

function linesOf(numbers) {
  const lines = [];
  let line = " ";
  for (const number of numbers) {
    if (line.length + `${number}`.length + 2 > 100) {
      lines.push(line);
      line = " ";
    }
    line += ` ${number},`;
  }
  return [...lines, line];
}

const found = runs();
const bytes = found.flatMap(([length, kind]) => bytesOf(length * KINDS + kind));
const text = `\
// The classes of all code points, run after run: made by scripts/unicode.mjs, not by hand. Knows
// nothing of what they are for.
//
// A run is its length · ${KINDS} + its class (unicode.ts), in seven bits a byte, the lowest first.

/** Version of Unicode that the runs follow. */
export const UNICODE: string = "${process.versions.unicode}";
export const RUN_COUNT: i32 = ${found.length};
export const KINDS: u32 = ${KINDS};

export const runs = memory.data<u8>([
${linesOf(bytes).join("\n")}
]);
`;

if (process.argv.includes("--print")) process.stdout.write(text);
else writeFileSync(new URL("../assembly/tokenizer/unicode-runs.ts", import.meta.url), text);
