// Names that come twice, in texts that are written here, and in random ones whose names are known.
// Does not know: who asks.

import { expect, it } from "vitest";
import { repeatedName } from "../../host/repeated";
import { dice } from "./library";

it.each([
  ['{"a": 1, "b": 2}', undefined], ['{"a": 1, "a": 2}', "a"], ['{"a": {"a": {"b": 1}}}', undefined],
  ['[{"a": 1}, {"a": 1}]', undefined], ['{"a": ["a", "a"], "b": "a"}', undefined],
  ['{"a": {"b": 1, "c": {}, "b" \n:2}}', "b"], ['{"\\u0061": 1, "a": 2}', "a"],
  ['{"": 1, "": 2}', ""], ['{"__proto__": 1, "__proto__": 2}', "__proto__"],
  ['{"a\\"": "\\"{", "b": "}", "a": "\\\\", "a\\"": 0}', 'a"'], ['"a"', undefined],
  ["7", undefined],
])("in %s: %s", (json, name) => {
  JSON.parse(json);
  expect(repeatedName(json)).toBe(name);
});

it("in random texts, as deep as they like", () => {
  const roll = dice(3);
  let found = 0;
  for (let round = 0; round < 500; round++) {
    let isRepeated = false;
    const text = (depth: number): string => {
      if (depth === 0) return ["1", '"a"', '":"', "[]", "{}"][roll(5)] as string;
      if (roll(3) === 0) return `[${text(depth - 1)},"b",${text(depth - 1)}]`;
      const names = Array.from({ length: roll(4) }, () => "abcdefghij"[roll(10)] as string);
      isRepeated ||= new Set(names).size < names.length;
      return `{${names.map((name) => `"${name}" : ${text(depth - 1)}`).join(" ,")}}`;
    };
    const whole = text(4);
    JSON.parse(whole);
    expect(repeatedName(whole) !== undefined, whole).toBe(isRepeated);
    if (isRepeated) found++;
  }
  expect(found).toBeGreaterThan(50);
  expect(repeatedName(`${"[".repeat(1e6)}${"]".repeat(1e6)}`)).toBeUndefined();
});
