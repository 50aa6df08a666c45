// nibble tokenize: the tokens of a text, by id and by text. A file with nothing but a vocabulary is
// enough.

import { loadModel, parseArguments, readPrompt } from "./arguments";

export async function tokenize(argv: string[], signal: AbortSignal): Promise<void> {
  const args = parseArguments(argv, { trusted: { type: "boolean" } }, 1);
  const text = await readPrompt(args, signal);
  const model = await loadModel(args, signal);
  const ids = model.tokenize(text, { trusted: args.values["trusted"] === true });
  const pieces = model.pieces(ids);
  process.stdout.write(args.json ? `${JSON.stringify({ ids, pieces })}\n`
    : ids.map((id, i) => `${String(id).padStart(7)}  ${JSON.stringify(pieces[i])}\n`).join(""));
}
