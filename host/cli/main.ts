#!/usr/bin/env node
// The command line: finds the command, prints failures, sets the exit code. 0 done, 1 failed with
// one sentence on stderr, 2 wrong usage, 130 stopped by Ctrl-C. Usage is what stands among the
// arguments; what is wrong with a file that they name is a failure. Knows nothing of models.

import { readFileSync } from "node:fs";
import { NibbleError } from "../errors";
import { UsageError } from "./arguments";
import { bench } from "./bench";
import { chat } from "./chat";
import { convert } from "./convert";
import { evaluate } from "./eval";
import { logits } from "./logits";
import { run } from "./run";
import { flagOf } from "./sampling";
import { serve } from "./serve";
import { show } from "./show";
import { tokenize } from "./tokenize";

const commands: Record<string, (args: string[], signal: AbortSignal) => Promise<void>> = {
  run, chat, serve, show, tokenize, eval: evaluate, logits, bench, convert,
};

const USAGE = `nibble - small language models in WebAssembly

  nibble run      [MODEL] [PROMPT]        print the prompt, then its continuation
  nibble chat     [MODEL]                 a conversation
  nibble serve    [MODEL]                 OpenAI's interface and a chat page, on 127.0.0.1:8080
  nibble show     [MODEL]                 metadata, tensors, memory plan
  nibble tokenize [MODEL] TEXT            ids and pieces of a text
  nibble eval     [MODEL] --text FILE     bits per byte of a text
  nibble eval     [MODEL] --choices FILE  share of questions that are answered right
  nibble logits   [MODEL] PROMPT          sha256 over the logits of all positions
  nibble bench    [MODEL]                 load time, first token, tokens per second, memory
  nibble convert  SOURCE OUT.gguf         a Hugging Face folder, or a GGUF file, in another type

MODEL is a path ending in .gguf or a URL (or -m MODEL); without it, the embedded model is used.
PROMPT or TEXT "-", or none with a pipe, reads standard input.

run       -n MAX (256)  --temp T (0.8; 0 is greedy)  --top-k K (40)  --top-p P (0.95)
          --min-p P (0.05)  --repeat-penalty R (1)  --seed N (random)  --stop TEXT (repeatable)
          and the sampling options below
          the text's shape: --schema FILE (JSON schema), --regex R, --grammar FILE (GBNF), or
          --choices A,B,C (a comma inside of one is \\,; or a list in JSON)
chat      the same  --system TEXT; /help while it runs
serve     --host H  --port P  --api-key K (or NIBBLE_API_KEY)  --cors ORIGIN (repeatable; * for all)
          the options of sampling, for requests that do not say
          --parallel N (4)  --queue N (64)  --time-limit SECONDS (300)  --name NAME
          --idle-limit SECONDS (30; of a connection on which nothing moves)
sampling  --typical P (1)  --xtc-probability P (0)  --xtc-threshold P (0.1)
          --mirostat 0|2 (0)  --mirostat-ent BITS (5)  --mirostat-lr R (0.1)
          --dynatemp-range T (0)  --dynatemp-exp X (1)  --repeat-last-n N (64)
          --presence-penalty A (0)  --frequency-penalty A (0)
          --dry-multiplier A (0)  --dry-base B (1.75)  --dry-allowed-length N (2)
          --dry-penalty-last-n N (the context)
          --dry-sequence-breaker TEXT (repeatable; none for no breakers)
          --speculation lookup|off (off)
          defaults are those of the model's file, where it has any
eval      --text FILE  --limit BYTES  --noise P (0)  --seed N (1), or
          --choices FILE.jsonl  --limit ITEMS  --join TEXT (one space)
tokenize  --trusted (control tokens that the text spells become these)
logits    --rows 1..32 (32)
convert   --type q4_0|q8_0|f16|f32 (q4_0)  --head TYPE (of the logits' matrix: q8_0 at q4_0)
          --shard 24MiB  --calibrate FILE  --plain (no search for the best scales)  --json
models    --context N (the model's, at most 2048)  --weights q4_0|q8_0|f32  --cache int8|f32
          --memory-limit 128MB  --threads 1  --json
`;

function version(): string {
  const file = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(file) as { version: string }).version;
}

async function main(args: string[]): Promise<number> {
  const [name = "", ...rest] = args;
  if (name === "--help" || name === "-h" || name === "help") {
    process.stdout.write(USAGE);
    return 0;
  }
  if (name === "--version" || name === "-v") {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) {
    const problem = name ? `There is no command "${name}".\n\n` : "";
    process.stderr.write(`${problem}${USAGE}`);
    return 2;
  }
  // What follows "--" is a prompt, whatever it looks like.
  const options = rest.includes("--") ? rest.slice(0, rest.indexOf("--")) : rest;
  if (options.includes("--help") || options.includes("-h")) {
    process.stdout.write(USAGE);
    return 0;
  }
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort()); // a second Ctrl-C ends the process at once
  try {
    await command(rest, stop.signal);
    return 0;
  } catch (error) {
    if (stop.signal.aborted && error === stop.signal.reason) return 130;
    return report(error);
  }
}

/** One sentence on stderr; returns the exit code. */
function report(error: unknown): number {
  if (error instanceof UsageError) {
    process.stderr.write(`nibble: ${error.message}\n`);
    return 2;
  }
  if (error instanceof NibbleError) {
    // The library's sentences have the library's names.
    const words = error.message.replace(/^Option (\w+)/, (same, name) => (
      flagOf(String(name)) ?? String(same)));
    process.stderr.write(`nibble: ${words} [${error.code}]\n`);
    return error.code === "BAD_OPTION" ? 2 : 1;
  }
  process.stderr.write(`nibble: ${error instanceof Error ? error.message : String(error)}\n`);
  return 1;
}

// A reader that has seen enough (`nibble run ... | head`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  process.stderr.write(`nibble: Standard output cannot be written (${error.code ?? "error"}).\n`);
  process.exit(1);
});

process.exitCode = await main(process.argv.slice(2));
