// The program without JavaScript: a WASI preview 1 command. Finds the command; the rest is in
// wasi/. Exit codes: 0 done, 1 failed with one sentence on stderr, 2 wrong usage.

import { equals } from "./text";
import {
  LOGITS_OPTIONS, RUN_OPTIONS, SHOW_OPTIONS, TOKENIZE_OPTIONS, argumentAt, asksForHelp, begin,
  count, lengthOf, parse,
} from "./wasi/arguments";
import { isEmbedded } from "./wasi/embedded";
import { printLogits } from "./wasi/logits";
import { flush, put, putName, toErrors } from "./wasi/output";
import { printRun } from "./wasi/run";
import { printShow } from "./wasi/show";
import { printTokens } from "./wasi/tokenize";
import { exit } from "./wasi/system";

function printUsage(): void {
  put("nibble - small language models in WebAssembly\n\n");
  put("  nibble run      MODEL [PROMPT]   print the prompt, then its continuation\n");
  put("  nibble show     MODEL            metadata, tensors, memory plan\n");
  put("  nibble tokenize MODEL TEXT       ids and pieces of a text\n");
  put("  nibble logits   MODEL PROMPT     sha256 over the logits of all positions\n\n");
  put("MODEL is a path ending in .gguf (or -m MODEL) in a folder that this program was given.\n");
  put("PROMPT or TEXT \"-\", or none with a pipe, reads standard input.\n\n");
  put("run       -n MAX (256)  --temp T (0.8; 0 is greedy)  --top-k K (40)  --top-p P (0.95)\n");
  put("          --min-p P (0.05)  --repeat-penalty R (1)  --seed N (random)\n");
  put("          --stop TEXT (repeatable)\n");
  put("tokenize  --trusted (control tokens that the text spells become these)  --json\n");
  put("logits    --rows 1..32 (32)  --json\n");
  put("all       --context N (the model's, at most 2048)  --weights q4_0|q8_0|f32\n");
  put("          --cache int8|f32  --memory-limit 128MB  --threads 1\n");
}

function isCommand(name: string): bool {
  return count > 0 && equals(argumentAt(0), lengthOf(argumentAt(0)), name);
}

/** A story that needs no command: all arguments are those of run. */
function tellStory(): void {
  parse(0, RUN_OPTIONS, 1);
  printRun();
}

function refuseCommand(): void {
  toErrors();
  if (count > 0 && load<u8>(argumentAt(0)) != 0) {
    put("There is no command \"");
    putName(argumentAt(0));
    put("\".\n\n");
  }
  printUsage();
  flush();
  exit(2);
}

function main(): void {
  begin();
  if (isCommand("--help") || isCommand("-h") || isCommand("help")) return help();
  if (isCommand("run")) return runCommand(RUN_OPTIONS, 1);
  if (isCommand("logits")) return runCommand(LOGITS_OPTIONS, 1);
  if (isCommand("tokenize")) return runCommand(TOKENIZE_OPTIONS, 1);
  if (isCommand("show")) return runCommand(SHOW_OPTIONS, 0);
  if (!isEmbedded()) return refuseCommand();
  if (asksForHelp()) return help();
  tellStory();
}

/** A command by its own options, and the texts besides the model that it takes. */
function runCommand(own: i32, most: i32): void {
  if (asksForHelp()) return help();
  parse(1, own, most);
  if (own == RUN_OPTIONS) printRun();
  else if (own == LOGITS_OPTIONS) printLogits();
  else if (own == TOKENIZE_OPTIONS) printTokens();
  else printShow();
}

function help(): void {
  printUsage();
  flush();
}

main();
