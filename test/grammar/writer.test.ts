// Texts under a constraint, written by models that know nothing: they match, or were cut; and are
// the same however they are read, beside whatever, and whether what must come is sampled or not.
// Does not know: how constraints work.

import { afterAll, describe, expect, it } from "vitest";
import type { Constraint } from "../../host/grammar/constraint";
import {
  bytes, choice, literal, repeat, rule, sequence, type Grammar,
} from "../../host/grammar/syntax";
import type { TokenStep } from "../../host/options";
import { byteModel, codeOf, load, withMetadata, type Model, type Session } from "../host/library";
import { FORM, GRAMMARS, JSON_TEXT, models } from "./models";

const WILD = { temperature: 2, topK: 0, topP: 1, minP: 0, likeliest: 0 };
const loaded: Model[] = [];
afterAll(() => loaded.forEach((model) => model.dispose()));

async function open(file: Uint8Array, sessions = 1): Promise<Model> {
  const model = await load(file, { sessions });
  loaded.push(model);
  return model;
}

type Pieces = ReturnType<Session["generate"]>;

async function read(pieces: Pieces) {
  for (let text = ""; ;) {
    const { done, value } = await pieces.next();
    if (done) return { text, ...value };
    text += value;
  }
}

function write(session: Session, constraint: Constraint, options: object = {}, prompt = "Once") {
  session.rewind(0);
  return read(session.generate(prompt, { ...WILD, maxTokens: 200, seed: 1, ...options },
    { constraint }));
}

const files = models();

describe.each(files)("a model of %s", (name, file) => {
  const ready = open(file, 4);

  it.each(GRAMMARS)("writes %s that its judge takes, or is cut", async (_, grammar, judge) => {
    const model = await ready;
    using session = model.session();
    const constraint = model.constrain(grammar);
    const ends = { stop: 0, length: 0, paused: 0 };
    for (let seed = 0; seed < 25; seed++) {
      const prompt = seed % 5 === 0 && name !== "stories" ? "" : "Once";
      const result = await write(session, constraint, { seed, maxTokens: 150 }, prompt);
      ends[result.finishReason]++;
      if (result.finishReason === "stop") expect(judge(result.text), result.text).toBe(true);
      else expect(result.completionTokens).toBe(150);
    }
    expect(ends.stop).toBeGreaterThan(0);
  });

  it("tells of every token, and what was forced", async () => {
    const model = await ready;
    using session = model.session();
    const steps: TokenStep[] = [];
    const result = await write(session, model.constrain(FORM),
      { onToken: (step: TokenStep) => steps.push(step) });
    expect(steps.length).toBe(result.completionTokens);
    expect(Buffer.concat(steps.map((step) => step.bytes)).toString()).toBe(result.text);
    steps.forEach((step, i) => expect(step.position).toBe((steps[0] as TokenStep).position + i));
    const forced = steps.filter(({ isForced }) => isForced);
    expect(forced.length).toBeGreaterThan(0);
    for (const step of forced) expect(step).toMatchObject({ logProbability: 0, likeliest: [] });
  });

  it.each([[1], [3]])("goes on where a reader stopped, every %i pieces", async (count) => {
    const model = await ready;
    using session = model.session();
    const constraint = model.constrain(FORM);
    const whole = await write(session, constraint);
    const options = { ...WILD, maxTokens: 200, seed: 1 };
    session.rewind(0);
    let text = "";
    let pieces = session.generate("Once", options, { constraint });
    for (;;) {
      let next = await pieces.next();
      for (let i = 1; i < count && !next.done; i++) {
        text += next.value;
        next = await pieces.next();
      }
      if (next.done) {
        expect(next.value.completionTokens).toBe(whole.completionTokens);
        break;
      }
      text += next.value;
      await pieces.return(undefined as never);
      // Another constraint of the same grammar does as well.
      pieces = session.resume(options, { constraint: model.constrain(FORM) });
    }
    expect(text).toBe(whole.text);
  });

  it("goes on in another instance, from the bytes of a session", async () => {
    const model = await ready;
    using session = model.session();
    // Also where the text is all there is, and its first word has no space.
    for (const prompt of name === "stories" ? ["Once"] : ["Once", ""]) {
      const whole = await write(session, model.constrain(FORM), {}, prompt);
      const options = { ...WILD, maxTokens: 200, seed: 1 };
      session.rewind(0);
      let pieces = session.generate(prompt, options, { constraint: model.constrain(FORM) });
      let text = "";
      for (let next = await pieces.next(); !next.done; next = await pieces.next()) {
        text += next.value;
        await pieces.return(undefined as never);
        const saved = session.save();
        using other = model.session();
        other.restore(saved);
        expect(Buffer.from(other.save()).equals(saved)).toBe(true);
        session.restore(saved);
        pieces = session.resume(options, { constraint: model.constrain(FORM) });
      }
      expect(text).toBe(whole.text);
    }
  });

  it("writes the same beside other texts", async () => {
    const model = await ready;
    const constraint = model.constrain(JSON_TEXT);
    const seeds = [0, 1, 2, 3];
    const alone: string[] = [];
    for (const seed of seeds) {
      using session = model.session();
      alone.push((await write(session, constraint, { seed })).text);
    }
    const sessions = seeds.map(() => model.session());
    const together = await Promise.all(sessions.map((session, seed) => (
      write(session, constraint, { seed }))));
    expect(together.map(({ text }) => text)).toEqual(alone);
    sessions.forEach((session) => session.close());
  });

  it("keeps to maxTokens, also inside of what is forced, and to the context", async () => {
    const model = await ready;
    using session = model.session();
    const constraint = model.constrain({ rules: [literal("abcdefghij".repeat(100))] });
    for (const maxTokens of [0, 1, 7, 100]) {
      const result = await write(session, constraint, { maxTokens });
      expect(result).toMatchObject({ finishReason: "length", completionTokens: maxTokens });
    }
    const full = await write(session, constraint, { maxTokens: 100_000 });
    // The last token of a full context need not be read.
    const { context } = model.info;
    if (full.finishReason === "stop") expect(full.text).toBe("abcdefghij".repeat(100));
    else expect(full.promptTokens + full.completionTokens).toBe(context + 1);
    // What must come and nothing else.
    const short = model.constrain({ rules: [literal("yes")] });
    expect(await write(session, short)).toMatchObject({ text: "yes", finishReason: "stop" });
  });

  it("ends at a stop sequence, forced or not, and goes on from there", async () => {
    const model = await ready;
    using session = model.session();
    const constraint = model.constrain(FORM);
    const result = await write(session, constraint, { stop: ["_known", "}"] });
    expect(result).toMatchObject({ finishReason: "stop" });
    expect(result.text.endsWith("\"is")).toBe(true);
    await session.feed(" and");
    expect(session.position).toBeGreaterThan(result.completionTokens);
  });
});

describe("what is forced", () => {
  it.each(files.filter(([name]) => name === "bytes"))("is what sampling would give, with %s",
    async (_, file) => {
      const model = await open(file);
      using session = model.session();
      for (const [, grammar] of GRAMMARS) {
        const constraint = model.constrain(grammar);
        const unforced = Object.create(constraint, { guide: { value: (endings: number[]) => {
          const guide = constraint.guide(endings);
          guide.forced = () => ({ bytes: new Uint8Array(0), isComplete: false });
          return guide;
        } } }) as Constraint;
        for (let seed = 0; seed < 5; seed++) {
          // Greedy: what is forced draws no random number.
          const options = { temperature: 0, seed, repeatPenalty: 1.3, maxTokens: 120 };
          expect(await write(session, constraint, options))
            .toEqual(await write(session, unforced, options));
        }
      }
    });

  it("is read in one pass", async () => {
    const model = await open(byteModel());
    const before = model.activity.passes;
    using session = model.session();
    await write(session, model.constrain({ rules: [
      sequence(literal("abcdefgh".repeat(3)), bytes([0x30, 0x39]), literal("x"))] }));
    // The prompt, and all before the digit: the rest needs no logits.
    expect(model.activity.passes - before).toBe(2);
  });
});

describe("refusals", () => {
  const endless: Grammar = { rules: [sequence(literal("z"), choice(rule(0), literal("y")))] };

  it("of a constraint of another model, or of another text", async () => {
    const [one, other] = [await open(byteModel()), await open(byteModel({ seed: 12 }))];
    using session = one.session();
    expect(await codeOf(write(session, other.constrain(FORM)))).toBe("BAD_OPTION");
    const pieces = session.generate("", WILD, { constraint: one.constrain(endless) });
    await pieces.next();
    await pieces.return(undefined as never);
    expect(await codeOf(read(session.resume(WILD, { constraint: one.constrain(FORM) }))))
      .toBe("BAD_OPTION");
  });

  it("where no token can spell what must come", async () => {
    const file = withMetadata(byteModel(), [["tokenizer.ggml.token_type", "int32[]",
      (types: number[]) => types.map((type, id) => (id === 0x7a ? 3 : type))]]);
    const model = await open(file);
    using session = model.session();
    expect(await codeOf(write(session, model.constrain(endless)))).toBe("GRAMMAR_UNSPELLABLE");
    const some = model.constrain({ rules: [repeat(literal("a"), 1, 3)] });
    expect((await write(session, some)).text).toMatch(/^a{1,3}$/);
  });
});

it("can be taken up when it was aborted while what must come was read", async () => {
  const model = await open(byteModel(), 2);
  const must = "The quick brown fox jumps over the lazy dog. ".repeat(3);
  const constraint = model.constrain({ rules: [sequence(bytes([0x78, 0x79]), literal(must),
    repeat(bytes([0x61, 0x62]), 10, 10))] });
  const options = { ...WILD, seed: 1, maxTokens: 200 };
  using session = model.session();
  const whole = await read(session.generate("Once", options, { constraint }));
  // Two that read share their passes, and what must come is longer than one: the abort comes in
  // between, after one more token of the other text each time.
  let interrupted = 0;
  for (let later = 0; later < 6; later++) {
    session.rewind(0);
    using other = model.session();
    const stop = new AbortController();
    let text = "";
    const reading = (async () => {
      for await (const piece of session.generate("Once", { ...options, signal: stop.signal },
        { constraint })) text += piece;
    })().catch((error: Error) => error.name);
    let left = later;
    for await (const _ of other.generate("Hello", { ...WILD, seed: 2, maxTokens: 100,
      logitBias: { 256: -100, 257: -100 } })) {
      if (text.length >= must.length && left-- === 0) break;
    }
    stop.abort();
    if (await reading === "AbortError") interrupted++;
    else expect(text).toBe(whole.text);
    if (text !== whole.text) text += (await read(session.resume(options, { constraint }))).text;
    expect(text).toBe(whole.text);
  }
  expect(interrupted).toBeGreaterThan(2);
});
