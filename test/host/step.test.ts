// What onToken tells of every token: its bytes and position, the patch it belongs to, and the
// likeliest tokens, as a sort of all logits gives them.
// Does not know: how tokens are picked.

import { describe, expect, it } from "vitest";
import { ggmlType, patchEnds, randomBytePool } from "../reference";
import { byteModel, codeOf, load, wordModel, type Session } from "./library";

type Step = Parameters<NonNullable<NonNullable<Parameters<Session["generate"]>[1]>["onToken"]>>[0];

const pooled = randomBytePool({
  local: { width: 64, heads: 2, kvHeads: 1, feedForward: 96 }, encoders: 1, decoders: 1,
  window: 24, trunk: { width: 96, heads: 3, kvHeads: 1, feedForward: 128 }, blocks: 1,
  rule: "space", patchLength: 6, ngramRows: 0, ngramOrders: [], context: 160,
  vocabulary: 272, type: ggmlType.Q4_0, seed: 40,
});

async function stepsOf(file: Uint8Array, options: object): Promise<[Step[], string, Session]> {
  const model = await load(file);
  const session = model.session();
  const steps: Step[] = [];
  const pieces = session.generate("Once upon", {
    seed: 7, maxTokens: 40, ...options, onToken: (step) => steps.push(step),
  });
  for (let text = "";;) {
    const { done, value } = await pieces.next();
    if (!done) {
      text += value;
      continue;
    }
    expect(steps).toHaveLength(value.completionTokens);
    return [steps, text, session];
  }
}

describe.each([["bytes", byteModel()], ["words", wordModel()], ["patches", pooled]])(
  "a model of %s", (_, file) => {
    it("tells of every token, in order", async () => {
      const [steps, text] = await stepsOf(file, { temperature: 1 });
      expect(steps.length).toBeGreaterThan(3);
      steps.forEach(({ position }, i) => expect(position).toBe((steps[0] as Step).position + i));
      const bytes = Buffer.concat(steps.map((step) => step.bytes));
      expect(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes)).toBe(text);
    });

    it("knows the likeliest tokens", async () => {
      const [steps, , session] = await stepsOf(file, { maxTokens: 1, likeliest: 5 });
      const logits = [...session.logits()];
      const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
      const sorted = logits.map((logit, token) => [token, Math.log(Math.exp(logit) / sum)] as const)
        .sort(([a, p], [b, q]) => q - p || a - b).slice(0, 5);
      const { likeliest, token: picked, logProbability: own } = steps[0] as Step;
      expect(own).toBeCloseTo(Math.log(Math.exp(logits[picked] as number) / sum), 5);
      expect(likeliest.map(({ token }) => token)).toEqual(sorted.map(([token]) => token));
      likeliest.forEach(({ logProbability }, i) => {
        expect(logProbability).toBeCloseTo((sorted[i] as readonly [number, number])[1], 5);
      });
      const [none] = await stepsOf(file, { maxTokens: 1, likeliest: 0 });
      expect((none[0] as Step).likeliest).toEqual([]);
    });

    it("changes nothing of the text", async () => {
      const [, text] = await stepsOf(file, {});
      using model = await load(file);
      expect((await model.complete("Once upon", { seed: 7, maxTokens: 40 })).text).toBe(text);
    });
  });

it("numbers the patches", async () => {
  const [steps] = await stepsOf(pooled, { temperature: 1 });
  const tokens = [256, ...Buffer.from("Once upon"), ...steps.map(({ token }) => token)];
  const ends = patchEnds(tokens, "space", 6);
  steps.forEach(({ patch, position }) => {
    expect(patch).toBe(ends.slice(0, position).filter(Boolean).length);
  });
  const [plain] = await stepsOf(byteModel(), {});
  expect(plain[0]).not.toHaveProperty("patch");
});

it("refuses what is no function or number, and passes on what the function throws", async () => {
  using model = await load(byteModel());
  expect(await codeOf(model.complete("a", { onToken: 5 as never }))).toBe("BAD_OPTION");
  expect(await codeOf(model.complete("a", { likeliest: 65 }))).toBe("BAD_OPTION");
  const onToken = (): void => { throw new Error("enough"); };
  await expect(model.complete("a", { onToken })).rejects.toThrow("enough");
  expect((await model.complete("a", { seed: 1, maxTokens: 3 })).completionTokens).toBe(3);
});
