// A Worker takes its model from an object of R2, a Response, a stream, bytes or shards among its
// assets, all the same; and it is told what to pass where it passes nothing, or what cannot be.
// Does not know: what the model computes.

import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { randomModel, ggmlType } from "../reference";
import { workerd, workerModules } from "./hosts/workerd";
import { openStage, type Stage } from "./stage";

const missing = workerd.missing();
const bytes = randomModel({
  width: 128, layers: 3, heads: 4, kvHeads: 2, feedForward: 256, vocabulary: 258, context: 256,
  type: ggmlType.Q4_0, tied: true, seed: 11, tokenizer: "byte",
});
const sha256 = createHash("sha256").update(bytes).digest("hex");

let stage: Stage;
let ask: (path: string, body?: Uint8Array) => Promise<Record<string, string>>;
let stop: () => Promise<void>;

/** A folder of assets: the model whole and in pieces; of another list one piece is cut. */
function writeAssets(folder: string): void {
  mkdirSync(folder);
  writeFileSync(join(folder, "model.gguf"), bytes);
  const half = bytes.length >> 1;
  const list = (second: string): string => JSON.stringify({ size: bytes.length, sha256, shards: [
    { file: "a.bin", size: half }, { file: second, size: bytes.length - half }] });
  writeFileSync(join(folder, "a.bin"), bytes.slice(0, half));
  writeFileSync(join(folder, "b.bin"), bytes.slice(half));
  writeFileSync(join(folder, "cut.bin"), bytes.slice(half, -9));
  writeFileSync(join(folder, "model.shards.json"), list("b.bin"));
  writeFileSync(join(folder, "cut.shards.json"), list("cut.bin"));
}

beforeAll(async () => {
  if (missing) return;
  const { Miniflare } = await import("miniflare");
  stage = await openStage();
  writeAssets(join(stage.folder, "assets"));
  const miniflare = new Miniflare({
    modules: await workerModules(stage.folder, "sources.mjs"),
    compatibilityDate: "2026-04-01", r2Buckets: ["MODELS"],
    assets: {
      directory: join(stage.folder, "assets"), binding: "ASSETS",
      routerConfig: { has_user_worker: true },
    },
  });
  ask = async (path, body) => {
    const response = await miniflare.dispatchFetch(`http://worker${path}`,
      body ? { method: "PUT", body } : {});
    const text = await response.text();
    return text ? JSON.parse(text) as Record<string, string> : {};
  };
  stop = () => miniflare.dispose();
  await ask("/put", bytes);
});

afterAll(async () => {
  await stop?.();
  await stage?.close();
});

describe.skipIf(missing)(`a Worker${missing ? ` (there is no ${missing})` : ""}`, () => {
  it.each(["object", "range", "stream", "bytes", "blob", "response", "fetched", "shards"])(
    "loads the same model from: %s", async (kind) => {
      const { logits } = await ask("/bytes");
      expect(logits).toMatch(/^[0-9a-f]{64}$/);
      expect(await ask(`/${kind}`)).toEqual({ logits });
    });

  it.each([
    ["nothing", "MODEL_REQUIRED", /R2 .*env\.BUCKET\.get.*env\.ASSETS\.fetch/],
    ["path", "BAD_SOURCE", /no file system; give a URL, a Response, a stream or bytes/],
    ["used", "SOURCE_USED", /model/],
    ["absent", "BAD_SOURCE", /A model is a path, a URL, a Response/],
    ["cut-shards", "SHARD_SIZE", /cut\.bin has [a-z ]*\d+ bytes, not \d+ /],
  ])("says what is wrong with: %s", async (kind, code, words) => {
    const failure = await ask(`/${kind}`);
    expect(failure).toEqual({ code, message: expect.stringMatching(words) as string });
    expect(failure["message"]).toMatch(/^[^\n]+\.$/);
  });
});
