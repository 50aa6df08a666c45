// How often labels are right: which kind of text a passage is, out of three kinds of the validation
// texts (docs/TASKS.md). With and without calibration, and with the default prompt. Usage:
// node bench/classify.mjs [MODEL] [PASSAGES OF EACH KIND], or [MODEL] QUESTIONS.jsonl [HOW MANY] for a
// set of questions (host/questions.ts), whose answers are the labels.
// How fast labels are read is bench/labels.mjs's to say.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { load } from "../dist/index.js";

const KINDS = { stories_simple: "story", expository: "article", dialogue: "conversation" };
const PROMPTS = ["{text}\n\nLabel:", "Text: {text}\nKind of text:"];
const LABELS = Object.values(KINDS);
const CHARACTERS = 400;

const [file, what = "50", most = "500"] = process.argv.slice(2);
const folder = fileURLToPath(new URL("../../shared/corpus/val/", import.meta.url));

/** The first passages of a kind that are long enough. */
function passagesOf(kind) {
  const text = execFileSync("xz", ["-dc", `${folder}${kind}.val.xz`],
    { encoding: "utf8", maxBuffer: 1 << 28 });
  return text.split("\0").map((part) => part.trim()).filter((part) => part.length > 200)
    .slice(0, Number(what)).map((part) => part.slice(0, CHARACTERS));
}

const passages = () => Object.entries(KINDS).flatMap(([kind, label]) => (
  passagesOf(kind).map((text) => ({ text, labels: LABELS, label }))));

const questions = () => readFileSync(what, "utf8").trim().split("\n").slice(0, Number(most))
  .map((line) => JSON.parse(line))
  .filter(({ choices }) => new Set(choices).size === choices.length) // some sets have answers twice
  .map(({ query, choices, gold }) => ({ text: query, labels: choices, label: choices[gold] }));

const model = await load(file);
const isSet = what.endsWith(".jsonl");
const items = isSet ? questions() : passages();
for (const prompt of isSet ? ["{text}\nAnswer:"] : PROMPTS) {
  for (const isCalibrated of [false, true]) {
    let right = 0;
    for (const { text, labels, label } of items) {
      const [best] = await model.classify(text, labels, { prompt, isCalibrated });
      if (best.label === label) right++;
    }
    console.log(JSON.stringify({ prompt, isCalibrated, items: items.length,
      accuracy: right / items.length }));
  }
}
model.dispose();
