// nibble logits: one hash over the logits of every position, the check that hosts agree.

import { UsageError, loadModel, numberOption, parseArguments, readPrompt } from "./arguments";

export async function logits(argv: string[], signal: AbortSignal): Promise<void> {
  const args = parseArguments(argv, { rows: { type: "string" } }, 1);
  const rows = numberOption(args, "rows") ?? 32;
  if (!Number.isInteger(rows) || rows < 1 || rows > 32) {
    throw new UsageError("--rows takes a whole number from 1 to 32.");
  }
  const prompt = await readPrompt(args, signal);
  const model = await loadModel(args, signal);
  const tokens = model.tokenize(prompt);
  const sha256 = await model.session().hashLogits(tokens, { rows, signal });
  process.stdout.write(args.json
    ? `${JSON.stringify({ tokens: tokens.length, sha256 })}\n`
    : `${sha256}  ${tokens.length} tokens\n`);
}
