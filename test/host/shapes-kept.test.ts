// Which forms are kept for the next call: a few, and only as much as a small worker has room for.
// Does not know: how a form is kept to.

import { afterAll, expect, it } from "vitest";
import { Shapes } from "../../host/shapes";
import { byteModel, load } from "./library";

const model = await load(byteModel());
const session = model.session();
const { engine } = session.host;
afterAll(() => model.dispose());

/** A list of texts of so many bytes in all, which takes some fifty times that. */
const list = (name: string, bytes: number): { choices: string[] } => (
  { choices: [`${name}${"x".repeat(bytes - 1)}`] });

it("keeps eight small forms, those used last", () => {
  const shapes = new Shapes();
  const forms = [..."abcdefghi"].map((name) => list(name, 10));
  const first = forms.map((form) => shapes.constraintOf(engine, form));
  for (let i = 8; i > 0; i--) {
    expect(shapes.constraintOf(engine, forms[i] as object)).toBe(first[i]);
  }
  expect(shapes.constraintOf(engine, forms[0] as object)).not.toBe(first[0]);
  expect(shapes.constraintOf(engine, forms[8] as object)).not.toBe(first[8]);
});

it("keeps fewer that are large, and always the last", () => {
  const shapes = new Shapes();
  const forms = [..."abcdef"].map((name) => list(name, 131_072));
  const first = forms.map((form) => shapes.constraintOf(engine, form));
  const size = first[0]?.byteLength ?? 0;
  expect(size).toBeGreaterThan(2 ** 21);
  const kept = Math.floor(2 ** 24 / (size + 131_072));
  expect(kept).toBeLessThan(6);
  expect(shapes.constraintOf(engine, forms[5] as object)).toBe(first[5]);
  expect(shapes.constraintOf(engine, forms[6 - kept] as object)).toBe(first[6 - kept]);
  expect(shapes.constraintOf(engine, forms[0] as object)).not.toBe(first[0]);
});

it("counts what a form has learned by now", () => {
  const shapes = new Shapes();
  const constraint = shapes.constraintOf(engine, { regex: "(a|a{50}){1000}.*" });
  const before = constraint?.byteLength ?? 0;
  const guide = constraint?.guide();
  for (let i = 0; i < 400; i++) guide?.advance(Uint8Array.of(0x61));
  expect(constraint?.byteLength).toBeGreaterThan(before * 2);
});

it("takes nothing that JSON cannot say for a form that is kept", () => {
  const shapes = new Shapes();
  shapes.constraintOf(engine, { schema: { const: null } });
  shapes.constraintOf(engine, { schema: {} });
  for (const schema of [{ const: NaN }, new Map() as object, { const: undefined }]) {
    expect(() => shapes.constraintOf(engine, { schema: schema as Record<string, unknown> }))
      .toThrow(/JSON/);
  }
});

it("refuses parts that share parts, before it writes them as JSON", () => {
  let schema: Record<string, unknown> = { type: "string" };
  // A thousand million values. As JSON they would be longer than any text may be.
  for (let i = 0; i < 30; i++) schema = { anyOf: [schema, schema] };
  expect(() => new Shapes().constraintOf(engine, { schema })).toThrow(/too many values/);
});
