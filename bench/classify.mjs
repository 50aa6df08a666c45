// How often labels are right: which kind of text a passage is, out of three kinds of the validation
// texts (docs/TASKS.md). With and without calibration, and with the default prompt. Usage:
// node bench/classify.mjs [MODEL] [PASSAGES OF EACH KIND].
// How fast labels are read is bench/labels.mjs's to say.

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { load } from "../dist/index.js";

const KINDS = { stories_simple: "story", expository: "article", dialogue: "conversation" };
const PROMPTS = ["{text}\n\nLabel:", "Text: {text}\nKind of text:"];
const LABELS = Object.values(KINDS);
const CHARACTERS = 400;

const [file, count = "50"] = process.argv.slice(2);
const folder = fileURLToPath(new URL("../../shared/corpus/val/", import.meta.url));

/** The first passages of a kind that are long enough. */
function passagesOf(kind) {
  const text = execFileSync("xz", ["-dc", `${folder}${kind}.val.xz`],
    { encoding: "utf8", maxBuffer: 1 << 28 });
  return text.split("\0").map((part) => part.trim()).filter((part) => part.length > 200)
    .slice(0, Number(count)).map((part) => part.slice(0, CHARACTERS));
}

const model = await load(file);
const items = Object.entries(KINDS).flatMap(([kind, label]) => (
  passagesOf(kind).map((text) => ({ text, label }))));
for (const prompt of PROMPTS) {
  for (const isCalibrated of [false, true]) {
    let right = 0;
    for (const { text, label } of items) {
      const [best] = await model.classify(text, LABELS, { prompt, isCalibrated });
      if (best.label === label) right++;
    }
    console.log(JSON.stringify({ prompt, isCalibrated, items: items.length,
      accuracy: right / items.length }));
  }
}
