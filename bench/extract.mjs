// How often extract is right: who, how many, which animal, out of 24 sentences that say so
// (docs/TASKS.md). Usage: node bench/extract.mjs [MODEL]. Every answer must parse and be valid, at
// temperature 0 and at 1.5, or the run ends with an error; which values are right is counted by
// member, beside what chance would have. Then the animal and the number once more, with classify and
// prompts of the kind that a model of stories has read.
// Does not know: why a value is wrong.

import { ok } from "node:assert";
import { load } from "../dist/index.js";

const NAMES = ["Tom", "Lily", "Ben", "Anna", "Max", "Mia"];
const ANIMALS = ["dog", "cat", "bird", "fish"];
const NUMBERS = ["two", "three", "four", "five"];
const FORMS = [
  (name, count, animal) => `${name} has ${count} ${plural(animal)}.`,
  (name, count, animal) => `There was a child called ${name}. In the garden lived ${count} `
    + `${plural(animal)}, and ${name} loved them all.`,
];
const SCHEMA = {
  type: "object", required: ["name", "animal", "count"], additionalProperties: false,
  properties: {
    name: { type: "string", pattern: "^[A-Z][a-z]{1,11}$" },
    animal: { enum: ANIMALS },
    count: { type: "integer", minimum: 2, maximum: 5 },
  },
};
const CHANCE = { name: "0 %", animal: "25 %", count: "25 %" };
const EXAMPLES = "Sam has three cats.\n\nJSON:\n{\"name\": \"Sam\", \"animal\": \"cat\", \"count\": 3}"
  + "\n\nSue saw five birds.\n\nJSON:\n{\"name\": \"Sue\", \"animal\": \"bird\", \"count\": 5}\n\n";
const PROMPTS = { default: undefined, "two examples": `${EXAMPLES}{text}\n\nJSON:\n` };

function plural(animal) {
  return animal === "fish" ? "fish" : `${animal}s`;
}

/** Each name with four different numbers and animals. */
const items = NAMES.flatMap((name, i) => ANIMALS.map((_, j) => {
  const [animal, number] = [ANIMALS[(i + j) % 4], (i * 3 + j * 2 + (j >> 1)) % 4];
  return { text: FORMS[(i + j) % 2](name, NUMBERS[number], animal),
    value: { name, animal, count: number + 2 } };
}));

function isValid({ name, animal, count, ...rest }) {
  return /^[A-Z][a-z]{1,11}$/.test(name) && ANIMALS.includes(animal) && Number.isInteger(count)
    && count >= 2 && count <= 5 && Object.keys(rest).length === 0;
}

const model = await load(process.argv[2]);
for (const [name, prompt] of Object.entries(PROMPTS)) {
  for (const temperature of [0, 1.5]) {
    const right = { name: 0, animal: 0, count: 0 };
    for (const [seed, { text, value }] of items.entries()) {
      const answer = await model.extract(text, SCHEMA, { prompt, temperature, seed });
      ok(answer.finishReason === "stop" && isValid(JSON.parse(answer.text)), answer.text);
      for (const key of Object.keys(right)) if (answer.value[key] === value[key]) right[key]++;
    }
    const shares = Object.entries(right).map(([key, count]) => (
      `${key} ${Math.round((count / items.length) * 100)} % (chance ${CHANCE[key]})`));
    console.log(`${name}, temperature ${temperature}: ${items.length} of ${items.length} valid; `
      + shares.join(", "));
  }
}
const QUESTIONS = {
  animal: ["{text} They were all happy. The child played with the", plural, ANIMALS],
  count: ["{text} One, two, three. The child counted them, and there were", String, NUMBERS],
};
for (const [key, [prompt, labelOf, values]] of Object.entries(QUESTIONS)) {
  for (const isCalibrated of [false, true]) {
    let right = 0;
    for (const { text, value } of items) {
      const [best] = await model.classify(text, values.map(labelOf), { prompt, isCalibrated });
      const expected = key === "count" ? NUMBERS[value.count - 2] : labelOf(value.animal);
      if (best.label === expected) right++;
    }
    console.log(`classify, ${key}, ${isCalibrated ? "calibrated" : "plain"}: `
      + `${Math.round((right / items.length) * 100)} % (chance 25 %)`);
  }
}
