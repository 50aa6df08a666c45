// The engine's exports called out of order or out of range, as a careless host might: always a
// failure in words, never a trap, and never a number that belongs to something else.
// Does not know: the host's own rules, which are stricter.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { Engine } from "../host/engine";
import { loadInto } from "../host/load";
import { bytesSource } from "../host/source";
import { ggmlType, randomModel } from "./reference";

const wasm = fileURLToPath(new URL("../dist/nibble.wasm", import.meta.url));
const file = randomModel({
  width: 32, layers: 1, heads: 2, kvHeads: 1, feedForward: 32, vocabulary: 272, context: 32,
  type: ggmlType.Q4_0, tied: true, seed: 5, tokenizer: "byte",
});

const start = (): Promise<Engine> =>
  Engine.start(new WebAssembly.Module(readFileSync(wasm)), "strict");

async function loaded(): Promise<Engine> {
  const engine = await start();
  await loadInto(engine, bytesSource(file), {});
  return engine;
}

/** The name of the code that a call fails with. */
function codeOf(engine: Engine, run: (e: Engine["exports"]) => number): string {
  try {
    engine.call(run);
  } catch (error) {
    return (error as { code: string }).code;
  }
  return "none";
}

it("refuses every step before its turn", async () => {
  const engine = await start();
  const early: ((e: Engine["exports"]) => number)[] = [
    (e) => e.plan(8, 1, -1, -1, 1, 0n), (e) => e.write(1), (e) => e.finish(), (e) => e.run(-1),
    (e) => e.push(0, 0, 0), (e) => e.encode(1, 7), (e) => e.decode(0, 0), (e) => e.logitsOf(0),
    (e) => e.metadataEntry(0), (e) => e.tensorRecord(0),
  ];
  expect(early.map((run) => codeOf(engine, run))).toEqual(early.map(() => "OUT_OF_ORDER"));
  expect(codeOf(engine, (e) => e.headerRoom(-1))).toBe("HEADER_TOO_LARGE");
  expect(codeOf(engine, (e) => e.open(-1, 0n))).toBe("HEADER_TOO_LARGE");
  expect(codeOf(engine, (e) => e.sample(0))).toBe("BAD_SESSION");
});

it("refuses lengths beyond the staging window", async () => {
  const engine = await loaded();
  for (const length of [-1, engine.exports.stagingBytes() + 1]) {
    expect(codeOf(engine, (e) => e.encode(length, 7))).toBe("OUT_OF_ORDER");
  }
  expect(codeOf(engine, (e) => e.write(1))).toBe("OUT_OF_ORDER");
});

it("does not rewind under rows that wait, and drops them exactly", async () => {
  const engine = await loaded();
  engine.call((e) => e.push(0, 1, 0));
  engine.call((e) => e.push(0, 2, 0));
  expect(codeOf(engine, (e) => e.rewind(0, 0))).toBe("OUT_OF_ORDER");
  engine.exports.drop();
  expect(engine.call((e) => e.position(0))).toBe(0);
  expect(codeOf(engine, (e) => e.rewind(0, 1))).toBe("BAD_POSITION");
});

it("samples only from the logits of a session's last row", async () => {
  const engine = await loaded();
  expect(codeOf(engine, (e) => e.logitsAddress(0))).toBe("NO_LOGITS");
  for (const token of [1, 2, 3]) engine.call((e) => e.push(0, token, 0));
  engine.call((e) => e.run(-1));
  expect(codeOf(engine, (e) => e.sample(0))).toBe("NO_LOGITS");
  engine.call((e) => e.logitsOf(1));
  expect(codeOf(engine, (e) => e.hashLogits(0))).toBe("none");
  expect(codeOf(engine, (e) => e.sample(0))).toBe("NO_LOGITS");
  engine.call((e) => e.logitsOf(2));
  expect(codeOf(engine, (e) => e.sample(0))).toBe("none");
  expect(codeOf(engine, (e) => e.logitsOf(3))).toBe("OUT_OF_ORDER");
  engine.call((e) => e.rewind(0, 0));
  expect(codeOf(engine, (e) => e.sample(0))).toBe("NO_LOGITS");
});

it("keeps to a row of the last pass as though those behind had not been", async () => {
  const engine = await loaded();
  const logits = (): Buffer =>
    Buffer.from(engine.bytes(engine.call((e) => e.logitsAddress(0)), 272 * 4));
  const push = (tokens: number[]): void => {
    for (const token of tokens) engine.call((e) => e.push(0, token, 0));
    engine.call((e) => e.run(-1));
  };
  push([1, 2, 3]);
  engine.call((e) => e.logitsOf(2));
  const three = logits();
  push([4, 5]);
  engine.call((e) => e.logitsOf(1));
  const five = logits();
  engine.call((e) => e.rewind(0, 0));
  push([1, 2, 3, 9, 9]);
  engine.call((e) => e.keepTo(1));
  engine.call((e) => e.keepTo(2));
  expect([engine.call((e) => e.position(0)), codeOf(engine, (e) => e.sample(0))])
    .toEqual([3, "none"]);
  expect(logits().equals(three)).toBe(true);
  push([4, 5]);
  engine.call((e) => e.keepTo(1));
  expect(logits().equals(five)).toBe(true);
  for (const row of [-1, 2, 2 ** 31 - 1]) {
    expect(codeOf(engine, (e) => e.keepTo(row))).toBe("OUT_OF_ORDER");
  }
  engine.call((e) => e.restoreBegin(0));
  expect(codeOf(engine, (e) => e.keepTo(0))).toBe("OUT_OF_ORDER");
});

it("keeps no logits of a row that was refused", async () => {
  const engine = await loaded();
  for (const token of [1, 2]) engine.call((e) => e.push(0, token, 0));
  engine.call((e) => e.run(-1));
  engine.call((e) => e.logitsOf(0));
  const residual = engine.bytes(engine.exports.residual(1), 4);
  new Float32Array(residual.buffer, residual.byteOffset, 1)[0] = NaN;
  expect(codeOf(engine, (e) => e.logitsOf(1))).toBe("NON_FINITE");
  expect(codeOf(engine, (e) => e.sample(0))).toBe("NO_LOGITS");
  expect(codeOf(engine, (e) => e.hashLogits(0))).toBe("NO_LOGITS");
});
