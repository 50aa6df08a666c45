// Texts that are laid aside and taken up again: by a reader that stops, by an abort, by saving and
// restoring in another instance. Together the pieces are the text that one call writes.
// Does not know: anything inside the engine; what snapshots look like (snapshot.test.ts).

import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { completionOf } from "../../host/completion";
import { byteModel, codeOf, load, wordModel, type Model, type Session } from "./library";

const options = { seed: 7, maxTokens: 60, temperature: 1, topK: 0, topP: 1, minP: 0 };
const models = { bytes: byteModel(), words: wordModel() };

type Slices = AsyncGenerator<string, unknown, undefined>;

/** Reads at most `count` pieces, then stops reading. Whether the text ended by itself. */
async function read(pieces: Slices, count: number, into: string[]): Promise<boolean> {
  for (let i = 0; i < count; i++) {
    const { done, value } = await pieces.next();
    if (done) return true;
    into.push(value);
  }
  await pieces.return(undefined);
  return false;
}

/** What a text ends with. */
async function endOf(pieces: Slices): Promise<unknown> {
  for (;;) {
    const { done, value } = await pieces.next();
    if (done) return value;
  }
}

describe.each(Object.entries(models))("a model of %s", (_, file) => {
  const whole = async (more: object = {}): Promise<string> => {
    using model = await load(file);
    return (await model.complete("Once", { ...options, ...more })).text;
  };

  it.each([[1], [2], [5]])("a reader that stops after %i pieces, over and over", async (count) => {
    using model = await load(file);
    const session = model.session();
    const pieces: string[] = [];
    let isOver = await read(session.generate("Once", options), count, pieces);
    while (!isOver) isOver = await read(session.resume(options), count, pieces);
    expect(pieces.join("")).toBe(await whole());
    expect(await codeOf(session.resume(options).next())).toBe("NOTHING_TO_RESUME");
  });

  it("every slice in another instance", async () => {
    const pieces: string[] = [];
    let saved: Uint8Array | undefined;
    for (let isOver = false; !isOver;) {
      using model: Model = await load(file);
      const session: Session = model.session();
      if (saved) session.restore(saved);
      isOver = await read(saved ? session.resume(options) : session.generate("Once", options), 3,
        pieces);
      if (!isOver) {
        saved = session.save();
        expect(Buffer.from(session.save()).equals(saved)).toBe(true);
      }
    }
    expect(pieces.join("")).toBe(await whole());
  });

  it("with its own endings, which are kept in the saved session", async () => {
    using model = await load(file, { sessions: 2 });
    using whole = model.session();
    const tokens: number[] = [];
    const onToken = ({ token }: { token: number }): void => void tokens.push(token);
    await endOf(whole.generate("Once", { ...options, onToken }));
    // One that comes first somewhere in the middle.
    const written = tokens.findIndex((token, i) => i > 3 && tokens.indexOf(token) === i);
    const endings = new Set([tokens[written] as number, 5]);
    using first = model.session();
    expect(await endOf(first.generate("Once", { ...options, pauseTokens: 2 }, { endings })))
      .toMatchObject({ finishReason: "paused" });
    const saved = first.save();
    using other = await load(file);
    using second = other.session();
    second.restore(saved);
    expect(Buffer.from(second.save()).equals(saved)).toBe(true);
    expect(await endOf(second.resume(options))).toMatchObject(
      { finishReason: "stop", completionTokens: written });
  });

  it.each([["mirostat", { mirostat: 2, mirostatTau: 3, mirostatEta: 0.5 }],
    ["XTC", { xtcProbability: 0.5, xtcThreshold: 0.01 }],
    ["DRY", { dryMultiplier: 100, dryAllowedLength: 1, dryBreakers: [] }],
  ] as const)("every slice in another instance, with %s", async (__, more) => {
    const pieces: string[] = [];
    let saved: Uint8Array | undefined;
    for (let isOver = false; !isOver;) {
      using model = await load(file);
      const session = model.session();
      if (saved) session.restore(saved);
      const settings = { ...options, temperature: 0.3, ...more };
      isOver = await read(saved ? session.resume(settings) : session.generate("Once", settings), 9,
        pieces);
      if (!isOver) saved = session.save();
    }
    expect(pieces.join("")).toBe(await whole({ temperature: 0.3, ...more }));
    expect(pieces.join("")).not.toBe(await whole({ temperature: 0.3 }));
  });

  it("stop sequences that the cut goes through", async () => {
    const text = await whole();
    const characters = [...text];
    for (const at of [8, 15, 24]) {
      const stop = characters.slice(at, at + 3).join("");
      const expected = await whole({ stop });
      using model = await load(file);
      const session = model.session();
      const pieces: string[] = [];
      let isOver = await read(session.generate("Once", { ...options, stop }), 1, pieces);
      while (!isOver) {
        using other = await load(file);
        const next = other.session();
        next.restore(session.save());
        session.restore(next.save());
        isOver = await read(session.resume({ ...options, stop }), 1, pieces);
      }
      expect(pieces.join("")).toBe(expected);
    }
  });

  it.each([[1], [7], [1000]])("pauses after %i tokens, over and over", async (pauseTokens) => {
    using model = await load(file);
    const session = model.session();
    let text = "";
    let tokens = 0;
    for (let isFirst = true, reason = "paused"; reason === "paused"; isFirst = false) {
      const own = { ...options, pauseTokens };
      const { text: piece, ...result } = await completionOf(
        isFirst ? session.generate("Once", own) : session.resume(own));
      text += piece;
      expect(result.completionTokens).toBeLessThanOrEqual(tokens + pauseTokens);
      tokens = result.completionTokens;
      reason = result.finishReason;
      if (reason !== "paused") continue;
      expect(tokens % pauseTokens).toBe(0);
      expect(session.unfinished).toEqual(
        { promptTokens: result.promptTokens, completionTokens: tokens, seed: 7 });
    }
    expect(text).toBe(await whole());
    expect(session.unfinished).toBeUndefined();
    expect(await codeOf(model.complete("Once", { pauseTokens }))).toBe("BAD_OPTION");
  });

  it("an aborted text goes on", async () => {
    using model = await load(file);
    const session = model.session();
    const stop = new AbortController();
    let text = "";
    const reason = await (async () => {
      for await (const piece of session.generate("Once", { ...options, signal: stop.signal })) {
        text += piece;
        if (text.length > 5) stop.abort("enough");
      }
    })().catch((error: unknown) => error);
    expect(reason).toBe("enough");
    for await (const piece of session.resume(options)) text += piece;
    expect(text).toBe(await whole());
  });
});

it("what comes in between ends an unfinished text", async () => {
  using model = await load(models.bytes);
  const session = model.session();
  for (const change of [
    () => session.feed(" and"), () => session.rewind(2),
    () => session.evaluate([65], () => undefined),
  ]) {
    await read(session.generate("Once", options), 1, []);
    await change();
    expect(await codeOf(session.resume(options).next())).toBe("NOTHING_TO_RESUME");
  }
});

it("what is no saved session is refused, and the session stays usable", async () => {
  using model = await load(models.bytes, { context: 64 });
  const session = model.session();
  await session.feed("Once");
  const saved = session.save();
  const refused = (bytes: Uint8Array): Promise<string> => codeOf((async () =>
    session.restore(bytes))());
  expect(await refused(new Uint8Array(0))).toBe("SNAPSHOT_DAMAGED");
  for (let at = 0; at < saved.length; at += at < 80 ? 1 : 61) {
    expect(await refused(saved.subarray(0, at)), `${at}`).toBe("SNAPSHOT_DAMAGED");
    expect(session.position).toBe(0);
  }
  for (let at = 0; at < 20; at++) {
    const bad = saved.slice();
    bad[at] = (bad[at] as number) ^ 1;
    expect(await refused(bad), `byte ${at}`).toMatch(/SNAPSHOT/);
  }
  expect(await refused("text" as unknown as Uint8Array)).toBe("BAD_OPTION");
  using long = await load(models.bytes);
  const other = long.session();
  await other.feed("x".repeat(100));
  expect(await refused(other.save())).toBe("SNAPSHOT_TOO_LONG");
  using words = await load(models.words);
  expect(await refused(words.session().save())).toBe("SNAPSHOT_MISMATCH");
  session.restore(saved);
  expect(session.position).toBe(5);
  const generator = session.generate(" more", options);
  await generator.next();
  expect(() => session.save()).toThrow(/writing already/);
  await generator.return(undefined as never);
});

describe("a source's SHA-256", () => {
  const file = models.bytes;
  const sha256 = createHash("sha256").update(file).digest("hex");
  const streamOf = (bytes: Uint8Array, size: number): ReadableStream<Uint8Array> => {
    let at = 0;
    return new ReadableStream({
      pull(controller) {
        if (at >= bytes.length) return controller.close();
        controller.enqueue(bytes.slice(at, at + size));
        at += size;
      },
    });
  };

  it("is checked over the whole source, however it comes", async () => {
    const blob = new Blob([Buffer.from(file)]);
    for (const input of [file, streamOf(file, 1000), streamOf(file, 64), blob]) {
      (await load(input as Uint8Array, { sha256 })).dispose();
    }
    (await load(file, { sha256: sha256.toUpperCase() })).dispose();
    const behind = Buffer.concat([file, Buffer.from("behind the last tensor")]);
    const other = createHash("sha256").update(behind).digest("hex");
    (await load(behind, { sha256: other })).dispose();
    expect(await codeOf(load(behind, { sha256 }))).toBe("SHA256_MISMATCH");
  });

  it("refuses another file, and what is no SHA-256", async () => {
    const changed = Buffer.from(file);
    changed[changed.length - 3] ^= 1;
    const failure = await load(changed, { sha256 }).catch((error: Error) => error);
    expect(String(failure)).toMatch(new RegExp(`The SHA-256 is [0-9a-f]{64}, not ${sha256}`));
    for (const bad of ["", "abc", sha256.slice(1), `${sha256}0`, 5]) {
      expect(await codeOf(load(file, { sha256: bad as string }))).toBe("BAD_OPTION");
    }
  });
});
