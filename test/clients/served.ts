// nibble serve around a small model in a process of its own, and the same model in this one.
// Does not know: what clients ask of it.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CHATML, chatModel, load, type Model } from "../host/library";

export const KEY = "a key";
const file = chatModel(CHATML, ["<|im_start|>", "<|im_end|>"], { context: 4096 });
const command = fileURLToPath(new URL("../../dist/nibble.js", import.meta.url));

export interface Served {
  baseURL: string;
  model: Model;
  close(): void;
}

export async function serve(): Promise<Served> {
  const folder = mkdtempSync(join(tmpdir(), "nibble-clients-"));
  writeFileSync(join(folder, "tiny.gguf"), file);
  const model = await load(file);
  const child = spawn(process.execPath, [command, "serve", "tiny.gguf", "--port", "0", "--name",
    "tiny", "--api-key", KEY], { cwd: folder, stdio: ["ignore", "pipe", "ignore"] });
  const line = await new Promise<string>((resolve) => {
    child.stdout.once("data", (data: Buffer) => resolve(String(data)));
  });
  return {
    baseURL: `${/http:\S+:\d+/.exec(line)?.[0] ?? ""}/v1`, model,
    close() {
      child.kill();
      model.dispose();
      rmSync(folder, { recursive: true });
    },
  };
}
